"""Tasks of Label Studio: results, relations, several annotations, and the predictions that are written."""

import json

import pytest

import kbert_tasks as kb
from kbert_tasks.data.annotations import label_studio, offsets

from .reading import entity, error_message, parts, problems, put, rows

TEXT = "方小雪生于北京😀。她写了《雪》"


def result(id, start, end, label, **value):
    value = {"start": start, "end": end, "labels": [label]} | value
    return {"id": id, "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def link(one, other, *labels, direction="right"):
    return {"from_id": one, "to_id": other, "type": "relation", "direction": direction, "labels": [*labels]}


PERSON, BOOK = result("a", 0, 3, "PER", text="方小雪"), result("b", 13, 14, "B", text="雪")


def task(*results, name="annotations", data=None, **more):
    return {"id": 1, "data": data or {"text": TEXT}, name: [{"result": [*results]}], "project": 3} | more


def test_export_is_read(tmp_path):
    data = {"text": TEXT, "source": "a.txt"}
    table = kb.read(put(tmp_path, "a.json", [task(PERSON, BOOK, data=data, meta={"by": "x"}), {"data": {"text": "a"}}]))
    assert rows(table)[0] == {
        "text": TEXT,
        "entities": [entity(0, 3, "PER"), entity(13, 14, "B")],
        "id": 1,
        "meta": {"by": "x"},
        "source": "a.txt",
    }
    assert rows(table)[1]["entities"] is None
    assert table.attrs["about"].endswith("a.json: read as label-studio") and problems(table) == {}


def test_text_may_have_another_key(tmp_path):
    assert parts(kb.read(put(tmp_path, "a.json", [task(PERSON, data={"body": TEXT, "number": 1})]))) == [
        [("方小雪", "PER")]
    ]
    path = put(tmp_path, "b.json", [task(PERSON, data={"one": "a", "two": "b"})])
    assert "row 1: expected the text as 'text' in \"data\", found the keys one, two" in error_message(path)
    assert 'row 1: expected a task with "data", found the keys text' in error_message(
        put(tmp_path, "c.json", [{"text": "a"}]), format="label-studio"
    )


@pytest.mark.parametrize("direction, ends", [("right", "雪 方小雪"), ("left", "方小雪 雪"), ("bi", "雪 方小雪")])
def test_relations_become_triples(tmp_path, direction, ends):
    table = kb.read(
        put(tmp_path, "a.json", [task(PERSON, BOOK, link("b", "a", "作者", direction=direction)), task(PERSON)])
    )
    (triple,) = rows(table)[0]["spo_list"]
    assert f"{triple['subject']} {triple['object']}" == ends and triple["predicate"] == "作者"
    assert rows(table)[1]["spo_list"] == []
    assert problems(table) == ({label_studio.BOTH_WAYS: 1} if direction == "bi" else {})


def test_what_is_not_read_is_counted(tmp_path):
    skipped = {"was_cancelled": True, "result": [BOOK]}
    several = task() | {"annotations": [skipped, {"result": [PERSON]}, {"result": [BOOK]}]}
    stars = {"id": "c", "type": "rating", "value": {"rating": 3}}
    given = [several, task(PERSON, name="predictions"), task(PERSON, stars, link("a", "z", "x"), link("a", "b"))]
    table = kb.read(put(tmp_path, "a.json", given))
    assert parts(table) == [[("方小雪", "PER")]] * 3
    assert problems(table) == {
        label_studio.SEVERAL: 1,
        label_studio.PREDICTED: 1,
        "results left out: type 'rating'": 1,
        "relations left out: an entity that they refer to is not there": 1,
        "relations left out: no label": 1,
    }


def test_offsets_of_old_versions_count_utf16(tmp_path):
    table = kb.read(put(tmp_path, "a.json", [task(result("b", 14, 15, "B", text="雪"))]))
    assert parts(table) == [[("雪", "B")]] and "UTF-16" in table.attrs["about"]


def test_region_of_html_is_counted(tmp_path):
    table = kb.read(put(tmp_path, "a.json", [task(PERSON, result("b", "/p[1]/text()[1]", "/p[1]/text()[1]", "B"))]))
    assert problems(table) == {offsets.NOT_WHOLE: 1}


def test_line_break_in_the_text_of_a_result_is_recognised(tmp_path):
    given = task(result("a", 0, 5, "X", text=r"ab\ncd"), data={"text": "ab\ncd"})
    assert parts(kb.read(put(tmp_path, "a.json", [given]))) == [[("ab\ncd", "X")]]


def test_predictions_are_written(tmp_path):
    row = {
        "text": TEXT,
        "entities": [entity(0, 3, "PER", probability=0.9), entity(5, 7, "LOC", probability=0.4)],
        "id": 5,
    }
    path = tmp_path / "a.json"
    none = {"text": "a", "entities": []}
    assert kb.write([row, none], path, "label-studio", model_version="mine") == {}
    first, second = json.loads(path.read_text(encoding="utf-8"))
    assert first["id"] == 5 and first["data"] == {"text": TEXT}
    (prediction,) = first["predictions"]
    assert prediction["model_version"] == "mine" and prediction["score"] == 0.4
    assert prediction["result"][1] == {
        "id": "0-1",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "value": {"start": 5, "end": 7, "text": "北京", "labels": ["LOC"]},
        "score": 0.4,
    }
    assert second == {"data": {"text": "a"}, "predictions": [{"model_version": "mine", "result": []}]}
    kb.write([row, none], path, "label-studio", model_version="mine", scores=[0.1, 0.2])
    assert [each["predictions"][0]["score"] for each in json.loads(path.read_text(encoding="utf-8"))] == [0.1, 0.2]
    kb.write([], path, "label-studio")
    assert json.loads(path.read_text(encoding="utf-8")) == []
