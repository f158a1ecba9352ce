"""Cells as text: the same rule for files, DataFrames, lists and tensors; cells without visible characters are empty."""

import datetime
import enum
import json
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks import cli, tasks
from kbert_tasks.pretraining import documents

INVISIBLE = ["\u200b\u200b", "\0", "\ufeff", "\u2060 \u200d", "\u3164", "\u2800", "\ufe0f", "\x1b\x7f", "\u00ad"]


class Stars(enum.IntEnum):
    TWO = 2


class Mood(str, enum.Enum):
    GOOD = "好评"


def texts(rows, **settings):
    """The texts that a classifier without a model reads from rows without labels."""
    return [example.text for example in kb.TextClassifier(**settings).examples(rows, gold=False).rows]


def error_message(rows, labels=None, gold=False, task="classify", **settings):
    with pytest.raises(kb.InputError) as caught:
        tasks.find(task)(**settings).examples(rows, labels, gold=gold)
    return str(caught.value)


@pytest.mark.parametrize(
    "value, text",
    [
        ("007", "007"),
        (np.str_("房间"), "房间"),
        (Mood.GOOD, "好评"),
        (b"abc", "abc"),
        (bytearray("房间".encode()), "房间"),
        (memoryview(b"abc"), "abc"),
        (np.bytes_(b"abc"), "abc"),
        (np.array("房间"), "房间"),
        (np.array(b"abc"), "abc"),
        (3, "3"),
        (3.0, "3"),
        (np.float32(3), "3"),
        (np.float32(0.1), "0.1"),
        (np.int64(-2), "-2"),
        (Stars.TWO, "2"),
        (np.array(2.0), "2"),
        (Decimal("1.50"), "1.50"),
        (10**30, "1" + "0" * 30),
        (True, "True"),
        (np.bool_(False), "False"),
        (float("inf"), "inf"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_texts_and_numbers_of_any_type_are_read_as_text(value, text):
    assert texts([value]) == [text]
    assert texts(pd.DataFrame({"text": pd.Series([value], dtype=object)})) == [text]


def test_numpy_numbers_keep_their_digits():
    wanted, column = ["3.7", "2", "0.1"], np.array([3.7, 2, 0.1], "float32")
    for rows in (column, pd.Series(column), pd.Series(column, dtype="Float32"), pd.DataFrame({"text": column})):
        assert texts(rows) == wanted
    for labels in (column, column[:, None], pd.Series(column), pd.DataFrame(column)):
        assert [each.label for each in kb.TextClassifier().examples(["a"] * 3, labels).rows] == wanted


@pytest.mark.parametrize(
    "value", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, np.array(None), "", " \t", b" "]
)
def test_missing_value_is_an_empty_text(value):
    examples = kb.TextClassifier().examples([value, "a"], gold=False)
    assert examples.skipped == {"empty text": 1}


@pytest.mark.parametrize(
    "value, expected",
    [
        (["房", "间"], "found list ['房', '间']"),
        ({"a": 1}, "found dict {'a': 1}"),
        (np.array(["a", "b", "c"]), "found ndarray ['a' 'b' 'c']"),
        (datetime.date(2024, 1, 2), "found date 2024-01-02"),
        (pd.Timestamp("2024-01-02"), "found Timestamp 2024-01-02"),
        (object, "found type"),
        (1j, "found complex"),
        (b"\xb7\xbf", "expected UTF-8, found other bytes, decode them first: b'\\xb7\\xbf'"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("task", tasks.names())
def test_other_values_are_rejected_with_row_and_value(task, value, expected):
    frame = pd.DataFrame({"text": pd.Series(["a", value], dtype=object)})
    for rows in (frame, frame.to_dict("records")):
        message = error_message(rows, task=task)
        assert message.startswith("the table, row 2: column 'text': ") and expected in message


@pytest.mark.parametrize(
    "task, row, column",
    [
        ("classify", {"text": "a", "label": {"x": 1}}, "label"),
        ("classify", {"text": "a", "label": [["x"], ["y"]]}, "label"),
        ("classify", {"text": "a", "text_b": ["b"], "label": "x"}, "text_b"),
        ("subject", {"text": "a", "event_type": ["x"], "subject": "a"}, "event_type"),
        ("subject", {"text": ["a"], "event_type": "x", "subject": "a"}, "text"),
        ("relation", {"text": ["a"], "subject": "a", "predicate": "p", "object": "a"}, "text"),
    ],
)
def test_every_text_column_is_checked(task, row, column):
    valid = {name: "a" for name in row}
    assert f"the table, row 2: column '{column}': " in error_message([valid, row], gold=True, task=task)


def test_error_names_the_file_and_the_row(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "a"}\n{"text": ["房", "间"]}\n', encoding="utf-8")
    assert error_message(kb.read(file)) == (
        f"{file}, row 2: column 'text': expected a text or a number, found list ['房', '间']"
    )


def test_bytes_in_parquet_are_read_and_written_as_text(tmp_path, hotel, capsys):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"text": ["房间".encode(), "好".encode()], "who": [b"a", b"\xff"]}).to_parquet(tmp_path / "a.parquet")
    assert texts(kb.read(tmp_path / "a.parquet")) == ["房间", "好"]
    assert list(documents.read(tmp_path / "a.parquet")) == [["房间"], ["好"]]
    assert cli.predict([str(hotel[1]), str(tmp_path / "a.parquet"), "--format", "jsonl"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["text"], each["who"]) for each in answers] == [("房间", "a"), ("好", "\\xff")]
    pd.DataFrame({"text": [["a"], ["b"]]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(
        kb.InputError, match=r"b.parquet, row 1: column 'text': expected a text or a number, found ndarray"
    ):
        list(documents.read(tmp_path / "b.parquet"))


def test_tensors_are_accepted_as_texts_and_labels():
    tf = pytest.importorskip("tensorflow")
    assert texts(tf.constant(["房间", "b"])) == texts([tf.constant("房间"), tf.constant(b"b")]) == ["房间", "b"]
    assert texts([tf.constant(3.0), tf.Variable("x", dtype=tf.string)]) == ["3", "x"]
    rows = kb.TextClassifier().examples(["a", "b"], tf.constant([1, 0])).rows
    assert [row.label for row in rows] == ["1", "0"]
    assert "found EagerTensor" in error_message([tf.constant(["a", "b"])])


def test_object_whose_numpy_method_fails_is_rejected():
    assert "found SimpleNamespace" in error_message([SimpleNamespace(numpy=lambda: 1 / 0, shape=())])


@pytest.mark.parametrize("rows", [b"abc", bytearray(b"abc"), "房间"])
def test_single_text_is_rejected(rows):
    assert "expected a list of texts, found one text" in error_message(rows)


@pytest.mark.parametrize("rows", [3, None, 2.5, object(), {"a", "b"}])
def test_object_without_rows_is_rejected(rows):
    assert f"expected a list of texts, of pairs or of dicts, found {type(rows).__name__}" in error_message(rows)


# Invisible characters -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
@pytest.mark.parametrize("task", tasks.names())
def test_invisible_text_is_empty(task, text):
    rows = [{"text": each, "text_b": "b", "event_type": "e"} for each in (text, "a")]
    examples = tasks.find(task)().examples(rows, gold=False)
    assert (len(examples.rows), examples.skipped) == (1, {"empty text": 1})


@pytest.mark.parametrize("invisible", INVISIBLE, ids=ascii)
def test_invisible_label_second_text_or_event_type_is_empty(invisible):
    classify, subject = tasks.find("classify"), tasks.find("subject")
    assert classify().examples(["a", "b"], [invisible, "x"]).skipped == {"no label": 1}
    assert classify().examples(["a"], [[invisible, "x"]]).rows[0].label == ("x",)
    assert classify().examples([("a", invisible), ("a", "b")], gold=False).skipped == {"empty second text": 1}
    rows = [{"text": "a", "event_type": kind, "subject": invisible} for kind in (invisible, "x")]
    examples = subject().examples(rows)
    assert examples.skipped == {"no event type": 1} and examples.rows[0].subjects == ()


def test_emoji_accents_and_surrogates_are_visible():
    visible = ["👍🏽", "e\u0301", "\u0301", "\ud800", "\u200b好", "[UNK]", "。", "\ue000"]
    assert texts(visible) == visible


@given(st.text(max_size=8))
def test_text_is_kept_or_counted_as_skipped(text):
    examples = kb.TextClassifier().examples([text], gold=False)
    assert [example.text for example in examples.rows] == ([text] if not examples.skipped else [])


def test_invisible_lines_end_a_document_in_pretraining(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\u200b\ntwo\n\0\0\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"text": "\\u0000"}\n{"text": "one"}\n', encoding="utf-8")
    assert list(documents.read(tmp_path / "a.txt")) == [["one"], ["two"]]
    reading = documents.Reading()
    assert list(documents.read(tmp_path / "a.jsonl", reading=reading)) == [["one"]]
    assert reading.skipped == {"row without text": 1}


def test_error_in_a_later_part_of_a_file_has_the_right_row_number(tmp_path, hotel, capsys, monkeypatch):
    monkeypatch.setattr("kbert_tasks.cli.use.SLICE", 2)
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n' * 4 + '{"text": ["b"]}\n', encoding="utf-8")
    assert cli.predict([str(hotel[1]), str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "b.csv")]) == 2
    assert "a.jsonl, row 5: column 'text': expected a text or a number, found list ['b']" in capsys.readouterr().err
    assert not (tmp_path / "b.csv").exists()
