import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks.pretraining import documents


def write_file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


@pytest.mark.parametrize(
    "text, expected",
    [
        ("他来了。“快走！”他说。真的？！是", ["他来了。", "“快走！”", "他说。", "真的？！", "是"]),
        ("不可说……（完。）下回", ["不可说……", "（完。）", "下回"]),
        ("好便是了．若不了，１．５倍．", ["好便是了．", "若不了，１．５倍．"]),
        ("见 http://a.b/c?d=1 与 a != b。", ["见 http://a.b/c?d=1 与 a != b。"]),
        ("多快?很快!End.", ["多快?", "很快!End."]),
        ("1.2.4. 控制新建文件的权限", ["1.2.4. 控制新建文件的权限"]),
        ("Mr. A. Smith of the U.S. Navy is 1.8 m. He left .", ["Mr. A. Smith of the U.S. Navy is 1.8 m.", "He left ."]),
        ('One . Two . " Three !" four? "Five."', ["One .", "Two .", '" Three !"', "four?", '"Five."']),
        ("　　段首。  \n", ["段首。"]),
        (" \t", []),
    ],
)  # fmt: skip
def test_text_is_split_into_sentences(text, expected):
    assert documents.sentences(text) == expected


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="ab A1。．.！!?…”\"'（)　\n好1 ", max_size=40))
def test_no_text_is_lost_between_sentences(text):
    found = documents.sentences(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in found)


def test_long_run_of_dots_is_fast():
    assert documents.sentences("目录" + "." * 300_000 + "5")[0].startswith("目录..")


def error_message(*files, **options):
    with pytest.raises(kb.InputError) as caught:
        list(documents.read(files, **options))
    return str(caught.value)


def test_blank_lines_separate_documents_of_a_text_file(tmp_path):
    path = write_file(tmp_path, "a.txt", "一。二。\n三\n \n\n\n四\r\n\r\n五")
    reading = documents.Reading()
    assert list(documents.read([path, path], reading=reading)) == [["一。", "二。", "三"], ["四"], ["五"]] * 2
    assert (reading.documents, reading.cut, reading.skipped) == (6, 0, {})


def test_each_row_of_a_table_is_a_document(tmp_path):
    texts = ["一。二", "", "三\n\n四", None]
    lines = "".join(json.dumps({"body": text}) + "\n" for text in texts)
    reading = documents.Reading()
    jsonl = list(documents.read(write_file(tmp_path, "a.jsonl", lines), "body", reading=reading))
    csv = list(documents.read(write_file(tmp_path, "a.csv", 'body\n一。二\n""\n"三\n\n四"\n'), "body"))
    assert jsonl == csv == [["一。", "二"], ["三", "四"]]
    assert reading.documents == 2 and reading.skipped == {"row without text": 2}


