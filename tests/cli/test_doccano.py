"""From an export of doccano to new pre-annotated texts: what is written has the documented form of doccano's import.

In the dataset format JSONL, each line is an object with a text that is not empty and, in `label`, lists of start, end and
label (sequence labelling) or names (text classification). In JSONL(Relation), `entities` have an id, and `relations` refer to
it. All other keys become metadata of the text. doccano counts UTF-16 code units.
"""

import json

import pytest

import kbert_tasks as kb
from kbert_tasks import cli

TEXT = "洛城交响乐团😀在青岛演出"
ENTITIES = [
    {"id": 11, "label": "机构", "start_offset": 0, "end_offset": 6},
    {"id": 12, "label": "地点", "start_offset": 9, "end_offset": 11},
]
# Exports of projects for sequence labelling, relations and text classification.
EXPORTS = {
    "entity": {"id": 1, "text": TEXT, "label": [[0, 6, "机构"], [9, 11, "地点"]], "Comments": []},
    "subject": {"id": 1, "text": TEXT, "label": [[0, 6, "演出"], [9, 11, "到达"]], "Comments": []},
    "relation": {
        "id": 1, "text": TEXT, "entities": ENTITIES, "Comments": [],
        "relations": [{"id": 5, "from_id": 11, "to_id": 12, "type": "演出地点"}],
    },
    "classify": {"id": 1, "text": TEXT, "label": ["音乐"], "Comments": []},
}  # fmt: skip
NEW = ["😀青岛今天下雨。", "洛城交响乐团去了北京", "没有", "洛城和青岛"]
QUICK = ["--epochs", "1", "--max-length", "32", "--validation-split", "0"]


def run(command, *words):
    return getattr(cli, command)([str(word) for word in words])


@pytest.fixture(scope="module", params=EXPORTS)
def written(request, checkpoint, tmp_path_factory):
    """(task name, objects of the lines that were written, the file, the saved folder)."""
    name, folder = request.param, tmp_path_factory.mktemp("doccano")
    other = {"classify": ["天气"], "relation": []}.get(name, [])
    rows = [EXPORTS[name], EXPORTS[name] | {"id": 2, "text": "下雨了" + TEXT[:6], "relations": [], "entities": []}]
    rows[1] = {key: other if key == "label" else each for key, each in rows[1].items() if key in rows[0]}
    export, new, out = folder / "export.jsonl", folder / "new.txt", folder / "new.jsonl"
    export.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows * 4), encoding="utf-8")
    new.write_text("\n".join([*NEW, "", " "]), encoding="utf-8")
    find = ["--find-types"] * (name == "subject")
    words = ["--task", name, "--checkpoint", checkpoint, "--train", export, "--output", folder / "run", *QUICK, *find]
    assert run("train", *words) == 0
    threshold = [] if name == "classify" else ["--threshold", 0.05]  # an untrained model has many uncertain answers
    assert (
        run("predict", folder / "run", new, "--format", "doccano", "--uncertain-first", "--output", out, *threshold)
        == 0
    )
    return name, [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()], out, folder / "run"


def check_span(text, start, end, label):
    assert type(start) is int and type(end) is int and isinstance(label, str) and label
    assert 0 <= start < end <= len(text.encode("utf-16-le")) // 2


def test_every_line_can_be_imported(written):
    name, rows, *_ = written
    assert sorted(row["text"] for row in rows) == sorted(NEW)  # all texts are there, and no empty one
    found = 0
    for row in rows:
        if name == "relation":
            assert row.keys() == {"text", "entities", "relations", "certainty"}
            for each in row["entities"]:
                assert each.keys() == {"id", "start_offset", "end_offset", "label"} and type(each["id"]) is int
                check_span(row["text"], each["start_offset"], each["end_offset"], each["label"])
            for each in row["relations"]:
                assert {each["from_id"], each["to_id"]} <= {entity["id"] for entity in row["entities"]} and each["type"]
            found += len(row["relations"])
            continue
        assert row.keys() == {"text", "label", "certainty"}
        for each in row["label"]:
            found += 1
            if name == "classify":
                assert each in ("音乐", "天气")
            else:
                check_span(row["text"], *each)
    assert found
    ids = [each["id"] for row in rows for each in row.get("entities", ())]
    assert len(ids) == len({*ids})


def test_most_uncertain_texts_are_first(written):
    certainty = [row["certainty"] for row in written[1]]
    assert certainty == sorted(certainty)


def test_pre_annotations_are_read_as_the_predictions_that_they_are(written):
    name, rows, file, folder = written
    task = kb.load(folder)
    if name != "classify":
        task.settings = kb.load(folder).Settings(**{**vars(task.settings), "threshold": 0.05})
    examples = task.examples(kb.read(file))
    expected = task.predict([row["text"] for row in rows])
    assert [example.text for example in examples.rows] == [row["text"] for row in rows]
    for example, answer in zip(examples.rows, expected, strict=True):
        if name == "classify":
            assert example.labels == answer.label  # names in lists are several labels of a text
        else:
            assert sorted(map(str, task.keyed(example))) == sorted(map(str, task.keyed(answer)))
