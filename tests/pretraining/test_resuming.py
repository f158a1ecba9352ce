"""A kill changes nothing: the same loss curve, bit for bit the same weights."""

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


def test_stopped_and_started_again_it_ends_the_same(run, stopped, corpus, config):
    folder, report = run
    assert [path.name for path in stopped.glob("progress/*")] == ["step-000000010"]
    Checkpoint.open(stopped)  # a checkpoint is there already
    again = training.train(corpus, stopped, config, **QUICK)
    assert curve(again["history"]) == curve(report["history"])
    assert files(stopped) == files(folder)
    assert not (stopped / "progress").exists()


@pytest.mark.slow
@pytest.mark.parametrize("step", [4, 17, 23])
def test_killed_and_started_again_it_ends_the_same(run, corpus, config, tmp_path, killed_at, monkeypatch, step):
    folder, report = run
    killed_at(step)
    with pytest.raises(KeyboardInterrupt):
        training.train(corpus, tmp_path / "run", config, **QUICK)
    monkeypatch.undo()
    saved = [path.name for path in (tmp_path / "run").glob("progress/*")]
    assert saved == ([f"step-{step // 10 * 10:09d}"] if step > 10 else [])
    if saved:  # a checkpoint is there already
        Checkpoint.open(tmp_path / "run")
    again = training.train(corpus, tmp_path / "run", config, **QUICK)
    assert curve(again["history"]) == curve(report["history"])
    assert files(tmp_path / "run") == files(folder)
    assert not (tmp_path / "run" / "progress").exists()


@pytest.mark.slow
def test_a_real_kill_changes_nothing_either(run, corpus, config, tmp_path):
    folder, report = run
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
        assert process.stdout.readline() == "saved\n"  # of step 10
        time.sleep(0.35)
        process.kill()
    assert process.returncode != 0 and (tmp_path / "run" / "progress").exists()
    again = training.train(corpus, tmp_path / "run", config, **QUICK)
    assert curve(again["history"]) == curve(report["history"])
    assert files(tmp_path / "run") == files(folder)


def test_killed_in_the_middle_of_a_save_it_resumes_from_the_previous_save(run, corpus, config, tmp_path, monkeypatch):
    folder, _ = run
    replace = google_format.write

    def torn(place, *more):
        replace(place, *more)
        if training.Saves.count == 2:
            (tmp_path / "run" / f"{google_format.PREFIX}.index").write_bytes(b"torn")
            raise KeyboardInterrupt
        training.Saves.count += 1

    monkeypatch.setattr(training.Saves, "count", 1, raising=False)
    monkeypatch.setattr(google_format, "write", torn)
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
def test_a_run_with_other_settings_does_not_resume(stopped, corpus, config, changes, message):
    with pytest.raises(InputError, match=message):
        training.train(corpus, stopped, config, **QUICK | changes)
    assert (stopped / "progress" / "step-000000010").is_dir()


def test_damaged_progress_is_reported(stopped, corpus, config):
    save = stopped / "progress" / "step-000000010"
    index = (save / "state.index").read_bytes()
    for name, content in (("state.index", index[:40]), ("state.json", b"{"), ("state.json", b"[]")):
        before = (save / name).read_bytes()
        (save / name).write_bytes(content)
        with pytest.raises(InputError, match=f"damaged.*delete {stopped.resolve()} to start over, or"):
            training.train(corpus, stopped, config, **QUICK)
        (save / name).write_bytes(before)


def test_a_run_with_another_text_does_not_resume(stopped, config, tmp_path):
    other = small.corpus(tmp_path / "other", seed=9)
    with pytest.raises(InputError, match="the saved progress used corpus"):
        training.train(other, stopped, config, **QUICK)


def test_16_bits_resume_too(corpus, config, tmp_path, killed_at, monkeypatch):
    quick = QUICK | {"precision": "float16", "steps": 8, "save_every": 4}  # float16: the scale of the loss is kept too
    whole = training.train(corpus, tmp_path / "whole", config, **quick)
    killed_at(6)
    with pytest.raises(KeyboardInterrupt):
        training.train(corpus, tmp_path / "run", config, **quick)
    monkeypatch.undo()
    again = training.train(corpus, tmp_path / "run", config, **quick)
    assert whole["precision"] == "float16" and curve(again["history"]) == curve(whole["history"])
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_a_full_disk_is_reported_and_the_last_save_stays(stopped, corpus, config, monkeypatch):
    before = files(stopped)

    def full(*_):
        raise tensorflow().errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(google_format, "write", full)
    with pytest.raises(InputError, match="could not be written .No space left on device.: free disk space"):
        training.train(corpus, stopped, config, **QUICK)
    assert files(stopped) == before and not (stopped / ".writing").exists()


def test_killed_at_the_very_end_it_only_finishes(run, corpus, config, tmp_path, monkeypatch):
    folder, report = run

    def killed(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(training.Progress, "delete", killed)
    with pytest.raises(KeyboardInterrupt):
        training.train(corpus, tmp_path / "run", config, **QUICK)
    monkeypatch.undo()
    again = training.train(corpus, tmp_path / "run", config, **QUICK)
    assert curve(again["history"]) == curve(report["history"]) and again["tokens"] == report["tokens"]
    assert files(tmp_path / "run") == files(folder) and not (tmp_path / "run" / "progress").exists()
