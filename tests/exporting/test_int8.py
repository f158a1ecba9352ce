"""8-bit OpenVINO models: calibration, scores before and after, and errors."""

import json
import logging

import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.exporting import int8
from kbert_tasks.inference import exported

from .test_export import LABELS, client, run
from .untrained import untrained

TEXTS = ["房间很干净", "太吵", "the food is good", "好", "坏", "not nice " * 30]
ROWS = [{"text": text, "label": "好坏"[i % 2]} for i, text in enumerate(TEXTS)]


@pytest.fixture(autouse=True)
def needed():
    pytest.importorskip("nncf")


def about(folder):
    return json.loads((folder / "parity.json").read_text(encoding="utf-8"))["int8"]


def test_classifier_is_calibrated_and_scored_before_and_after(checkpoint, tmp_path, caplog):
    task = untrained(kb.TextClassifier, checkpoint, LABELS | {"temperature_note_": None}, pooling="mean")
    level, texts = logging.getLogger("nncf").level, tmp_path / "train.txt"
    texts.write_text("房间\n早餐很好\n好吃的东西\n", encoding="utf-8")
    with caplog.at_level(logging.INFO, logger="kbert_tasks"):
        folder = kb.export(task, tmp_path / "out", "openvino", compare=ROWS, name="hotel", int8=True, calibrate=texts)
    found = about(folder)
    assert (found["calibration_texts"], found["scored_texts"]) == (3, len(ROWS))
    assert found["scores"]["float32"] == task.evaluate(ROWS).numbers()
    assert found["scores"]["float32"].keys() == found["scores"]["int8"].keys()
    assert found["bytes"]["int8"] < found["bytes"]["float32"]
    assert {each.name for each in (folder / "hotel" / "1").iterdir()} == {int8.GRAPH, int8.WEIGHTS}
    assert any(text.startswith("int8: ") and "accuracy" in text for text in caplog.messages)
    assert logging.getLogger("nncf").level == level
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "int8 weights and activations" in readme and "with 3 texts for the calibration" in readme
    graph = (folder / "hotel" / "1" / int8.GRAPH).read_text(encoding="utf-8")
    assert "FakeQuantize" in graph
    assert "label" in eval(run(client(folder), folder))


def test_relations_are_scored_on_the_answers_of_the_run(checkpoint, tmp_path):
    learned = {"predicates_": ["是", "is"], "types_": {}, "threshold_": 0.3}
    task = untrained(kb.RelationExtractor, checkpoint, learned, max_length=24, window_overlap=8)
    rows = [{"text": text, "spo_list": [[text[:1], "是", text[-1:]]]} for text in TEXTS]
    report = task.evaluate(rows)
    task.answers_ = json.loads(json.dumps(report.answers))
    folder = kb.export(task, tmp_path / "out", "openvino", name="films", int8=True)
    found = about(folder)
    assert found["scored_texts"] == len(TEXTS) == found["calibration_texts"]
    assert found["scores"]["float32"] == pytest.approx(report.numbers())
    assert (folder / "films-pairs" / "1" / "model.xml").is_file()


@pytest.mark.parametrize("name", ["entity", "subject"])
def test_gold_answers_of_the_run_can_be_scored(checkpoint, name):
    from kbert_tasks.exporting.parity import answered

    if name == "entity":
        task = untrained(kb.EntityRecognizer, checkpoint, {"types_": ["物"], "flat_": False, "threshold_": 0.5})
        rows = [{"text": "房间很干净", "entities": [[0, 2, "物"]]}, {"text": "好", "entities": []}]
    else:
        learned = {"typed_": True, "always_": [], "longest_": 9, "threshold_": 0.5}
        task = untrained(kb.SubjectExtractor, checkpoint, learned)
        rows = [{"text": "房间很干净，早餐好", "event_type": "好", "subject": each} for each in ("房间", "早餐")]
        rows.append({"text": "太吵", "event_type": "坏", "subject": ""})
    report = task.evaluate(rows)
    task.answers_ = json.loads(json.dumps(report.answers))
    assert task.evaluate(task.examples(answered(task, with_gold=True))).scores == report.scores


def test_texts_without_gold_answers_are_not_scored(checkpoint, tmp_path, caplog):
    task = untrained(kb.TextClassifier, checkpoint, LABELS)
    with caplog.at_level(logging.INFO, logger="kbert_tasks"):
        folder = kb.export(task, tmp_path / "out", "openvino", compare=TEXTS, int8=True)
    assert about(folder)["scores"] is None and any("is not scored" in text for text in caplog.messages)


def test_command_and_its_errors(hotel, tmp_path, capsys, monkeypatch):
    (tmp_path / "texts.csv").write_text("text,label\n房间很干净,好\n太吵,坏\n", encoding="utf-8")
    (tmp_path / "empty.csv").write_text("text,label\n ,好\n", encoding="utf-8")
    words = [str(hotel[1]), str(tmp_path / "out"), "--compare", f"{tmp_path}/texts.csv"]
    assert cli.export([*words, "--format", "openvino", "--int8"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/out\n"
    words[1] = str(tmp_path / "other")
    for more, message in (
        (["--format", "onnx", "--int8"], "--int8 is for --format openvino, not onnx"),
        (["--format", "openvino", "--calibrate", f"{tmp_path}/texts.csv"], "--calibrate is for --int8"),
        (["--format", "openvino", "--int8", "--calibrate", f"{tmp_path}/empty.csv"], "no texts to calibrate"),
    ):
        assert cli.export([*words, *more]) == 2
        assert message in capsys.readouterr().err
    original = exported.without_telemetry

    def absent(package):
        if package == "nncf":
            raise ImportError
        return original(package)

    monkeypatch.setattr(exported, "without_telemetry", absent)
    assert cli.export([*words, "--format", "openvino", "--int8"]) == 2
    assert "pip install 'kbert-tasks[int8]'" in capsys.readouterr().err
