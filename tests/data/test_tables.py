import json
import sys

import numpy as np
import pandas as pd
import pytest

import kbert_tasks as kb
from kbert_tasks.data import delimited, label_forms, tables
from kbert_tasks.data.cells import text_of
from kbert_tasks.pretraining import documents
from kbert_tasks.tasks.entity.entities import overlapping

TEXT = "text,label\n房间很干净,好评\n太吵了,差评\n"


def put(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def rows(table):
    return table.to_dict("records")


def error_message(path, **options):
    with pytest.raises(kb.InputError) as caught:
        kb.read(path, **options)
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk", "gb18030"])
def test_encodings_are_detected(tmp_path, encoding):
    assert rows(kb.read(put(tmp_path, "a.csv", TEXT.encode(encoding))))[0] == {"text": "房间很干净", "label": "好评"}


def test_unknown_encoding_is_reported_with_line_and_option(tmp_path):
    path = put(tmp_path, "a.csv", "text,label\nok,1\ncafé très,0\n".encode("latin-1"))
    assert "line 3: byte 0xe9 is not utf-8: set the file's encoding, such as --encoding" in error_message(path)
    assert rows(kb.read(path, encoding="latin-1"))[1]["text"] == "café très"
    assert "unknown encoding 'klingon'" in error_message(path, encoding="klingon")


def test_big5_is_not_read_as_gbk(tmp_path):
    assert "is not utf-8" in error_message(
        put(tmp_path, "a.csv", "text,label\n房間很乾淨而且服務態度相當不錯,好\n".encode("big5"))
    )


def test_values_are_read_unchanged(tmp_path):
    table = kb.read(put(tmp_path, "a.csv", 'text,label\nNA,null\n007,1.0\n"a, ""b""\nc",True\n'))
    assert rows(table) == [
        {"text": "NA", "label": "null"},
        {"text": "007", "label": "1.0"},
        {"text": 'a, "b"\nc', "label": "True"},
    ]


def test_quotation_marks_in_tsv_are_text(tmp_path):
    table = kb.read(put(tmp_path, "a.tsv", 'label\ttext\n1\t"so good\n0\tit says "no" here\n1\t" x\n'))
    assert [row["text"] for row in rows(table)] == ['"so good', 'it says "no" here', '" x']


def test_quoted_tsv_cell_may_contain_a_line_break(tmp_path):
    table = kb.read(put(tmp_path, "a.tsv", 'label\ttext\n1\t"one\ntwo"\n0\tthree\n'))
    assert [row["text"] for row in rows(table)] == ["one\ntwo", "three"]


def test_file_without_header_has_numbered_columns(tmp_path):
    table = kb.read(put(tmp_path, "a.tsv", "1\tgood\n0\tbad\n"), header=False)
    assert rows(table) == [{"1": "1", "2": "good"}, {"1": "0", "2": "bad"}]


def test_jsonl_is_read(tmp_path):
    path = put(tmp_path, "a.jsonl", '{"text": "a", "label": ["x", "y"]}\n\n{"text": "b\u2028c", "label": 3}\n')
    assert rows(kb.read(path)) == [{"text": "a", "label": ["x", "y"]}, {"text": "b\u2028c", "label": 3}]
    assert "line 2 is not JSON" in error_message(put(tmp_path, "b.jsonl", '{"text": "a"}\n{"text": }\n'))
    assert "line 2: expected an object" in error_message(put(tmp_path, "c.jsonl", '{"text": "a"}\n[1]\n'))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    "content",
    [
        '{"text": "a", "spo_list": []}\n{"text": "b"}\n',  # DuIE is published in this form, in .json
        '[{"text": "a", "spo_list": []}, {"text": "b"}]',
        '\n[\n  {\n    "text": "a",\n    "spo_list": []\n  },\n  {"text": "b"}\n]\n',
    ],
)
def test_json_has_one_object_per_line_or_one_array(tmp_path, name, content):
    table = kb.read(put(tmp_path, name, content))
    assert list(table["text"]) == ["a", "b"] and table["spo_list"][0] == []


@pytest.mark.parametrize(
    "content, expected",
    [
        ('[{"text": "a"}, "b"]', "a.json, item 2: expected an object such as"),
        ('[\n{"text": "a"},\n]', "a.json, line 3 is not JSON: "),
        ('{\n  "data": []\n}', "line 1 is not JSON: "),
        ('{\n  "data": []\n}', "expected one object per line, or all objects in one array"),
        ("[]", "has no rows"),
    ],
)
def test_error_in_json_is_reported_with_its_position(tmp_path, content, expected):
    assert expected in error_message(put(tmp_path, "a.json", content))