def test_json_arrays_and_other_delimiters_are_read(tmp_path):
    expected_documents = [["一。", "二"], ["三", "四"]]
    rows = [{"n": 1, "text": "一。二"}, {"n": 2, "text": "三\n\n四"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for name, content in (
        ("a.json", lines),
        ("b.json", json.dumps(rows, indent=2)),
        ("c.jsonl", json.dumps(rows)),
        ("d.csv", 'n;text\n1;一。二\n2;"三\n\n四"\n'),
        ("e.tsv", 'n,text\n1,一。二\n2,"三\n\n四"\n'),
    ):
        assert list(documents.read(write_file(tmp_path, name, content))) == expected_documents, name


def test_long_document_is_split(tmp_path):
    path = write_file(tmp_path, "a.txt", "一二三四。" * 10 + "\n\n短。\n")
    reading = documents.Reading()
    found = list(documents.read(path, longest=20, reading=reading))
    assert list(map(len, found)) == [4, 4, 2, 1]
    assert (reading.documents, reading.cut) == (2, 1)


def test_files_are_streamed(tmp_path, monkeypatch):
    path = write_file(tmp_path, "a.txt", "句。\n\n" * 50_000)
    monkeypatch.setattr(documents.tables, "read", None)
    found = documents.read(path)
    assert next(found) == ["句。"]
    monkeypatch.setattr(documents, "LINE", 7)
    long = write_file(tmp_path, "b.txt", "abc def\n" * 3 + "\n" + "x" * 14 + "\nend\n")
    lines = [list(text) for text in documents.read(long)]
    assert sum(lines, []) == ["abc def"] * 3 + ["xxxxxxx", "xxxxxxx", "end"] and len(lines) == 2


@pytest.mark.parametrize("kind, delimiter", [("csv", ","), ("tsv", "\t")])
def test_tables_are_streamed(tmp_path, monkeypatch, kind, delimiter):
    text = f"\nbody{delimiter}n\n" + "".join(f"第{i}句。{delimiter}{i}\n" for i in range(50)) + "\n\n"
    path = write_file(tmp_path, f"a.{kind}", text)
    whole = documents.tables.read(path)
    monkeypatch.setattr(documents.tables, "read", None)
    monkeypatch.setattr(documents.delimited, "ROWS", 7)
    reading = documents.Reading()
    assert list(documents.read(path, "body", reading=reading)) == [[text] for text in whole["body"]]
    assert reading.documents == 50 and reading.skipped == {}
    assert list(documents.read(write_file(tmp_path, f"b.{kind}", text.encode("utf-16")), "body")) == [
        [t] for t in whole["body"]
    ]
    assert f"b.{kind} has a header line and no rows" in error_message(
        write_file(tmp_path, f"b.{kind}", f"text{delimiter}n\n")
    )
    late = write_file(tmp_path, f"c.{kind}", text.encode() + b"\xe9" * 9)
    assert "byte 0xe9 is not utf-8" in error_message(late, text_column="body", encoding="utf-8")
    monkeypatch.undo()
    odd = write_file(tmp_path, f"d.{kind}", f"{text}more{delimiter}cells{delimiter}here\n")
    assert f"d.{kind}" in error_message(odd, text_column="body")


def test_quotation_marks_in_tables_are_read(tmp_path):
    path = write_file(tmp_path, "a.tsv", 'text\tn\n他说“"好"。\t1\n"二\t2\n')
    assert list(documents.read(path)) == [['他说“"好"。'], ['"二']]
    path = write_file(tmp_path, "b.tsv", 'text\tn\n"一。\n二"\t1\n三\t2\n')
    assert list(documents.read(path)) == [["一。", "二"], ["三"]]
    path = write_file(tmp_path, "c.csv", 'text,n\n"一，\r\n二,三",1\r\n四,2\r\n')
    assert list(documents.read(path)) == [["一，", "二,三"], ["四"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_encodings_are_recognised(tmp_path, encoding):
    path = write_file(tmp_path, "a.txt", "plain\n房间很干净。服务好\n".encode(encoding))
    assert list(documents.read(path)) == [["plain", "房间很干净。", "服务好"]]


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_long_gbk_line_is_not_cut_within_a_character(tmp_path, monkeypatch, cut):
    monkeypatch.setattr(documents, "BLOCK", 1000 + cut)
    text = "房" * 500 + "㐀" + "间" * 500  # the character in the middle takes four bytes
    assert list(documents.read(write_file(tmp_path, "a.txt", text.encode("gb18030")))) == [[text]]
    monkeypatch.setattr(documents, "BLOCK", 997 + cut)
    assert list(documents.read(write_file(tmp_path, "b.txt", text.encode("gb18030")))) == [[text]]


def test_unreadable_files_are_reported(tmp_path):
    latin = write_file(tmp_path, "l.txt", "ok\ncafé très\n".encode("latin-1"))
    assert "l.txt, line 2: byte 0xe9 is not utf-8" in error_message(latin)
    assert list(documents.read(latin, encoding="latin-1")) == [["ok", "café très"]]
    assert "unknown encoding 'klingon'" in error_message(latin, encoding="klingon")
    assert "is not ascii" in error_message(latin, encoding="ascii")
    assert "line 2 has no 'text'; found: body" in error_message(
        write_file(tmp_path, "a.jsonl", '{"text": "a"}\n{"body": "b"}\n')
    )
    assert "line 1 is not JSON" in error_message(write_file(tmp_path, "b.jsonl", "text\n"))
    assert "item 1: expected an object" in error_message(write_file(tmp_path, "c.jsonl", '["text"]\n'))
    assert "'text' should be one text, found a list" in error_message(
        write_file(tmp_path, "d.jsonl", '{"text": ["a"]}\n')
    )
    assert "has no column 'text'" in error_message(write_file(tmp_path, "e.csv", "body\na\n"))
    assert "is a folder" in error_message(tmp_path)
    assert "does not exist" in error_message(tmp_path / "no.txt")
    assert "should end in one of" in error_message(write_file(tmp_path, "a.gz", "a"))
    assert "no text file is given" in error_message()


def test_empty_file_is_counted(tmp_path):
    reading = documents.Reading()
    assert (
        list(
            documents.read([write_file(tmp_path, "a.txt", ""), write_file(tmp_path, "b.txt", "\n \n")], reading=reading)
        )
        == []
    )
    assert reading.skipped == {"empty file": 1} and reading.documents == 0


def test_utf_16_without_byte_order_mark(tmp_path):
    path = write_file(tmp_path, "a.txt", "房间。\n".encode("utf-16-be"))
    assert list(documents.read(path, encoding="utf-16-be")) == [["房间。"]]
    assert "utf-16-le" in error_message(path, encoding="utf-16") or list(documents.read(path, encoding="utf-16"))
    assert "unknown encoding 'hex'" in error_message(path, encoding="hex")
