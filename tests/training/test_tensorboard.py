"""TensorBoard's log of a training: the history as scalars, each epoch once, whatever stopped the run."""

import shutil
import sys

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks.tasks import find, names
from kbert_tasks.training.tensorboard import scalars

from .test_resume import SETTINGS, Stopped, rows, stop_after  # noqa: F401


def logs(folder):
    """{name of a training's folder: {tag: [(epoch, value)]}}."""
    found = {}
    for path in sorted(folder.iterdir()):
        for step, tag, value in scalars(path):
            found.setdefault(path.name, {}).setdefault(tag, []).append((step, value))
    return found


def expected(task):
    """The scalars that a history makes, in float32."""
    made = {}
    for entry in task.report_["history"]:
        parts = {f"train/loss_{name}": value for name, value in entry.get("losses", {}).items()}
        parts |= {f"dev/{name}": value for name, value in entry.get("dev", {}).items()}
        for tag, value in {"train/loss": entry["loss"], "train/seconds": entry["seconds"], **parts}.items():
            made.setdefault(tag, []).append((entry["epoch"], float(np.float32(value))))
    return made


@pytest.mark.parametrize("name", names())
def test_the_scalars_are_the_history(name, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # the package is not needed
    task = find(name)(checkpoint, **SETTINGS, tensorboard=str(tmp_path / "logs")).fit(rows(name))
    (found,) = logs(tmp_path / "logs").values()
    assert found == expected(task) and [step for step, _ in found["train/loss"]] == [1, 2, 3]
    assert {"classify": "dev/accuracy"}.get(name, "dev/f1") in found
    assert ("train/loss_pairs" in found) == (name == "relation")


@pytest.fixture(scope="module")
def logged(checkpoint, tmp_path_factory):
    """(task, folder of its log): a training of one epoch."""
    folder = tmp_path_factory.mktemp("logged") / "logs"
    settings = SETTINGS | {"epochs": 1, "tensorboard": str(folder)}
    return kb.TextClassifier(checkpoint, **settings).fit(rows("classify")), folder


def test_the_log_changes_nothing_of_the_training(checkpoint, logged):
    plain = kb.TextClassifier(checkpoint, **SETTINGS | {"epochs": 1}).fit(rows("classify"))
    for one, other in zip(plain.model.get_weights(), logged[0].model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def fit(checkpoint, tmp_path, folder, **more):
    task = kb.TextClassifier(checkpoint, **SETTINGS | more, tensorboard=str(tmp_path / folder))
    return task.fit(rows("classify"), resume_dir=tmp_path / "progress")


def test_a_stopped_run_continues_its_log_or_starts_a_new_one(checkpoint, tmp_path, stop_after):  # noqa: F811
    for steps in (7, 11):  # in the second epoch, and in the third
        stop_after(steps)
        with pytest.raises(Stopped):
            fit(checkpoint, tmp_path, "logs")
    stop_after(None)
    shutil.copytree(tmp_path / "progress", tmp_path / "copy" / "progress")
    task = fit(checkpoint, tmp_path, "logs")
    (found,) = logs(tmp_path / "logs").values()
    without_times = {tag: values for tag, values in expected(task).items() if tag != "train/seconds"}
    assert {tag: found[tag] for tag in without_times} == without_times
    assert [step for step, _ in found["train/seconds"]] == [1, 2, 3]

    task = fit(checkpoint, tmp_path / "copy", "other")  # has all of it, the first epochs too
    (found,) = logs(tmp_path / "copy" / "other").values()
    assert [step for step, _ in found["train/loss"]] == [1, 2, 3] and found["train/loss"] == expected(task)[
        "train/loss"
    ]


def test_each_training_has_its_own(checkpoint, logged, tmp_path):
    shutil.copytree(logged[1], tmp_path, dirs_exist_ok=True)

    def run(**more):
        settings = SETTINGS | {"epochs": 1, "tensorboard": str(tmp_path)} | more
        return kb.TextClassifier(checkpoint, **settings).fit(rows("classify"))

    again = run()  # starts over, and so does its log
    assert list(logs(tmp_path).values()) == [expected(again)]
    run(learning_rate=2e-3)
    run(seed=2)
    assert sorted(name[:6] for name in logs(tmp_path)) == ["seed-1", "seed-1", "seed-2"]


def test_a_log_cut_short_is_read_as_far_as_it_goes(logged, tmp_path):
    shutil.copytree(logged[1], tmp_path, dirs_exist_ok=True)
    (file,) = tmp_path.glob("*/*")
    whole = list(scalars(file.parent))
    file.write_bytes(file.read_bytes()[:-5])
    assert list(scalars(file.parent)) == whole[:-1]


def test_a_folder_that_cannot_be_written(checkpoint, tmp_path):
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(kb.InputError, match="tensorboard: .*logs/seed-1-.* cannot be written"):
        fit(checkpoint, tmp_path, "logs")
