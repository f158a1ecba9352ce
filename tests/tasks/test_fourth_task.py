"""The example tasks of the guide pass the contract tests and train from the command line in a copy of the package."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kbert_tasks as kb

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples"
NEEDED = ("__init__.py", "conftest.py", "tiny.py", "tasks/__init__.py", "tasks/test_contract.py")


NAMES = "rating", "tagging"


@pytest.fixture
def load_example(monkeypatch):
    """A function that loads the class of an example by its name, as if it were a task of the package."""

    def find(task):
        name = f"kbert_tasks.tasks.{task}.task"
        spec = importlib.util.spec_from_file_location(name, EXAMPLE / task / "task.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module.TASK

    return find


def test_rating_is_trained_scored_and_predicted(load_example, checkpoint):
    rater = load_example("rating")
    train, test = (kb.read(EXAMPLE / f"rating.zh.{part}.csv") for part in ("train", "test"))
    task = rater(checkpoint, epochs=1, max_length=32, tolerance=1).fit(train)
    report = task.evaluate(test)
    assert {"closeness", "mean_absolute_error", "accuracy", "spearman"} == report.scores.keys()
    assert all(task.lowest_ <= each.rating <= task.highest_ for each in task.predict(test))
    with pytest.raises(kb.InputError, match="row 2: the rating should be a number, not '很差'"):
        task.examples([{"text": "好", "rating": "5"}, {"text": "坏", "rating": "很差"}])


def test_tags_are_trained_scored_and_predicted(load_example, checkpoint):
    tagger = load_example("tagging")
    train, test = (kb.read(EXAMPLE / f"tagging.zh.{part}.csv") for part in ("train", "test"))
    task = tagger(checkpoint, epochs=2, max_length=32).fit(train)
    assert {"f1", "accuracy"} == task.evaluate(test).scores.keys()
    texts = [*test["text"], "红 烧\n肉"]
    for text, answer in zip(texts, task.predict(texts), strict=True):
        assert len(answer.tags) == len(text) and 0 < answer.probability <= 1
    assert task.predict(["红 烧\n肉"])[0].tags[1] == "O"  # white space has no token
    with pytest.raises(kb.InputError, match="row 1: a text of 1 characters needs as many tags, not 2: 'BI'"):
        task.examples([{"text": "好", "tags": "BI"}])


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A folder with the package, the contract tests and the example's files, added as the guide says."""
    folder = tmp_path_factory.mktemp("fourth")
    package = folder / "kbert_tasks"
    shutil.copytree(Path(kb.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for task in NAMES:
        shutil.copytree(EXAMPLE / task, package / "tasks" / task)
        for sample in EXAMPLE.glob(f"{task}.*.csv"):
            shutil.copy(sample, package / "samples")
    for name in NEEDED:
        (folder / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / name, folder / "tests" / name)
    return folder


def run(copy, *arguments):
    """Runs Python in that folder with its package instead of the installed one; returns the finished process."""
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONUTF8": "1"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("task", NAMES)
def test_example_passes_the_contract_tests(copy, task):
    arguments = "-m pytest -q -n 0 -p no:cacheprovider tests/tasks/test_contract.py".split()
    result = run(copy, *arguments, "-m", "", "-k", task)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout and "skipped" not in result.stdout


@pytest.mark.slow
def test_example_trains_from_the_command_line(copy, checkpoint, tmp_path):
    program = "import sys; from kbert_tasks.cli import train; sys.exit(train(sys.argv[1:]))"
    samples = [copy / "kbert_tasks" / "samples" / f"rating.zh.{part}.csv" for part in ("train", "test")]
    files = ["--train", samples[0], "--test", samples[1], "--output", tmp_path / "run"]
    arguments = [
        "--task",
        "rating",
        "--checkpoint",
        checkpoint,
        "--epochs",
        "2",
        "--max-length",
        "32",
        "--tolerance",
        "1",
    ]
    result = run(copy, "-c", program, *arguments, *files)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["task"] == "rating" and report["settings"]["tolerance"] == 1
    assert report["examples"]["test"] == {"read": 10, "used": 10, "skipped": {}, "notes": {}}
    assert {"closeness", "mean_absolute_error", "accuracy", "spearman"} == report["scores"]["test"].keys()
    assert "<h1" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_rating_that_is_not_a_number_is_reported_with_its_row(copy, checkpoint, tmp_path):
    (tmp_path / "train.csv").write_text("text,rating\n好,5\n坏,很差\n", encoding="utf-8")
    program = "import sys; from kbert_tasks.cli import train; sys.exit(train(sys.argv[1:]))"
    arguments = [
        "--task",
        "rating",
        "--checkpoint",
        checkpoint,
        "--train",
        tmp_path / "train.csv",
        "--output",
        tmp_path / "r",
    ]
    result = run(copy, "-c", program, *arguments)
    assert result.returncode == 2
    assert result.stderr.strip().endswith("row 2: the rating should be a number, not '很差'")
