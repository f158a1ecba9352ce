"""kbert-search and kb.search with real trainings: the files, one look at the test rows, resuming, and messages."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import kbert_tasks as kb
from kbert_tasks.cli import search, train
from kbert_tasks.tasks.base import Task

optuna = pytest.importorskip("optuna")
ROWS = "text,label\n" + "".join(f"房间很干净{n},好\n太吵了{n},坏\n" for n in range(20))
SPACE = "learning_rate: {low: 1e-4, high: 1e-2, log: true}\nbatch_size: [8, 16, 32]\ndropout: {low: 0, high: 0.3}\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with train.csv, test.csv and space.yaml."""
    folder = tmp_path_factory.mktemp("data")
    for name, text in (("train.csv", ROWS), ("test.csv", ROWS), ("space.yaml", SPACE)):
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def words(data, checkpoint, output, *more):
    given = ["--checkpoint", checkpoint, "--train", data / "train.csv", "--test", data / "test.csv", "--output", output]
    given += [
        "--space",
        data / "space.yaml",
        "--epochs",
        2,
        "--max-length",
        16,
        "--precision",
        "float32",
        "--no-baseline",
    ]
    return [str(each) for each in [*given, "--no-pruning", *more]]


@contextlib.contextmanager
def counted(method="evaluate"):
    """Counts the calls of a method of all tasks in the block."""
    calls, original = [], getattr(Task, method)

    def run(self, *arguments, **more):
        calls.append(self.settings)
        return original(self, *arguments, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Task, method, run)
        yield calls


@pytest.fixture(scope="module")
def searched(data, checkpoint, tmp_path_factory):
    """(folder of a search with three trials, number of evaluations on the test rows)."""
    folder = tmp_path_factory.mktemp("searched") / "search"
    with counted() as calls:
        assert search(words(data, checkpoint, folder, "--trials", 3)) == 0
    return folder, len(calls)


def trials(folder):
    with open(folder / "trials.csv", encoding="utf-8") as stream:
        return [*csv.DictReader(stream)]


def report(folder):
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_search_tests_only_the_best_setting(searched):
    folder, evaluated = searched
    rows = trials(folder)
    assert evaluated == 1 and [row["state"] for row in rows] == ["complete"] * 3
    assert rows[0]["note"] == "automatic settings" and rows[0]["batch_size"] == "32" and rows[0]["dropout"] == "0.1"
    best = max(rows, key=lambda row: float(row["dev"]))
    saved = report(folder / "best")
    assert saved["scores"]["dev"]["accuracy"] == pytest.approx(float(best["dev"]), abs=1e-6)
    assert saved["scores"]["test"].keys() >= {"accuracy"} and saved["command"].startswith("kbert-search ")
    assert kb.load(folder / "best").predict(["房间很干净"])[0].label in ("好", "坏")
    assert {each.name for each in folder.iterdir()} == {"study.db", "trials.csv", "search.html", "run.yaml", "best"}


def test_run_yaml_has_the_best_setting(searched, tmp_path):
    folder, _ = searched
    ours, saved = (yaml.safe_load((each / "run.yaml").read_text("utf-8")) for each in (folder, folder / "best"))
    assert ours == saved and ours["epochs"] == 2 and ours["checksums"].keys() == {"checkpoint", "train", "test"}
    assert ours["validation_split"] == 0.1  # 40 rows are too few for a training to hold some out on its own
    assert train(["--config", str(folder / "run.yaml"), "--output", str(tmp_path / "again")]) == 0
    assert report(tmp_path / "again")["scores"] == report(folder / "best")["scores"]


def test_same_command_trains_and_tests_nothing_again(searched, data, checkpoint, capsys):
    folder, _ = searched
    with counted("fit") as fits:
        assert search(words(data, checkpoint, folder, "--trials", 3)) == 0
    assert not fits and "the best setting was already trained and tested" in capsys.readouterr().out


def test_search_with_other_settings_or_rows_is_refused(searched, data, checkpoint, tmp_path, capsys):
    folder, _ = searched
    assert search(words(data, checkpoint, folder, "--weight-decay", 0.5)) == 2
    assert "contains a search with other values of weight_decay: use the same files and" in capsys.readouterr().err
    (tmp_path / "train.csv").write_text(ROWS + "新的,好\n" * 9, encoding="utf-8")
    assert search(words(data, checkpoint, folder, "--train", tmp_path / "train.csv")) == 2
    assert "other values of training rows" in capsys.readouterr().err


def test_search_that_failed_at_once_can_be_started_with_other_settings(data, checkpoint, tmp_path, capsys, caplog):
    task = kb.TextClassifier(checkpoint, epochs=1, max_length=16, precision="float32", learning_rate=1.0)
    more = {"folder": tmp_path, "space": {"dropout": [0.0, 0.1]}, "trials": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Task, "fit", lambda *_, **__: (_ for _ in ()).throw(kb.InputError("failed")))
        with pytest.raises(kb.InputError, match="failed"):
            kb.search(task, data / "train.csv", **more)
    assert "starting over" not in caplog.text
    kb.search(task.set_params(learning_rate=1e-3), data / "train.csv", **more)
    assert "starting over" in caplog.text and trials(tmp_path)[0]["state"] == "complete"


