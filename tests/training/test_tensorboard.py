"""The TensorBoard log of a training: it contains each epoch of the history once, even if the run was stopped."""

import shutil
import sys

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks.tasks import find, names
from kbert_tasks.training.tensorboard import scalars

from .test_resume import SETTINGS, Stopped, rows, stop_after  # noqa: F401


def logs(folder):
    """Returns {name of the folder of a training: {tag: [(epoch, value)]}}."""
    found = {}
    for path in sorted(folder.iterdir()):
        for step, tag, value in scalars(path):
            found.setdefault(path.name, {}).setdefault(tag, []).append((step, value))
    return found


def expected(task):
    """Returns the scalars of the history of a task, in float32."""
    result = {}
    for entry in task.report_["history"]:
        parts = {f"train/loss_{name}": value for name, value in entry.get("losses", {}).items()}
        parts |= {f"dev/{name}": value for name, value in entry.get("dev", {}).items()}
        for tag, value in {"train/loss": entry["loss"], "train/seconds": entry["seconds"], **parts}.items():
            result.setdefault(tag, []).append((entry["epoch"], float(np.float32(value))))
    return result


@pytest.mark.parametrize("name", names())
def test_scalars_equal_the_history(name, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # the package tensorboard is not needed
    task = find(name)(checkpoint, **SETTINGS, tensorboard=str(tmp_path / "logs")).fit(rows(name))
    (found,) = logs(tmp_path / "logs").values()
    assert found == expected(task) and [step for step, _ in found["train/loss"]] == [1, 2, 3]
    assert {"classify": "dev/accuracy"}.get(name, "dev/f1") in found
    assert ("train/loss_pairs" in found) == (name == "relation")


@pytest.fixture(scope="module")
def logged(checkpoint, tmp_path_factory):
    """(task, log folder) of a training of one epoch."""
    folder = tmp_path_factory.mktemp("logged") / "logs"
    settings = SETTINGS | {"epochs": 1, "tensorboard": str(folder)}
    return kb.TextClassifier(checkpoint, **settings).fit(rows("classify")), folder


def test_log_does_not_change_the_training(checkpoint, logged):
    plain = kb.TextClassifier(checkpoint, **SETTINGS | {"epochs": 1}).fit(rows("classify"))
    for one, other in zip(plain.model.get_weights(), logged[0].model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def fit(checkpoint, tmp_path, folder, **more):
    task = kb.TextClassifier(checkpoint, **SETTINGS | more, tensorboard=str(tmp_path / folder))
    return task.fit(rows("classify"), resume_dir=tmp_path / "progress")


@pytest.mark.slow
def test_stopped_run_continues_its_log_or_starts_a_new_one(checkpoint, tmp_path, stop_after):  # noqa: F811
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

    task = fit(checkpoint, tmp_path / "copy", "other")  # contains all epochs, including the first ones
    (found,) = logs(tmp_path / "copy" / "other").values()
    assert [step for step, _ in found["train/loss"]] == [1, 2, 3] and found["train/loss"] == expected(task)[
        "train/loss"
    ]


def test_each_training_has_its_own_log(checkpoint, logged, tmp_path):
    shutil.copytree(logged[1], tmp_path, dirs_exist_ok=True)

    def run(**more):
        settings = SETTINGS | {"epochs": 1, "tensorboard": str(tmp_path)} | more
        return kb.TextClassifier(checkpoint, **settings).fit(rows("classify"))

    again = run()  # starts over, with a new log
    assert list(logs(tmp_path).values()) == [expected(again)]
    run(learning_rate=2e-3)
    run(seed=2)
    assert sorted(name[:6] for name in logs(tmp_path)) == ["seed-1", "seed-1", "seed-2"]


def test_truncated_log_is_read_up_to_the_damage(logged, tmp_path):
    shutil.copytree(logged[1], tmp_path, dirs_exist_ok=True)
    (file,) = tmp_path.glob("*/*")
    whole = list(scalars(file.parent))
    file.write_bytes(file.read_bytes()[:-5])
    assert list(scalars(file.parent)) == whole[:-1]


def test_folder_that_cannot_be_written_is_reported(checkpoint, tmp_path):
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(kb.InputError, match="tensorboard: .*logs/seed-1-.* cannot be written"):
        fit(checkpoint, tmp_path, "logs")
