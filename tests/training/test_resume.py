"""Interrupted training resumes and ends with the same model."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks.data import tables
from kbert_tasks.encoder import precision
from kbert_tasks.samples import path
from kbert_tasks.tasks import find, names
from kbert_tasks.training import backup, resume

SETTINGS = {
    "epochs": 3,
    "max_length": 24,
    "learning_rate": 1e-3,
    "batch_size": 8,
    "save_minutes": 1e-6,
    "validation_split": 0.1,
}
MORE = {
    "schedule": "linear",
    "warmup_ratio": 0.2,
    "weight_decay": 0.01,
    "ema_decay": 0.9,
    "global_clipnorm": 1.0,
    "dropout": 0.3,
}
MICRO_BATCHES = {"micro_batches": 2, "fgm_epsilon": 0.5, "layerwise_lr_decay": 0.9}


def rows(name):
    return tables.read(path(name, "zh", "train")).head(40)


def without_times(report):
    history = [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in report["history"]]
    return report | {"history": history, "seconds": None, "plan": None}


class Stopped(Exception):
    pass


@pytest.fixture
def stop_after(monkeypatch):
    """Returns a function: trainings stop after that many steps, like a killed process, without any clean-up."""
    original = backup.Backup.on_train_batch_end

    def stop(steps):
        def stopping(self, batch, logs=None):
            original(self, batch, logs)
            if self.step == steps:
                raise Stopped

        monkeypatch.setattr(backup.Backup, "on_train_batch_end", stopping)

    return stop


def trained(name, checkpoint, tmp_path, stops, stop_after, **more):
    task = find(name)(checkpoint, **SETTINGS | more)
    for steps in stops:
        stop_after(steps)
        with pytest.raises(Stopped):
            task.fit(rows(name), resume_dir=tmp_path / "progress")
    stop_after(None)
    return task.fit(rows(name), resume_dir=tmp_path / "progress")


@pytest.fixture(scope="module")
def finished(checkpoint, tmp_path_factory):
    """(task, progress folder) of a finished training of a classifier."""
    folder = tmp_path_factory.mktemp("finished") / "progress"
    return kb.TextClassifier(checkpoint, **SETTINGS).fit(rows("classify"), resume_dir=folder), folder


@pytest.fixture
def progress(finished, tmp_path):
    """A copy of the progress folder of the finished training."""
    return shutil.copytree(finished[1], tmp_path / "progress")


# An epoch has 5 steps (classify), 11 (relation, entity) or 17 (subject).
STOPS = [
    ("classify", MORE, [7]),  # in the second epoch
    ("classify", MICRO_BATCHES, [5]),  # at the end of the first epoch, before the evaluation
    ("relation", MORE, [13]),
    ("subject", MORE, [19]),
    ("entity", MORE, [13]),
]
COMPILED = ("classify", MORE | {"compile": "on", "precision": "bfloat16"}, [7])
ALL_STOPS = [(name, more, [1, 5, 7, 11, 19]) for name in names() for more in ({}, MORE)]
ALL_STOPS = [
    pytest.param(*each, marks=pytest.mark.slow)
    for each in [*ALL_STOPS, COMPILED, ("classify", MICRO_BATCHES, [1, 5, 7, 11])]
]


@pytest.mark.parametrize(
    "name, more, stops", [*STOPS, *ALL_STOPS], ids=lambda each: each if isinstance(each, str) else len(each)
)
def test_stopped_run_ends_with_the_same_model(name, more, stops, checkpoint, tmp_path, stop_after):
    whole = find(name)(checkpoint, **SETTINGS | more).fit(rows(name))
    stops = [each for each in stops if each < whole.report_["plan"]["steps"]]
    stopped = trained(name, checkpoint, tmp_path, stops, stop_after, **more)
    assert without_times(stopped.report_) == without_times(whole.report_)
    for one, other in zip(stopped.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [getattr(stopped, each) for each in stopped.LEARNED] == [getattr(whole, each) for each in whole.LEARNED]


def test_finished_training_is_not_repeated(finished, progress, checkpoint, stop_after):
    first, _ = finished
    stop_after(1)  # no further step is allowed
    again = kb.TextClassifier(checkpoint, **SETTINGS).fit(rows("classify"), resume_dir=progress)
    assert without_times(again.report_) == without_times(first.report_)
    for one, other in zip(again.model.get_weights(), first.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_early_stopped_run_stays_stopped(checkpoint, tmp_path, stop_after):
    more = {"patience": 1, "epochs": 8, "learning_rate": 1e-2}
    first = trained("classify", checkpoint, tmp_path, [], stop_after, **more)
    assert len(first.report_["history"]) < 8
    stop_after(1)
    settings = SETTINGS | more
    again = kb.TextClassifier(checkpoint, **settings).fit(rows("classify"), resume_dir=tmp_path / "progress")
    assert without_times(again.report_) == without_times(first.report_)


@pytest.mark.parametrize("change", ["settings", "rows"])
def test_run_with_other_settings_or_rows_does_not_resume(change, checkpoint, progress):
    settings = SETTINGS | ({"learning_rate": 2e-3} if change == "settings" else {})
    task, training_rows = (
        kb.TextClassifier(checkpoint, **settings),
        rows("classify").head(39 if change == "rows" else 40),
    )
    with pytest.raises(
        kb.InputError, match=f"progress: the saved progress used {change}.*use the same value, or delete .*--no-resume"
    ):
        task.fit(training_rows, resume_dir=progress)


def test_row_moved_from_training_to_development_does_not_resume(checkpoint, tmp_path):
    some, task = rows("classify"), kb.TextClassifier(checkpoint, **SETTINGS)
    task.fit(some.head(30), dev=some.tail(10), resume_dir=tmp_path / "progress")
    with pytest.raises(kb.InputError, match="progress: the saved progress used rows "):
        task.fit(some.head(29), dev=some.tail(11), resume_dir=tmp_path / "progress")


def test_processor_with_another_precision_does_not_resume(checkpoint, progress, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text("flags : amx_bf16 avx512_bf16\n")
    monkeypatch.setattr(precision, "CPU", tmp_path / "cpuinfo")
    with pytest.raises(
        kb.InputError, match="progress: the saved progress used precision float32, this run uses bfloat16"
    ):
        kb.TextClassifier(checkpoint, **SETTINGS).fit(rows("classify"), resume_dir=progress)


def test_progress_is_renamed_before_it_is_deleted(tmp_path, monkeypatch):
    """A process killed during the deletion leaves nothing that looks like a damaged save."""
    folder = tmp_path / "run.progress"
    (folder / "step-000000001").mkdir(parents=True)
    monkeypatch.setattr(resume.shutil, "rmtree", lambda *_, **__: None)
    resume.delete(folder)
    assert not folder.exists() and [each.name for each in tmp_path.iterdir()] == ["run.progress.writing"]


def test_damaged_save_is_reported(checkpoint, progress):
    (save,) = progress.iterdir()
    (save / "state.json").write_text("{")
    with pytest.raises(
        kb.InputError, match="state.json is damaged: delete .*progress .kbert-train --no-resume. to start over"
    ):
        kb.TextClassifier(checkpoint, **SETTINGS).fit(rows("classify"), resume_dir=progress)


@pytest.mark.slow
def test_command_resumes_after_a_kill(checkpoint, tmp_path):
    def command(output, *options):
        arguments = ["--checkpoint", str(checkpoint), "--train", str(tmp_path / "rows.csv"), "--output", str(output)]
        arguments += ["--epochs", "4", "--max-length", "16", "--batch-size", "2", "--save-minutes", "1e-6", *options]
        script = f"import sys; from kbert_tasks.cli import train; sys.exit(train({arguments!r}))"
        return subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)

    rows("classify").to_csv(tmp_path / "rows.csv", index=False)
    killed = command(tmp_path / "run")
    while not any((tmp_path / ".run.progress").glob("step-*3*")):
        assert killed.poll() is None, killed.stderr.read()
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "run").exists()
    refused = command(tmp_path / "run", "--learning-rate", "0.5")
    assert b"the saved progress used settings learning_rate" in refused.communicate()[1] and refused.returncode == 2
    others = [command(tmp_path / "run"), command(tmp_path / "whole")]
    logs = [each.communicate()[1].decode() for each in others]
    assert [each.returncode for each in others] == [0, 0]
    assert "resuming after step" in logs[0] and "resuming" not in logs[1]
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "whole"))
    assert one == other
    assert not list(tmp_path.glob(".run.*"))
