"""Files of annotated texts that are read and written keep the order of their columns."""

import json

import pytest

import kbert_tasks as kb

from .reading import entity, put

OFFSETS = [{"id": 3, "start_offset": 0, "end_offset": 1, "label": "X"}]
# Format, a row, the columns of the table, and the keys that are written; None if they are those of the row.
CASES = [
    ("jsonl", {"id": 1, "entities": [entity(0, 1, "X")], "n": 2, "text": "ab", "z": 3}, "id entities n text z", None),
    ("doccano", {"id": 1, "text": "ab", "label": [[0, 1, "X"]], "Comments": []}, "id text entities Comments", None),
    (
        "doccano",
        {"id": 1, "relations": [], "n": 2, "text": "ab", "entities": OFFSETS, "z": 3},
        "id spo_list n text entities z",
        None,
    ),
    ("doccano", {"id": 1, "labels": [[0, 1, "X"]], "text": "ab"}, "id entities text", "id label text"),
    ("cluener", {"n": 2, "label": {"X": {"a": [[0, 0]]}}, "text": "ab", "z": 3}, "n entities text z", None),
]


@pytest.mark.parametrize("format, row, columns, keys", CASES, ids=[f"{each[0]}-{each[2]}" for each in CASES])
def test_columns_keep_their_order(tmp_path, format, row, columns, keys):
    table = kb.read(put(tmp_path, "a.jsonl", [row, row]))
    assert list(table.columns) == columns.split()
    kb.write(table, tmp_path / "b.jsonl", format)
    lines = (tmp_path / "b.jsonl").read_text(encoding="utf-8").splitlines()
    assert [list(json.loads(line)) for line in lines] == [keys.split() if keys else list(row)] * 2


def test_data_of_label_studio_keep_their_order(tmp_path):
    data = {"source": "a.txt", "text": "ab", "n": 1}
    result = {"id": "a", "type": "labels", "value": {"start": 0, "end": 1, "labels": ["X"]}}
    table = kb.read(put(tmp_path, "a.json", [{"id": 7, "data": data, "annotations": [{"result": [result]}]}]))
    assert list(table.columns) == ["id", "source", "text", "n", "entities"]
    kb.write(table, tmp_path / "b.json", "label-studio")
    (task,) = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert list(task) == ["id", "data", "annotations"] and list(task["data"].items()) == list(data.items())


def test_a_column_that_not_all_rows_have_is_kept(tmp_path):
    table = kb.read(put(tmp_path, "a.jsonl", [{"n": 1, "text": "a"}, {"n": 2, "label": [[0, 1, "X"]], "text": "ab"}]))
    assert list(table.columns) == ["n", "text", "entities"]
    kb.write(table, tmp_path / "b.jsonl", "doccano")
    assert kb.read(tmp_path / "b.jsonl").to_dict("records") == table.to_dict("records")


@pytest.mark.parametrize("format, name", [("doccano", "label"), ("doccano", "relations"), ("cluener", "label")])
def test_a_column_with_a_name_of_the_format_is_renamed(tmp_path, format, name):
    rows = [{name: "x", "text": "ab", "entities": [entity(0, 1, "X")]}, {name: "y", "text": "b"}]
    kb.write(rows, tmp_path / "a.jsonl", format)
    table = kb.read(tmp_path / "a.jsonl")
    assert list(table.columns) == [f"input_{name}", "text", "entities"] and list(table[f"input_{name}"]) == ["x", "y"]