@pytest.mark.parametrize(
    "name, separator, expected",
    [
        ("a.csv", ";", "semicolons, not by commas"),
        ("a.csv", "\t", "tabs, not by commas"),
        ("a.csv", "|", "vertical bars, not by commas"),
        ("a.tsv", ",", "commas, not by tabs"),
        ("a.tsv", ";", "semicolons, not by tabs"),
    ],
)
def test_other_delimiter_is_detected_and_logged(tmp_path, caplog, name, separator, expected):
    caplog.set_level("INFO", "kbert_tasks")
    content = f'text{separator}label\n"a{separator}b"{separator}好评\n很好{separator}差评\n'
    texts = ["a" + separator + "b", "很好"] if separator != "\t" else ["a\tb", "很好"]
    assert kb.read(put(tmp_path, name, content)).to_dict("list") == {"text": texts, "label": ["好评", "差评"]}
    assert f"the cells are separated by {expected}" in caplog.text


def test_usual_delimiter_is_kept_if_no_other_is_certain(tmp_path, caplog):
    caplog.set_level("INFO", "kbert_tasks")
    one = kb.read(put(tmp_path, "a.csv", "text\ngood; clean\nbad; loud\n"))  # the header has no other separator
    assert list(one["text"]) == ["good; clean", "bad; loud"]
    two = kb.read(put(tmp_path, "b.csv", "a;b\nc\n"), header=False)  # not every line has the separator
    assert list(two["1"]) == ["a;b", "c"]
    assert list(kb.read(put(tmp_path, "c.csv", "text;note,label\na,1\n"))) == ["text;note", "label"]
    assert caplog.text == ""
    assert list(kb.read(put(tmp_path, "d.csv", "a;b\nc;d\n"), header=False)["2"]) == ["b", "d"]


def test_commas_in_texts_without_header_are_not_read_as_separators(tmp_path, caplog):
    caplog.set_level("INFO", "kbert_tasks")
    semicolons = put(tmp_path, "a.csv", "很好;好评\ngood, clean;好评\n太吵;差评\n")
    assert kb.read(semicolons, header=False).to_dict("list") == {
        "1": ["很好", "good, clean", "太吵"],
        "2": ["好评", "好评", "差评"],
    }
    assert "the cells are separated by semicolons, not by commas" in caplog.text
    for content in ("a;b,c\nd;e,f\n", "a,1\nb\n"):  # only the comma is in all lines
        assert kb.read(put(tmp_path, "b.csv", content), header=False).shape == (2, 2)
    tabs = put(tmp_path, "c.tsv", "1\thello, you\n0\tbye, you\textra\n")
    assert "line 2 has 2 tabs" in error_message(tabs, header=False)


@pytest.mark.parametrize("separator", [";", ",", "|", "\t", "^"])
@pytest.mark.parametrize("declared", ["sep={}", '"sep={}"', "SEP={}"])
def test_separator_line_of_excel_is_used(tmp_path, declared, separator):
    lines = [
        declared.format(separator),
        f"text{separator}label",
        f'"a{separator}b"{separator}好评',
        f"c{separator}差评",
    ]
    path = put(tmp_path, "a.csv", ("\ufeff" + "\r\n".join(lines) + "\r\n"))
    assert kb.read(path).to_dict("list") == {"text": [f"a{separator}b", "c"], "label": ["好评", "差评"]}
    assert kb.read(path, header=False).shape == (3, 2)
    if separator != "\t":  # quotation marks are text in streamed files with tabs
        assert list(documents.read(path)) == [[f"a{separator}b"], ["c"]]


def test_text_file_with_one_tab_per_line_is_read_as_tsv(tmp_path, caplog):
    caplog.set_level("INFO", "kbert_tasks")
    path = put(tmp_path, "train.txt", "房间很干净\t好评\n太吵了\t差评\n")
    assert kb.read(path, header=False).to_dict("list") == {"1": ["房间很干净", "太吵了"], "2": ["好评", "差评"]}
    assert "train.txt: each line has exactly one tab, so the file is read as .tsv" in caplog.text
    with pytest.raises(kb.InputError, match="choose one with --label-column .or --no-header"):
        tables.column(kb.read(path), "label", "label_column")
    headed = put(tmp_path, "b.txt", "text\tlabel\n房间很干净\t好评\n")
    assert rows(kb.read(headed)) == [{"text": "房间很干净", "label": "好评"}]
    plain = put(tmp_path, "c.txt", "one\ttwo\nthree\n")
    assert list(kb.read(plain)["text"]) == ["one\ttwo", "three"]


