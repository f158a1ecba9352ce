"""An interrupted run resumes with the same loss curve and exactly the same weights."""

import subprocess
import sys
import time

import pytest

from kbert_tasks._keras import tensorflow
from kbert_tasks.checkpoint import google_format
from kbert_tasks.checkpoint.checkpoint import Checkpoint
from kbert_tasks.errors import InputError
from kbert_tasks.pretraining import training

from . import small
from .small import QUICK, curve, files


def test_stopped_run_resumes_with_the_same_result(finished_run, stopped_run, corpus, config):
    folder, report = finished_run
    assert [path.name for path in stopped_run.glob("progress/*")] == ["step-000000010"]
    Checkpoint.open(stopped_run)  # a checkpoint exists already
    again = training.train(corpus, stopped_run, config, **QUICK)
    assert curve(again["history"]) == curve(report["history"])
    assert files(stopped_run) == files(folder)
    assert not (stopped_run / "progress").exists()


@pytest.mark.slow
@pytest.mark.parametrize("step", [4, 17, 23])
def test_killed_run_resumes_with_the_same_result(
    finished_run, corpus, config, tmp_path, kill_at_step, monkeypatch, step
):
    folder, report = finished_run
    kill_at_step(step)
    with pytest.raises(KeyboardInterrupt):
        training.train(corpus, tmp_path / "run", config, **QUICK)
    monkeypatch.undo()
    saved = [path.name for path in (tmp_path / "run").glob("progress/*")]
    assert saved == ([f"step-{step // 10 * 10:09d}"] if step > 10 else [])
    if saved:  # a checkpoint exists already
        Checkpoint.open(tmp_path / "run")
    again = training.train(corpus, tmp_path / "run", config, **QUICK)
    assert curve(again["history"]) == curve(report["history"])
    assert files(tmp_path / "run") == files(folder)
    assert not (tmp_path / "run" / "progress").exists()


@pytest.mark.slow
def test_killed_process_resumes_with_the_same_result(finished_run, corpus, config, tmp_path):
    folder, report = finished_run
    program = (
        "import time\n"
        "from kbert_tasks.pretraining import training\n"
        "from kbert_tasks.pretraining.corpus import Corpus\n"
        "write, step = training.Saves._write, training.Saves.on_train_batch_end\n"
        "training.Saves._write = lambda self: (write(self), print('saved', flush=True))\n"
        "training.Saves.on_train_batch_end = lambda self, *what: (step(self, *what), time.sleep(0.1))\n"
        f"training.train(Corpus.open({str(corpus.folder)!r}), {str(tmp_path / 'run')!r}, {str(config)!r}, **{QUICK!r})\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "saved\n"  # the save of step 10
        time.sleep(0.35)
        process.kill()
    assert process.returncode != 0 and (tmp_path / "run" / "progress").exists()
    again = training.train(corpus, tmp_path / "run", config, **QUICK)
    assert curve(again["history"]) == curve(report["history"])
    assert files(tmp_path / "run") == files(folder)


def test_run_killed_during_a_save_resumes_from_the_previous_save(finished_run, corpus, config, tmp_path, monkeypatch):
    folder, _ = finished_run
    original = google_format.write

    def interrupted_write(place, *more):
        original(place, *more)
        if training.Saves.count == 2:
            (tmp_path / "run" / f"{google_format.PREFIX}.index").write_bytes(b"torn")
            raise KeyboardInterrupt
        training.Saves.count += 1

    monkeypatch.setattr(training.Saves, "count", 1, raising=False)
    monkeypatch.setattr(google_format, "write", interrupted_write)
    with pytest.raises(KeyboardInterrupt):
        training.train(corpus, tmp_path / "run", config, **QUICK)
    monkeypatch.undo()
    training.train(corpus, tmp_path / "run", config, **QUICK)
    assert files(tmp_path / "run") == files(folder)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"learning_rate": 2e-3}, "settings learning_rate 0.001, this run uses 0.002"),
        ({"steps": 30}, "settings steps 25, this run uses 30"),
        ({"seed": 2}, "seed 1, this run uses 2"),
        ({"precision": "bfloat16"}, "precision float32, this run uses bfloat16"),
        ({"compile": "on"}, "settings compile off, this run uses on"),
    ],
)
def test_run_with_other_settings_does_not_resume(stopped_run, corpus, config, changes, message):
    with pytest.raises(InputError, match=message):
        training.train(corpus, stopped_run, config, **QUICK | changes)
    assert (stopped_run / "progress" / "step-000000010").is_dir()


def test_damaged_progress_is_reported(stopped_run, corpus, config):
    save = stopped_run / "progress" / "step-000000010"
    index = (save / "state.index").read_bytes()
    for name, content in (("state.index", index[:40]), ("state.json", b"{"), ("state.json", b"[]")):
        before = (save / name).read_bytes()
        (save / name).write_bytes(content)
        with pytest.raises(InputError, match=f"damaged.*delete {stopped_run.resolve()} to start over, or"):
            training.train(corpus, stopped_run, config, **QUICK)
        (save / name).write_bytes(before)


def test_run_with_another_text_does_not_resume(stopped_run, config, tmp_path):
    other = small.corpus(tmp_path / "other", seed=9)
    with pytest.raises(InputError, match="the saved progress used corpus"):
        training.train(other, stopped_run, config, **QUICK)


def test_float16_run_resumes_with_the_same_result(corpus, config, tmp_path, kill_at_step, monkeypatch):
    quick = QUICK | {"precision": "float16", "steps": 8, "save_every": 4}  # float16 also saves the scale of the loss
    whole = training.train(corpus, tmp_path / "whole", config, **quick)
    kill_at_step(6)
    with pytest.raises(KeyboardInterrupt):
        training.train(corpus, tmp_path / "run", config, **quick)
    monkeypatch.undo()
    again = training.train(corpus, tmp_path / "run", config, **quick)
    assert whole["precision"] == "float16" and curve(again["history"]) == curve(whole["history"])
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_full_disk_is_reported_and_the_last_save_is_kept(stopped_run, corpus, config, monkeypatch):
    before = files(stopped_run)

    def full(*_):
        raise tensorflow().errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(google_format, "write", full)
    with pytest.raises(InputError, match="could not be written .No space left on device.: free disk space"):
        training.train(corpus, stopped_run, config, **QUICK)
    assert files(stopped_run) == before and not (stopped_run / ".writing").exists()


def test_run_killed_after_the_last_step_is_finished_without_training(
    finished_run, corpus, config, tmp_path, monkeypatch
):
    folder, report = finished_run

    def interrupted_delete(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(training.Progress, "delete", interrupted_delete)
    with pytest.raises(KeyboardInterrupt):
        training.train(corpus, tmp_path / "run", config, **QUICK)
    monkeypatch.undo()
    again = training.train(corpus, tmp_path / "run", config, **QUICK)
    assert curve(again["history"]) == curve(report["history"]) and again["tokens"] == report["tokens"]
    assert files(tmp_path / "run") == files(folder) and not (tmp_path / "run" / "progress").exists()
