import sys

import numpy as np
import pandas as pd
import pytest

import kbert_tasks as kb
from kbert_tasks.data import tables

TEXT = "text,label\n房间很干净,好评\n太吵了,差评\n"


def put(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def rows(table):
    return table.to_dict("records")


def refused(path, **options):
    with pytest.raises(kb.InputError) as caught:
        kb.read(path, **options)
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk", "gb18030"])
def test_encodings_are_recognised(tmp_path, encoding):
    assert rows(kb.read(put(tmp_path, "a.csv", TEXT.encode(encoding))))[0] == {"text": "房间很干净", "label": "好评"}


def test_an_unknown_encoding_is_named_with_its_line_and_the_option(tmp_path):
    path = put(tmp_path, "a.csv", "text,label\nok,1\ncafé très,0\n".encode("latin-1"))
    assert "line 3: byte 0xe9 is not utf-8: name the file's encoding, such as --encoding" in refused(path)
    assert rows(kb.read(path, encoding="latin-1"))[1]["text"] == "café très"
    assert "no encoding 'klingon'" in refused(path, encoding="klingon")


def test_big5_is_not_taken_for_gbk(tmp_path):
    assert "is not utf-8" in refused(
        put(tmp_path, "a.csv", "text,label\n房間很乾淨而且服務態度相當不錯,好\n".encode("big5"))
    )


def test_values_stay_as_they_were_written(tmp_path):
    table = kb.read(put(tmp_path, "a.csv", 'text,label\nNA,null\n007,1.0\n"a, ""b""\nc",True\n'))
    assert rows(table) == [
        {"text": "NA", "label": "null"},
        {"text": "007", "label": "1.0"},
        {"text": 'a, "b"\nc', "label": "True"},
    ]


def test_bare_quotation_marks_in_tsv(tmp_path):
    table = kb.read(put(tmp_path, "a.tsv", 'label\ttext\n1\t"so good\n0\tit says "no" here\n1\t" x\n'))
    assert [row["text"] for row in rows(table)] == ['"so good', 'it says "no" here', '" x']


def test_quoted_tsv_with_a_line_break(tmp_path):
    table = kb.read(put(tmp_path, "a.tsv", 'label\ttext\n1\t"one\ntwo"\n0\tthree\n'))
    assert [row["text"] for row in rows(table)] == ["one\ntwo", "three"]


def test_a_file_without_header(tmp_path):
    table = kb.read(put(tmp_path, "a.tsv", "1\tgood\n0\tbad\n"), header=False)
    assert rows(table) == [{"1": "1", "2": "good"}, {"1": "0", "2": "bad"}]


def test_jsonl(tmp_path):
    path = put(tmp_path, "a.jsonl", '{"text": "a", "label": ["x", "y"]}\n\n{"text": "b\u2028c", "label": 3}\n')
    assert rows(kb.read(path)) == [{"text": "a", "label": ["x", "y"]}, {"text": "b\u2028c", "label": 3}]
    assert "line 2 is not JSON" in refused(put(tmp_path, "b.jsonl", '{"text": "a"}\n{"text": }\n'))
    assert "line 1: wanted an object" in refused(put(tmp_path, "c.jsonl", "[1]\n"))


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_excel_and_parquet(tmp_path, kind):
    pytest.importorskip({"xlsx": "openpyxl", "parquet": "pyarrow"}[kind])
    frame = pd.DataFrame({"text": ["房间很干净", "NA"], "label": [1, 0]})
    path = tmp_path / f"a.{kind}"
    frame.to_excel(path, index=False) if kind == "xlsx" else frame.to_parquet(path)
    assert [(r["text"], tables.text_of(r["label"])) for r in rows(kb.read(path))] == [("房间很干净", "1"), ("NA", "0")]


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_without_tables_the_extra_is_named(tmp_path, monkeypatch, kind):
    pytest.importorskip("openpyxl")
    path = tmp_path / f"a.{kind}"
    pd.DataFrame({"text": ["a"]}).to_excel(tmp_path / "a.xlsx", index=False)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    for package in ("openpyxl", "pyarrow"):
        monkeypatch.setitem(sys.modules, package, None)
    assert refused(path).endswith("pip install 'kbert-tasks[tables]'")


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("none.csv", None, "is not there"),
        ("a.doc", "x", "should end in one of .csv, .tsv"),
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "text,label\n", "has a header line and no rows"),
        ("a.csv", 'text,label\na,1\n"b,2\n', "check the quotation marks"),
        ("a.csv", "text,label\na,1\nb,2,3\n", "line 3"),
        ("a.csv", "text,label\nhello, world,1\n", "the first line has fewer cells"),
        ("a.csv", "text,label\nhello, world,1\nfine, thanks,2\n", "the first line has fewer cells"),
        ("a.xlsx", "not a workbook", "cannot be read as .xlsx"),
        ("a.parquet", "not parquet", "cannot be read as .parquet"),
    ],
)
def test_bad_files(tmp_path, name, content, words):
    if content is not None:
        put(tmp_path, name, content)
    assert words in refused(tmp_path / name)


