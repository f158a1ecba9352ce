"""The package and pandas read every file of rows that the package writes, with the same rows and cells."""

import csv
import io
import os

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks import cli, files
from kbert_tasks.cli import writing
from kbert_tasks.saving.folder import json_lines

PIECES = ["\r", "\n", "\r\n", '"', '""', "\t", "\0", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1a", "\x1e", "\ud83d",
          "\udc00", "\ufeff", "=", ",", ";", "|", "'", "\\", " ", "#", "😀", "房", "a", "NA", "null", "1.0", "007"]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
ROWS = st.lists(st.fixed_dictionaries({"text": TEXTS, "who": TEXTS}), min_size=1, max_size=4)
REPORTED = [{"text": "床很舒服\r早餐也好", "who": "甲"}]


def escaped(rows, nul="\0"):
    """The rows with escapes for the characters that a file cannot contain: half a surrogate pair, and NUL in CSV."""
    rows = [{name: cell.replace("\0", nul) for name, cell in row.items()} for row in rows]
    return [{name: cell.encode("utf-8", "backslashreplace").decode() for name, cell in row.items()} for row in rows]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("written") / "rows"


@pytest.mark.parametrize("kind, separator", [("csv", ","), ("tsv", "\t")])
@given(rows=ROWS)
@example(rows=REPORTED)
def test_csv_and_tsv_are_read_with_the_same_cells(file, kind, separator, rows):
    path = file.with_suffix(f".{kind}")
    writing.write_rows(rows, kind, path)
    wanted = escaped(rows, r"\x00")
    assert kb.read(path).to_dict("records") == wanted
    assert pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False).to_dict("records") == wanted


@given(rows=ROWS)
@example(rows=REPORTED)
def test_jsonl_is_read_with_the_same_cells(file, rows):
    path = file.with_suffix(".jsonl")
    writing.write_rows(rows, "jsonl", path)
    assert kb.read(path).to_dict("records") == escaped(rows)
    assert json_lines(path) == escaped(rows)
    assert pd.read_json(path, lines=True, dtype=False).to_dict("records") == escaped(rows)


@given(rows=st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=4))
@example(rows=[["a\rb", "c\r\nd"]])
def test_csv_of_other_programs_keeps_its_carriage_returns(file, rows):
    rows = [[cell.encode("utf-8", "replace").decode() for cell in row] for row in rows]
    path, text = file.with_suffix(".csv"), io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(
        [[cell.replace("\0", "NUL") for cell in row] for row in (["text", "who"], *rows)]  # for Python 3.10
    )
    path.write_bytes(text.getvalue().replace("NUL", "\0").encode())
    assert kb.read(path).to_numpy().tolist() == rows


def test_pandas_reads_answers_and_errors_of_a_saved_folder(hotel, tmp_path):
    task = hotel[0]
    texts = ["好\u2028坏\r\n\x85", "half \ud83d", "\udc00 half", '"=1\0\t']
    report = task.evaluate(texts, ["好", "坏", "好", "坏"])
    task.errors_, task.answers_ = report.errors, report.answers
    try:
        task.save(tmp_path / "run")
    finally:
        task.errors_, task.answers_ = [], []
    wanted = [row["text"] for row in escaped([{"text": text} for text in texts])]
    answers = pd.read_json(tmp_path / "run" / "answers.jsonl", lines=True, dtype=False)
    assert list(answers["text"]) == wanted == [each["text"] for each in json_lines(tmp_path / "run" / "answers.jsonl")]
    errors = pd.read_json(tmp_path / "run" / "errors.jsonl", lines=True, dtype=False)
    assert list(errors["text"]) == [wanted[row - 1] for row in errors["row"]] and len(errors) == len(report.errors)


def test_predictions_keep_carriage_returns(hotel, tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"text": "床很舒服\\r早餐也好", "who": "甲"}\n', encoding="utf-8")
    for name in ("a.csv", "a.tsv"):
        assert cli.predict([str(hotel[1]), str(tmp_path / "a.jsonl"), "--output", str(tmp_path / name)]) == 0
        (row,) = kb.read(tmp_path / name).to_dict("records")
        assert (row["text"], row["who"]) == ("床很舒服\r早餐也好", "甲")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a file that is always full")
def test_full_disk_is_reported_with_the_file(capsys):
    with pytest.raises(
        kb.InputError, match=r"/dev/full could not be written \(No space left on device\): free disk space"
    ):
        with files.replacing("/dev/full") as stream:
            stream.write("a")