@pytest.mark.parametrize("line", ["1\t好\t好评", "好,好评", "好\t好评\n坏"])
def test_error_for_a_table_in_a_text_file_suggests_renaming_it(tmp_path, line):
    path = put(tmp_path, "a.txt", line + "\n")
    with pytest.raises(kb.InputError) as caught:
        kb.TextClassifier().examples(kb.read(path))
    assert str(caught.value) == (
        f"{path} has no column 'label': a .txt file has one text per line; if it is a table, rename it to .csv (cells "
        "separated by commas) or .tsv (by tabs)"
    )
    assert kb.TextClassifier().examples(kb.read(path), gold=False).rows


def test_nul_does_not_end_a_cell(tmp_path):
    path = put(tmp_path, "a.csv", "text,n\0\n太\0吵了,1\n\0,2\n")
    assert rows(kb.read(path)) == [{"text": "太\0吵了", "n\0": "1"}, {"text": "\0", "n\0": "2"}]
    (part,) = delimited.parts(path, "utf-8", ",")  # the reader for pretraining, whose tokenizer removes NUL
    assert rows(part) == [{"text": "太吵了", "n": "1"}, {"text": "", "n": "2"}]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_three_line_endings_are_supported(tmp_path, end):
    for name, content in (("a.csv", "text,label\na,1\n,2\n"), ("a.tsv", "text\tlabel\na\t1\n\t2\n"),
                          ("a.jsonl", '{"text": "a", "label": "1"}\n{"text": "", "label": "2"}\n')):  # fmt: skip
        path = put(tmp_path, name, content.replace("\n", end))
        assert rows(kb.read(path)) == [{"text": "a", "label": "1"}, {"text": "", "label": "2"}]
    assert list(kb.read(put(tmp_path, "a.txt", f"a{end}{end}b{end}"))["text"]) == ["a", "", "b"]
    blank = kb.read(put(tmp_path, "b.csv", f"text{end}hello{end}{end}world{end}"))
    assert [text_of(row["text"]) for row in rows(blank)] == ["hello", "", "world"]


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_excel_and_parquet_are_read(tmp_path, kind):
    pytest.importorskip({"xlsx": "openpyxl", "parquet": "pyarrow"}[kind])
    frame = pd.DataFrame({"text": ["房间很干净", "NA"], "label": [1, 0]})
    path = tmp_path / f"a.{kind}"
    frame.to_excel(path, index=False) if kind == "xlsx" else frame.to_parquet(path)
    assert [(r["text"], text_of(r["label"])) for r in rows(kb.read(path))] == [("房间很干净", "1"), ("NA", "0")]


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_error_without_the_package_names_the_extra(tmp_path, monkeypatch, kind):
    pytest.importorskip("openpyxl")
    path = tmp_path / f"a.{kind}"
    pd.DataFrame({"text": ["a"]}).to_excel(tmp_path / "a.xlsx", index=False)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    for package in ("openpyxl", "pyarrow"):
        monkeypatch.setitem(sys.modules, package, None)
    assert error_message(path).endswith("pip install 'kbert-tasks[tables]'")


@pytest.mark.parametrize(
    "name, content, expected",
    [
        ("none.csv", None, "does not exist"),
        ("a.doc", "x", "should end in one of .csv, .tsv"),
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "text,label\n", "has a header line and no rows"),
        ("a.csv", 'text,label\na,1\n"b,2\n', "line 3 is never closed: check the quotation marks"),
        ("a.csv", "text,label\na,1\nb,2,3\n", "line 3"),
        ("a.csv", "text,label\nhello, world,1\n", "the first line has fewer cells"),
        ("a.csv", "text,label\nhello, world,1\nfine, thanks,2\n", "the first line has fewer cells"),
        ("a.xlsx", "not a workbook", "cannot be read as .xlsx"),
        ("a.parquet", "not parquet", "cannot be read as .parquet"),
    ],
)
def test_invalid_files_are_rejected(tmp_path, name, content, expected):
    if content is not None:
        put(tmp_path, name, content)
    assert expected in error_message(tmp_path / name)