def test_a_tsv_whose_lines_would_run_together_is_refused(tmp_path):
    rows = '1\t"a\n0\tb\n1\t"c\textra\n0\td\n1\t"e\n0\t"f\n'
    assert "line 4 has 2 tabs, the first line 1" in refused(put(tmp_path, "a.tsv", "label\ttext\n" + rows))


def test_blank_lines_are_rows_but_for_the_last(tmp_path):
    table = kb.read(put(tmp_path, "a.csv", "text\nhello\n\nworld\n\n\n"))
    assert [tables.text_of(row["text"]) for row in rows(table)] == ["hello", "", "world"]


def test_two_columns_of_one_name(tmp_path):
    assert "two columns called 'text'" in refused(put(tmp_path, "a.csv", "text, text\na,b\n"))


def test_missing_values_of_every_kind():
    values = [None, float("nan"), pd.NA, pd.NaT, np.float32("nan")]
    assert [tables.text_of(value) for value in values] == [""] * 5


def test_labels_beside_a_table():
    assert rows(tables.table(pd.DataFrame({"text": ["a"], "label": ["old"]}), ["new"])) == [
        {"text": "a", "label": "new"}
    ]
    with pytest.raises(kb.InputError, match="should hold pairs"):
        tables.table([("a", "b", "c")])


def test_a_row_with_too_few_cells_is_not_lost(tmp_path):
    table = kb.read(put(tmp_path, "a.csv", "text,label\na,1\nb\n"))
    assert len(table) == 2
    assert tables.text_of(rows(table)[1]["label"]) == ""


def test_a_folder_is_not_a_file(tmp_path):
    assert "a folder, not a file" in refused(tmp_path)


def test_text_of_cells():
    assert [tables.text_of(v) for v in (None, float("nan"), 3, 3.0, 2.5, "a", np.float64(4))] == [
        "",
        "",
        "3",
        "3",
        "2.5",
        "a",
        "4",
    ]


def test_python_lists():
    assert rows(tables.table(["a", "b"], [1, 0])) == [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    assert rows(tables.table([("a", "b")])) == [{"text": "a", "text_b": "b"}]
    assert rows(tables.table([{"text": "a", "x": 1}])) == [{"text": "a", "x": 1}]
    with pytest.raises(kb.InputError, match="2 texts and 1 labels"):
        tables.table(["a", "b"], [1])
    with pytest.raises(kb.InputError, match="wanted a list of texts, got one text"):
        tables.table("房间很干净")


def test_a_missing_column_lists_the_others(tmp_path):
    table = kb.read(put(tmp_path, "a.csv", "review,stars\na,1\n"))
    with pytest.raises(
        kb.InputError, match="no column 'text'; its columns: review, stars; name the right one with --text-column"
    ):
        tables.column(table, "text", "text_column")


def test_the_samples_are_what_they_say():
    from kbert_tasks import samples

    for language, read, labels in (("zh", 800, {"好评", "差评"}), ("en", 480, {"positive", "negative"})):
        train, test = (kb.read(samples.path("classify", language, part)) for part in ("train", "test"))
        assert (len(train), len(test)) == (read, 120)
        assert set(train["label"]) == set(test["label"]) == labels
        assert not set(train["text"]) & set(test["text"])
        assert train["label"].value_counts().nunique() == 1


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_samples_of_the_tasks_to_come_point_at_their_texts(language):
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


def test_quotation_marks_of_a_tsv_by_pandas_are_not_text(tmp_path):
    rows = pd.DataFrame({"text": ['他说"好"', "plain", '"', 'a "b", c'], "label": ["1", "0", "1", "0"]})
    rows.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    assert kb.read(tmp_path / "a.tsv").to_dict("list") == rows.to_dict("list")
    bare = put(tmp_path, "b.tsv", 'text\tlabel\n"好"\t1\n他说"好"\t0\n"a ""b"""\t1\n')
    assert list(kb.read(bare)["text"]) == ['"好"', '他说"好"', '"a ""b"""']


def test_arrays_of_numpy_are_rows_and_a_dict_is_none():
    assert tables.table(np.array([["a", "b"], ["c", "d"]], dtype=object)).to_dict("list") == {
        "text": ["a", "c"],
        "text_b": ["b", "d"],
    }
    assert list(tables.table(np.array(["a", "b"]))["text"]) == ["a", "b"]
    with pytest.raises(kb.InputError, match="got one dict"):
        tables.table({"text": ["a", "b"]})
