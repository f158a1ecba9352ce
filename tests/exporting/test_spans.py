"""Exports of tasks whose answers are parts of a text: the client finds the same candidates as Keras."""

import json
import subprocess
import sys

import pytest

import kbert_tasks as kb
from kbert_tasks.tasks.subject import task as subject_task

from .test_export import client, needs

TEXTS = ["房间很干净 and the food is good, 早餐好", "酒店不错", "the hotel [SEP] was quiet " * 8, "好 好 好"]
SUBJECTS = [
    {"text": TEXTS[0], "event_type": "好", "subject": "房间"},
    {"text": TEXTS[1], "event_type": "好", "subject": "酒店"},
    {"text": TEXTS[2], "event_type": "坏", "subject": "hotel"},
    {"text": TEXTS[3], "event_type": "坏", "subject": ""},
]
TRIPLES = [
    {"text": TEXTS[0], "spo_list": [["房间", "是", "干净"], ["food", "is", "good"]]},
    {"text": TEXTS[1], "spo_list": [["酒店", "是", "不错"]]},
    {"text": TEXTS[2], "spo_list": [["hotel", "is", "quiet"]]},
]
ENTITIES = [
    {"text": TEXTS[0], "entities": [[0, 2, "物"], [10, 13, "thing"], [6, 13, "thing"]]},
    {"text": TEXTS[1], "entities": [[0, 2, "物"]]},
    {"text": TEXTS[3], "entities": []},
]
SETTINGS = {
    "epochs": 30,
    "max_length": 24,
    "validation_split": 0.0,
    "window_overlap": 8,
    "learning_rate": 1e-2,
    "ema_decay": 0.0,
}


@pytest.fixture(scope="module")
def subjects(checkpoint):
    return kb.SubjectExtractor(checkpoint, **SETTINGS).fit(SUBJECTS)


@pytest.fixture(scope="module")
def relations(checkpoint):
    return kb.RelationExtractor(checkpoint, **SETTINGS).fit(TRIPLES)


@pytest.fixture(scope="module")
def entities(checkpoint):
    return kb.EntityRecognizer(checkpoint, **SETTINGS).fit(ENTITIES)


def check(folder, count):
    found = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    assert found["largest_difference"] < 1e-4 and found["equal_answers"] == 1 and found["texts"] == count


@pytest.mark.parametrize("kind", ["onnx", "openvino", "savedmodel", "huggingface"])
def test_subjects(subjects, kind, tmp_path):
    needs(kind)
    assert subjects.always_ == ["好"] and any(each.subjects for each in subjects.predict(SUBJECTS))
    check(kb.export(subjects, tmp_path / "out", kind, compare=SUBJECTS), len(SUBJECTS))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("kind", ["onnx", "huggingface"])
def test_entities(entities, kind, flat, tmp_path):
    needs(kind)
    entities.flat_ = flat
    assert any(each.entities for each in entities.predict(TEXTS))
    check(kb.export(entities, tmp_path / "out", kind, compare=TEXTS), len(TEXTS))


@pytest.mark.parametrize("kind", ["onnx", "openvino", "savedmodel", "huggingface"])
def test_relations_have_two_models(relations, kind, tmp_path):
    needs(kind)
    relations.threshold_ = 0.05  # so that there are answers
    assert any(each.triples for each in relations.predict(TEXTS))
    folder = kb.export(relations, tmp_path / "out", kind, compare=TEXTS, name="films")
    check(folder, len(TEXTS))
    files = {"onnx": "pairs.onnx", "openvino": "films-pairs/1/model.xml", "savedmodel": "films-pairs/1/saved_model.pb"}
    assert (folder / files.get(kind, "head.safetensors")).is_file()


def test_a_client_that_leaves_out_a_candidate_is_found(subjects, monkeypatch, tmp_path):
    monkeypatch.setattr(subject_task, "MOST", 0)
    with pytest.raises(kb.InputError, match="differ by"):
        kb.export(subjects, tmp_path / "out", "savedmodel", compare=SUBJECTS)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_clients_of_spans_work_without_kbert_tasks(subjects, relations, tmp_path):
    needs("onnx")
    for name, task in {"subject": subjects, "relation": relations}.items():
        rows = SUBJECTS if name == "subject" else TEXTS
        folder = kb.export(task, tmp_path / name, "onnx", compare=rows)
        code = "import sys\nsys.modules['kbert_tasks'] = None\n" + client(folder)
        made = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, encoding="utf-8"
        )
        assert made.returncode == 0 and isinstance(eval(made.stdout), list), made.stderr