def test_interrupted_search_resumes_within_a_trial(searched, data, checkpoint, tmp_path, monkeypatch, capsys):
    from kbert_tasks.searching.trial import Pruning

    original, epochs = Pruning.on_epoch_end, []

    def interrupted(self, epoch, logs=None):
        original(self, epoch, logs)
        epochs.append(epoch)
        if len(epochs) == 4:  # the second epoch of the second trial
            raise KeyboardInterrupt

    monkeypatch.setattr(Pruning, "on_epoch_end", interrupted)
    command = words(data, checkpoint, tmp_path / "search", "--trials", 3)
    assert search(command) == 130
    assert "run the same command again to resume" in capsys.readouterr().err
    assert (tmp_path / "search" / "search.html").is_file() and not (tmp_path / "search" / "best").exists()
    assert search(command) == 0
    assert len(epochs) == 7  # the first epoch of the second trial is not repeated
    names = ("state", "dev", "best_epoch", "learning_rate", "batch_size", "dropout")
    again, whole = trials(tmp_path / "search"), trials(searched[0])
    assert sorted([row[name] for name in names] for row in again) == sorted(
        [row[name] for name in names] for row in whole
    )
    assert [row["note"] for row in again] == ["automatic settings", "continues trial 1", ""]
    assert not [*(tmp_path / "search").glob("trial-*")]


def test_failed_trials_are_listed_with_the_reason(checkpoint, data, tmp_path):
    space = {"window_overlap": [2, 4]}  # needs another truncation
    task = kb.TextClassifier(checkpoint, epochs=1, max_length=16, precision="float32")
    made = kb.search(task, data / "train.csv", test=data / "test.csv", folder=tmp_path, space=space, trials=2)
    assert made.report_["search"] == {"trials": 2, "best": 0, "values": {}} and "test" in made.report_["scores"]
    first, second = trials(tmp_path)
    assert first["state"] == "complete" and second["state"] == "failed" and second["dev"] == ""
    assert second["note"].startswith("window_overlap needs truncation='windows'")
    made.save(tmp_path / "best")
    assert yaml.safe_load((tmp_path / "best" / "run.yaml").read_text("utf-8"))["train"] == str(data / "train.csv")


def test_study_that_cannot_be_written_is_an_error(checkpoint, data, tmp_path, monkeypatch):
    def full(*_):
        raise optuna.exceptions.StorageInternalError("database or disk is full")

    monkeypatch.setattr("kbert_tasks.searching.trial.run_trial", full)
    task = kb.TextClassifier(checkpoint, max_length=16)
    with pytest.raises(
        kb.InputError, match=r"study.db cannot be written \(database or disk is full\): free disk space"
    ):
        kb.search(task, data / "train.csv", folder=tmp_path)


def refused(capsys, *given):
    assert search([str(each) for each in given]) == 2
    return capsys.readouterr().err


def test_search_without_development_rows_is_an_error(data, checkpoint, tmp_path, capsys):
    given = words(data, checkpoint, tmp_path / "search")
    assert "but there are no development rows: give a" in refused(capsys, *given, "--validation-split", 0)
    assert not (tmp_path / "search").exists()


def test_impossible_options_are_errors(data, checkpoint, tmp_path, capsys, monkeypatch):
    given = words(data, checkpoint, tmp_path / "search")
    assert "dropout is in the space and has a fixed value too" in refused(capsys, *given, "--dropout", 0.1)
    assert "trials should be above 0, not 0" in refused(capsys, *given, "--trials", 0)
    assert "minutes should be above 0, not nan" in refused(capsys, *given, "--minutes", "nan")
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}')
    assert "a search trains on one machine: unset TF_CONFIG" in refused(capsys, *given)
    monkeypatch.delenv("TF_CONFIG")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "kbert-search needs the package optuna: pip install 'kbert-tasks[search]'" in refused(capsys, *given)


def test_printed_space_leaves_out_given_settings(data, checkpoint, tmp_path, capsys):
    given = [
        "--checkpoint",
        checkpoint,
        "--train",
        data / "train.csv",
        "--output",
        tmp_path / "search",
        "--print-space",
        "--max-length",
        16,
    ]
    (tmp_path / "run.yaml").write_text("batch_size: 32\ndropout: 0.2\n", encoding="utf-8")  # the first is the default
    assert search([str(each) for each in [*given, "--epochs", 3, "--config", tmp_path / "run.yaml"]]) == 0
    space = yaml.safe_load(capsys.readouterr().out)
    assert space["batch_size"] == [16, 32, 64] and space["pooling"] and not {"epochs", "dropout"} & space.keys()
    assert not (tmp_path / "search").exists()


def process(arguments):
    code = "import sys; from kbert_tasks.cli import search; sys.exit(search(sys.argv[1:]))"
    environment = os.environ | {"PYTHONPATH": str(Path(kb.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_killed_search_resumes(data, checkpoint, tmp_path):
    folder = tmp_path / "search"
    killed = process(words(data, checkpoint, folder, "--trials", 40))
    until = time.monotonic() + 300
    while not ((folder / "trials.csv").is_file() and len(trials(folder)) >= 2):
        assert killed.poll() is None and time.monotonic() < until
        time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    before = len(trials(folder))
    assert search(words(data, checkpoint, folder, "--trials", before + 2)) == 0
    rows = trials(folder)
    assert len(rows) == before + 2 and {row["state"] for row in rows} == {"complete"}
    assert "test" in report(folder / "best")["scores"]


@pytest.mark.slow
def test_two_processes_share_a_study(data, checkpoint, tmp_path):
    folder = tmp_path / "search"
    both = [process(words(data, checkpoint, folder, "--trials", 6)) for _ in range(2)]
    outputs = [each.communicate(timeout=600)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0]
    rows = trials(folder)
    assert len(rows) == 6 and {row["state"] for row in rows} == {"complete"}
    assert len({row["learning_rate"] for row in rows}) == 6
    trained = [output for output in outputs if "saved in" in output]
    assert len(trained) == 1 and report(folder / "best")["scores"].keys() == {"dev", "test"}
