"""Exports of tasks whose answers are parts of a text: the client finds the same candidates as Keras."""

import dataclasses
import json
import subprocess
import sys

import pytest

import kbert_tasks as kb

from .test_export import client, needs
from .untrained import untrained

TEXTS = ["房间很干净 and the food is good, 早餐好", "酒店不错", "the hotel [SEP] was quiet " * 8, "好 好 好"]
SUBJECTS = [{"text": text, "event_type": kind} for text, kind in zip(TEXTS, ("好", "好", "坏", "坏"), strict=True)]
SETTINGS = {"max_length": 24, "window_overlap": 8}


@pytest.fixture(scope="module")
def subjects(checkpoint):
    learned = {"typed_": True, "always_": ["好"], "longest_": 9, "threshold_": 0.5}
    return untrained(kb.SubjectExtractor, checkpoint, learned, **SETTINGS)


@pytest.fixture(scope="module", params=[[None], []], ids=["always an event", "sometimes an event"])
def events(request, checkpoint):
    """Tasks that find event types; with [None], each text has at least one answer."""
    learned = {"typed_": True, "types_": ["好", "坏"], "always_": request.param, "longest_": 9, "threshold_": 0.5}
    return untrained(kb.SubjectExtractor, checkpoint, learned, find_types=True, **SETTINGS)


@pytest.fixture(scope="module")
def relations(checkpoint):
    learned = {"predicates_": ["是", "is"], "types_": {"is": ["thing", None]}, "threshold_": 0.3}
    return untrained(kb.RelationExtractor, checkpoint, learned, **SETTINGS)


@pytest.fixture(scope="module")
def entities(checkpoint):
    learned = {"types_": ["物", "thing"], "flat_": False, "threshold_": 0.5}
    return untrained(kb.EntityRecognizer, checkpoint, learned, **SETTINGS)


def check(folder, count):
    found = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    assert found["largest_difference"] < 1e-4 and found["equal_answers"] == 1 and found["texts"] == count


@pytest.mark.parametrize("kind", ["onnx", "openvino", "savedmodel", "huggingface"])
def test_subjects(subjects, kind, tmp_path):
    needs(kind)
    assert any(each.subjects for each in subjects.predict(SUBJECTS))
    check(kb.export(subjects, tmp_path / "out", kind, compare=SUBJECTS), len(SUBJECTS))


@pytest.mark.parametrize("kind", ["onnx", "openvino", "savedmodel", "huggingface"])
def test_event_types_are_found(events, kind, tmp_path):
    needs(kind)
    found = {subject.event_type for each in events.predict(TEXTS) for subject in each.subjects}
    assert found == {"好", "坏"}
    check(kb.export(events, tmp_path / "out", kind, compare=TEXTS), len(TEXTS))


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
    assert any(each.triples for each in relations.predict(TEXTS))
    folder = kb.export(relations, tmp_path / "out", kind, compare=TEXTS, name="films")
    check(folder, len(TEXTS))
    files = {"onnx": "pairs.onnx", "openvino": "films-pairs/1/model.xml", "savedmodel": "films-pairs/1/saved_model.pb"}
    assert (folder / files.get(kind, "head.safetensors")).is_file()
    readme = (folder / "README.md").read_text(encoding="utf-8")
    described = {"onnx": "`pairs.onnx`", "huggingface": "`head.safetensors`"}.get(kind, "`films-pairs/1`")
    assert f"| {described} |" in readme and ("run_second" in readme.rpartition("```")[2]) == (
        kind in ("openvino", "savedmodel")
    )


def test_the_client_of_relations_gives_the_types_of_entities(relations, tmp_path):
    folder = kb.export(relations, tmp_path / "out", "savedmodel", compare=TEXTS)
    space = {}
    exec(client(folder).replace('folder = "."', f"folder = {str(folder)!r}"), space)
    found = [each for text in TEXTS for each in space["predict"](text)]
    kinds = {(each["predicate"], each.get("subject_type")) for each in found}
    assert kinds == {("is", "thing"), ("是", None)} and not any("object_type" in each for each in found)
    expected = [triple.as_dict() for each in relations.predict(TEXTS) for triple in each.triples]
    assert {each["predicate"] for each in expected} == {"is", "是"}
    assert [each.keys() for each in found] == [each.keys() for each in expected]


def test_a_client_that_leaves_out_a_candidate_is_found(subjects, monkeypatch, tmp_path):
    whole = subjects.client()
    monkeypatch.setattr(subjects, "client", lambda: dataclasses.replace(whole, about=whole.about | {"most": 0}))
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