@pytest.mark.parametrize(
    "text, line",
    [
        ('text,label\na,1\n"b,2\nc,3\n', 3),
        ('\n\nsep=;\ntext;label\n"a\nb";1\nc;"2\n', 7),  # blank lines, the separator line of Excel, a cell of two lines
        ('text,label\r\n"say ""hi""",1\r\nx"y,2\r\n"c ""d,3\r\n', 4),
        ('text,label\ra,1\r"b,2\r', 3),
    ],
)
def test_unclosed_quotation_mark_is_reported_with_its_line(tmp_path, text, line):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    message = error_message(path)
    assert message.endswith(
        f"a quotation mark that opens a cell in line {line} is never closed: check the quotation marks there"
    )
    assert "EOF" not in message and "tokenizing" not in message


def test_tsv_with_quotes_that_would_join_lines_is_rejected(tmp_path):
    rows = '1\t"a\n0\tb\n1\t"c\textra\n0\td\n1\t"e\n0\t"f\n'
    assert "line 4 has 2 tabs, the first line has 1" in error_message(put(tmp_path, "a.tsv", "label\ttext\n" + rows))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_blank_lines_of_a_single_column_are_rows(tmp_path, name, end):
    path = put(tmp_path, name, "text\nhello\n\nworld\n\n\n".replace("\n", end))
    assert [text_of(row["text"]) for row in rows(kb.read(path))] == ["hello", "", "world", "", ""]
    assert len(kb.read(path, header=False)) == 6
    examples = kb.TextClassifier().examples(kb.read(path), gold=False)
    assert (examples.read, examples.skipped) == (5, {"empty text": 3})
    path = put(tmp_path, f"two-{name}", f"text,label{end}a,b{end}{end}".replace(",", "," if name == "a.csv" else "\t"))
    assert rows(kb.read(path)) == [{"text": "a", "label": "b"}]


def test_two_columns_with_the_same_name_are_rejected(tmp_path):
    assert "two columns named 'text'" in error_message(put(tmp_path, "a.csv", "text, text\na,b\n"))


def test_missing_values_of_every_type_are_empty():
    values = [None, float("nan"), pd.NA, pd.NaT, np.float32("nan")]
    assert [text_of(value) for value in values] == [""] * 5


def test_separate_labels_replace_those_of_the_table():
    assert rows(tables.table(pd.DataFrame({"text": ["a"], "label": ["old"]}), ["new"])) == [
        {"text": "a", "label": "new"}
    ]
    with pytest.raises(kb.InputError, match="should contain pairs"):
        tables.table([("a", "b", "c")])


def test_row_with_too_few_cells_is_kept(tmp_path):
    table = kb.read(put(tmp_path, "a.csv", "text,label\na,1\nb\n"))
    assert len(table) == 2
    assert text_of(rows(table)[1]["label"]) == ""


def test_folder_is_rejected(tmp_path):
    assert "is a folder" in error_message(tmp_path)


def test_cells_are_converted_to_text():
    assert [text_of(v) for v in (None, float("nan"), 3, 3.0, 2.5, "a", np.float64(4))] == [
        "",
        "",
        "3",
        "3",
        "2.5",
        "a",
        "4",
    ]


