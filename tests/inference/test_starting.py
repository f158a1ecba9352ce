"""Which engine a loaded task uses, and that an exported task needs no TensorFlow."""

import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.inference import accelerators, openvino
from kbert_tasks.inference import exported as exported_module
from kbert_tasks.saving import folder as layout
from kbert_tasks.saving.model import Stored, built, weights
from kbert_tasks.serving.questions import with_options

# Predicts in Python and with the command, and saves the task. The arguments are the run, a file of rows and a new folder.
PREDICT = """
import sys
import kbert_tasks as kb
from kbert_tasks import cli
task = kb.load(sys.argv[1])
rows = kb.read(sys.argv[2])
found = task.predict(rows)
assert len(found) == len(rows) and None not in found
task.save(sys.argv[3])
assert cli.predict([sys.argv[1], sys.argv[2], "--output", sys.argv[2] + ".jsonl"]) == 0
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""


@pytest.fixture(autouse=True)
def _no_accelerator(monkeypatch):
    monkeypatch.setattr(accelerators, "PATTERNS", ())


def engine_of(task):
    return "openvino" if task.engine_ else "keras"


# Without TensorFlow ------------------------------------------------------------------------------------------------


def test_exported_task_predicts_without_tensorflow(trained, tmp_path):
    folder, test = trained
    task = kb.load(folder, engine="openvino")
    columns = [task.settings.text_column, *([getattr(task.settings, task.SECOND)] if task.paired is True else [])]
    # Few rows, because a hardly trained classifier gives all of many texts the same label, and the command says so.
    file = tmp_path / "rows.jsonl"
    test[columns].head(5).to_json(file, orient="records", lines=True, force_ascii=False)
    words = [sys.executable, "-c", PREDICT, str(folder), str(file), str(tmp_path / "copy")]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert len((tmp_path / "rows.jsonl.jsonl").read_text(encoding="utf-8").splitlines()) == 5
    assert (tmp_path / "copy" / layout.WEIGHTS).read_bytes() == (folder / layout.WEIGHTS).read_bytes()


def test_model_is_built_when_it_is_first_used(exported, hotel):
    task = kb.load(exported)
    task.predict(["好"])
    assert isinstance(task._model, Stored) and task.__sklearn_is_fitted__()
    assert "Stored" not in repr(task.get_params())
    for one, other in zip(task.model.get_weights(), hotel[0].model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    assert task.model is task.model and not isinstance(task._model, Stored)


def test_tasks_with_other_settings_share_the_model(exported):
    task = kb.load(exported)
    one, other = (with_options(task, {"min_confidence": each}) for each in (0.5, 0.9))
    assert one.model is other.model is task.model


def test_copies_are_made_without_the_model(exported):
    task = kb.load(exported)
    wanted = task.predict(["好", "坏"])
    for made in (copy.deepcopy(task), pickle.loads(pickle.dumps(task))):
        assert isinstance(made._model, Stored) and made.predict(["好", "坏"]) == wanted
        assert np.array_equal(made.model.get_weights()[0], task.model.get_weights()[0])


def test_layers_start_with_zeros_when_saved_weights_replace_them(hotel):
    found = weights(built(hotel[0]))
    assert not found["Encoder-1-FeedForward/0"].numpy().any() and not found["Embedding-Token/0"].numpy().any()
    assert found["Embedding-Norm/0"].numpy().all()


# --engine auto -----------------------------------------------------------------------------------------------------


def test_auto_uses_openvino_if_the_run_is_exported(exported, run):
    assert engine_of(kb.load(exported)) == "openvino"
    assert engine_of(kb.load(run)) == "keras" and not (run / layout.EXPORT).exists()


def test_auto_uses_keras_if_there_is_an_accelerator(exported, monkeypatch, tmp_path):
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(accelerators, "PATTERNS", ("nvidia[0-9]*",))
    monkeypatch.setattr(accelerators, "DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert engine_of(kb.load(exported)) == "keras"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert engine_of(kb.load(exported)) == "openvino"


def test_auto_uses_keras_if_the_export_is_outdated(exported, tmp_path, caplog):
    run = Path(shutil.copytree(exported, tmp_path / "run"))
    about = json.loads((run / layout.TASK).read_text(encoding="utf-8"))
    (run / layout.TASK).write_text(json.dumps(about | {"more": 1}), encoding="utf-8")
    before = (run / layout.EXPORT / layout.EXPORT_ABOUT).read_bytes()
    caplog.clear()
    assert engine_of(kb.load(run)) == "keras" and not caplog.messages
    assert (run / layout.EXPORT / layout.EXPORT_ABOUT).read_bytes() == before


@pytest.mark.parametrize("problem", ["missing", "broken"])
def test_auto_uses_keras_if_openvino_cannot_be_imported(exported, monkeypatch, problem):
    if problem == "missing":
        monkeypatch.setitem(sys.modules, "openvino", None)
    else:
        monkeypatch.setattr(exported_module, "package", _fails)
    assert engine_of(kb.load(exported)) == "keras"


def _fails():
    raise kb.InputError("the package is broken")


def test_commands_use_openvino_by_default(exported, tmp_path, monkeypatch, capsys):
    (tmp_path / "texts.txt").write_text("好\n坏\n", encoding="utf-8")
    used = []
    start = openvino.start
    monkeypatch.setattr(openvino, "start", lambda *arguments: used.append("openvino") or start(*arguments))
    for more in ([], ["--engine", "keras"]):
        assert cli.predict([str(exported), str(tmp_path / "texts.txt"), *more]) == 0
    assert used == ["openvino"] and capsys.readouterr().err == ""