def test_python_lists_are_read_as_a_table():
    assert rows(tables.table(["a", "b"], [1, 0])) == [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    assert rows(tables.table([("a", "b")])) == [{"text": "a", "text_b": "b"}]
    assert rows(tables.table([{"text": "a", "x": 1}])) == [{"text": "a", "x": 1}]
    with pytest.raises(kb.InputError, match="2 texts and 1 labels"):
        tables.table(["a", "b"], [1])
    with pytest.raises(kb.InputError, match="expected a list of texts, found one text"):
        tables.table("房间很干净")


def test_error_for_a_missing_column_lists_the_columns(tmp_path):
    table = kb.read(put(tmp_path, "a.csv", "review,stars\na,1\n"))
    with pytest.raises(
        kb.InputError, match="no column 'text'; its columns: review, stars; choose one with --text-column"
    ):
        tables.column(table, "text", "text_column")


def test_classification_samples_have_the_documented_size_and_labels():
    from kbert_tasks import samples

    for language, read, labels in (("zh", 5198, {"好评", "差评"}), ("en", 480, {"positive", "negative"})):
        train, test = (kb.read(samples.path("classify", language, part)) for part in ("train", "test"))
        assert (len(train), len(test)) == (read, 120)
        assert set(train["label"]) == set(test["label"]) == labels
        assert not set(train["text"]) & set(test["text"])
        assert np.ptp(train["label"].value_counts()) <= 2  # nearly balanced


@pytest.mark.parametrize("language", ["zh", "en"])
def test_extraction_samples_contain_their_answers_in_the_texts(language):
    from kbert_tasks import samples

    texts = {}
    for part in ("train", "test"):
        triples = rows(kb.read(samples.path("relation", language, part)))
        subjects = rows(kb.read(samples.path("subject", language, part)))
        for row in triples:
            for triple in row["spo_list"]:
                assert triple["subject"] in row["text"] and triple["object"] in row["text"]
            assert len({tuple(triple.values()) for triple in row["spo_list"]}) == len(row["spo_list"])
        assert all(row["subject"] in row["text"] and row["event_type"] for row in subjects)
        texts[part] = {row["text"] for row in (*triples, *subjects)}
    assert not texts["train"] & texts["test"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_entity_samples_contain_nested_entities_and_texts_without_entities(language):
    from kbert_tasks import samples

    task, parts = kb.EntityRecognizer(), {}
    for part, least in (("train", 300), ("test", 100)):
        table = kb.read(samples.path("entity", language, part))
        examples = task.examples(table)
        assert len(examples.rows) == len(table) >= least and not examples.skipped
        assert not any(each.notes for each in examples.rows)
        parts[part] = examples.rows
        nested = [each for each in examples.rows if overlapping(each.entities)]
        assert len(nested) > 10 and len([each for each in examples.rows if not each.entities]) > 5
        for entity in (entity for each in examples.rows for entity in each.entities):
            assert entity.entity == entity.entity.strip()
    types = [{entity.type for each in rows for entity in each.entities} for rows in parts.values()]
    assert types[0] == types[1] and len(types[0]) > 3
    train, test = ({each.text for each in rows} for rows in parts.values())
    assert len(train) == len(parts["train"]) and not train & test


def test_quotation_marks_written_by_pandas_are_not_text(tmp_path):
    rows = pd.DataFrame({"text": ['他说"好"', "plain", '"', 'a "b", c'], "label": ["1", "0", "1", "0"]})
    rows.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    assert kb.read(tmp_path / "a.tsv").to_dict("list") == rows.to_dict("list")
    bare = put(tmp_path, "b.tsv", 'text\tlabel\n"好"\t1\n他说"好"\t0\n"a ""b"""\t1\n')
    assert list(kb.read(bare)["text"]) == ['"好"', '他说"好"', '"a ""b"""']


def test_numpy_arrays_are_read_and_a_dict_is_rejected():
    assert tables.table(np.array([["a", "b"], ["c", "d"]], dtype=object)).to_dict("list") == {
        "text": ["a", "c"],
        "text_b": ["b", "d"],
    }
    assert list(tables.table(np.array(["a", "b"]))["text"]) == ["a", "b"]
    with pytest.raises(kb.InputError, match="found one dict"):
        tables.table({"text": ["a", "b"]})


# Columns with the same name ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx"])
@pytest.mark.parametrize("names", [["text", "text"], ["text ", "text"], ["id", "label", "text", "label"]])
def test_two_columns_with_the_same_name_are_rejected_in_each_file_type(tmp_path, kind, names):
    pytest.importorskip("openpyxl")
    path, frame = tmp_path / f"a.{kind}", pd.DataFrame([["a"] * len(names)], columns=names)
    if kind == "xlsx":
        frame.to_excel(path, index=False)
    else:
        frame.to_csv(path, index=False, sep={"csv": ",", "tsv": "\t"}[kind])
    assert f"has two columns named {names[-1]!r}: rename one" in error_message(path)
    with pytest.raises(kb.InputError, match=f"two columns named {names[-1]!r}"):
        list(documents.read(path))


def test_names_with_a_number_suffix_and_empty_names_are_kept(tmp_path):
    table = kb.read(put(tmp_path, "a.csv", "text,text.1,,\na,b,,\n"))
    assert list(table.columns)[:2] == ["text", "text.1"] and len(table) == 1


def test_two_columns_with_the_same_name_are_rejected_in_a_dataframe():
    for names in (["text", "text"], ["text", " text"], ["text", "label", "label"]):
        with pytest.raises(kb.InputError, match=f"the table has two columns named {names[-1].strip()!r}: rename one"):
            tables.table(pd.DataFrame([["a"] * len(names)], columns=names))
    levels = pd.DataFrame([["a", "b"]], columns=pd.MultiIndex.from_tuples([("text", ""), ("label", "x")]))
    with pytest.raises(kb.InputError, match="2 levels of column names"):
        tables.table(levels)
    padded = pd.DataFrame({" text": ["a"], 3: ["b"]})
    assert list(tables.table(padded).columns) == ["text", "3"] and list(padded.columns) == [" text", 3]


def test_columns_with_numbers_as_names_can_be_selected():
    task = kb.TextClassifier(text_column="0", label_column="1")
    for frame in (
        pd.DataFrame([["好", "x"], ["0", "1"]]),
        pd.DataFrame([["好", "x"], ["0", "1"]], columns=np.array([0, 1])),
    ):
        examples = task.examples(frame)
        assert [(each.text, each.label) for each in examples.rows] == [("好", "x"), ("0", "1")] and not examples.skipped
        assert list(frame.columns) == [0, 1]
    assert len(task.examples([{0: "好", 1: "x"}]).rows) == 1
    with pytest.raises(kb.InputError, match="two columns named '0'"):
        tables.table(pd.DataFrame([["a", "b"]], columns=[0, "0"]))
    with pytest.raises(kb.InputError, match="no column 'text'; its columns: 0, 1; choose one with --text-column$"):
        kb.TextClassifier().examples(pd.DataFrame([["a", "b"]]))


@pytest.mark.parametrize("rows", [[{"text": "a", "text ": "b"}], [{"text": "a"}, {" text": "b"}]])
def test_keys_that_differ_only_by_spaces_are_rejected(rows):
    with pytest.raises(kb.InputError, match="two columns named 'text'"):
        tables.table(rows)


def test_keys_that_differ_only_by_case_are_rejected_if_values_would_be_lost(tmp_path):
    def texts(rows):
        return [example.text for example in kb.TextClassifier().examples(rows, gold=False).rows]

    split = [{"text": "a", "id": 1}, {"Text": "b", "id": 2}]
    with pytest.raises(
        kb.InputError, match="the table, row 2 has 'Text', other rows have 'text': use one name in all rows"
    ):
        texts(split)
    path = put(tmp_path, "a.jsonl", "\n".join(map(json.dumps, split)))
    with pytest.raises(kb.InputError, match="a.jsonl, row 2 has 'Text'"):
        texts(kb.read(path))
    assert texts([{"text": "a", "Text": "b"}, {"text": "c"}]) == ["a", "c"]
    assert texts(pd.DataFrame({"text": ["a", ""], "TEXT": ["b", "c"]})) == ["a"]


def test_duplicate_key_in_an_object_is_rejected(tmp_path):
    path = put(tmp_path, "a.jsonl", '{"text": "a"}\n{"text": "b", "text": "c"}\n')
    assert "line 2: an object has the key 'text' twice: rename one" in error_message(path)
    path = put(tmp_path, "b.jsonl", '{"text": "a", "spo_list": [{"subject": "a", "subject": "b"}]}\n')
    assert "line 1: an object has the key 'subject' twice" in error_message(path)
    path = put(tmp_path, "c.json", '[{"text": "a"}, {"text": "b", "label": "x", "label": "y"}]')
    assert error_message(path) == f"{path}: an object has the key 'label' twice: rename one"


@pytest.mark.parametrize("task, cell", [
    (kb.RelationExtractor, '[{"subject": "a", "subject": "b", "predicate": "p", "object": "b"}]'),
    (kb.SubjectExtractor, '[{"subject": "a", "subject": "b"}]'),
])  # fmt: skip
def test_duplicate_key_in_the_json_of_a_cell_is_rejected(task, cell):
    with pytest.raises(kb.InputError, match="row 1: an object has the key 'subject' twice: rename one"):
        task().examples(["ab"], [cell])


def test_single_text_is_rejected_in_every_type():
    import tensorflow as tf

    for one in (
        "abc",
        b"abc",
        bytearray(b"abc"),
        memoryview(b"abc"),
        np.array("abc"),
        np.bytes_(b"abc"),
        tf.constant("abc"),
    ):
        with pytest.raises(
            kb.InputError, match=r"expected a list of texts, found one text: put it in square brackets, \[b?'abc'"
        ):
            tables.table(one)
        with pytest.raises(kb.InputError, match="expected a list of labels, one for each text, found "):
            label_forms.label_list(one)
    assert list(tables.table(tf.constant(["abc"]))["text"].map(text_of)) == ["abc"]
