"""run.yaml in saved folders: it repeats a run of kbert-train exactly, and reports what has changed."""

import json
import logging

import pytest
import yaml

import kbert_tasks as kb
from kbert_tasks.cli import train
from kbert_tasks.data import sources

ROWS = "text,label\n" + "".join(f"房间很干净{n},好\n太吵了{n},坏\n" for n in range(10))
QUICK = {"epochs": 1, "max_length": 16, "precision": "float32", "validation_split": 0.2, "baseline": False}


@pytest.fixture(scope="module")
def first(checkpoint, tmp_path_factory):
    """Folder with data files and the saved folder `run` of a command with two seeds."""
    folder = tmp_path_factory.mktemp("first")
    for name in ("train.csv", "test.csv"):
        (folder / name).write_text(ROWS, encoding="utf-8")
    words = ["--checkpoint", checkpoint, "--train", folder / "train.csv", "--test", folder / "test.csv", "--seeds", "2"]
    words += ["--output", folder / "run", "--seed", "5", "--no-baseline", "--precision", "float32"]
    assert train([*map(str, words), "--epochs", "1", "--max-length", "16", "--validation-split", "0.2"]) == 0
    return folder


def recorded(folder):
    return yaml.safe_load((folder / "run.yaml").read_text(encoding="utf-8"))


def test_run_yaml_contains_the_options_as_requested(first, checkpoint):
    run = recorded(first / "run")
    assert run["task"] == "classify" and run["checkpoint"] == checkpoint and run["train"] == str(first / "train.csv")
    assert (run["seed"], run["seeds"], run["epochs"], run["learning_rate"]) == (5, 2, 1, "auto")
    assert "output" not in run and "dev" not in run and "in_memory" not in run
    assert run["checksums"].keys() == {"checkpoint", "train", "test"}
    assert {"tensorflow", "kbert-tasks"} <= run["versions"].keys()
    assert "learning_rate: auto  # 0.0004: " in (first / "run" / "run.yaml").read_text(encoding="utf-8")


def test_repeated_run_gives_identical_scores(first, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    assert train(["--config", str(first / "run" / "run.yaml"), "--output", str(tmp_path / "again")]) == 0
    assert "has changed" not in caplog.text and "other versions" not in caplog.text
    one, two = (json.loads((each / "report.json").read_text()) for each in (first / "run", tmp_path / "again"))
    for name in ("scores", "seeds", "settings", "run"):
        assert one[name] == two[name], name
    assert [epoch["loss"] for epoch in one["history"]] == [epoch["loss"] for epoch in two["history"]]
    for name in ("run.yaml", "model.safetensors", "answers.jsonl"):
        assert (first / "run" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def stopped(monkeypatch):
    """Ends a command before the training."""

    def stop(*_, **__):
        raise kb.InputError("stopped")

    monkeypatch.setattr("kbert_tasks.cli.fit._trained", stop)


def test_changes_are_reported(first, tmp_path, monkeypatch, caplog):
    stopped(monkeypatch)
    text = (first / "run" / "run.yaml").read_text(encoding="utf-8")
    run = recorded(first / "run")
    (tmp_path / "train.csv").write_text(ROWS + "新的,好\n", encoding="utf-8")
    text = text.replace(str(first / "train.csv"), "train.csv").replace(run["checksums"]["checkpoint"], "0" * 64)
    text = text.replace(f"tensorflow: {run['versions']['tensorflow']}", "tensorflow: 1.0.0")
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    config = ["--config", str(tmp_path / "run.yaml"), "--output", str(tmp_path / "again")]
    assert train(config) == 2
    changed = f"has changed since {tmp_path / 'run.yaml'} was written, so scores can differ"
    assert f"{tmp_path / 'train.csv'} {changed}" in caplog.text and f"checkpoint uncased_tiny {changed}" in caplog.text
    assert f"test.csv {changed}" not in caplog.text
    assert "so scores can differ slightly: tensorflow " in caplog.text
    caplog.clear()
    assert train([*config, "--train", str(tmp_path / "train.csv")]) == 2  # a file of the command line is not compared
    assert f"train.csv {changed}" not in caplog.text


def test_missing_file_is_an_error_with_its_line(first, tmp_path, capsys):
    text = (first / "run" / "run.yaml").read_text(encoding="utf-8").replace("test.csv", "gone.csv")
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    line = [each.startswith("test: ") for each in text.split("\n")].index(True) + 1
    assert train(["--config", str(tmp_path / "run.yaml")]) == 2
    assert f"run.yaml, line {line}: the file {first / 'gone.csv'} does not exist" in capsys.readouterr().err


def fit(checkpoint, *arguments, **more):
    return kb.TextClassifier(checkpoint, **QUICK).fit(*arguments, **more)


def test_run_in_python_records_files_and_rows_in_memory(first, checkpoint, tmp_path, monkeypatch, capsys):
    file = first / "train.csv"
    task = fit(checkpoint, kb.read(file), dev=kb.read(first / "test.csv").head(10))
    task.save(tmp_path / "run")
    run = recorded(tmp_path / "run")
    assert run["train"] == str(file) and run["in_memory"] == ["dev"] and "dev" not in run
    assert run["checksums"]["train"] == recorded(first / "run")["checksums"]["train"]
    assert train(["--config", str(tmp_path / "run" / "run.yaml")]) == 2
    assert "the run had its dev data in memory" in capsys.readouterr().err
    stopped(monkeypatch)
    words = ["--dev", str(first / "test.csv"), "--output", str(tmp_path / "again")]
    assert train(["--config", str(tmp_path / "run" / "run.yaml"), *words]) == 2
    assert capsys.readouterr().err.endswith("kbert-train: stopped\n")
    kb.load(tmp_path / "run").save(tmp_path / "copy")  # keeps the record
    assert recorded(tmp_path / "copy") == run


def test_source_of_rows(first, tmp_path):
    file = first / "train.csv"
    table = kb.read(file)
    assert sources.source_of(table) == sources.source_of(str(file)) == sources.source_of(file)
    assert sources.source_of(table.copy()) == sources.Source.of(file)
    assert sources.source_of(table.head(3)) is None and sources.source_of(table, ["好"] * 20) is None
    assert sources.source_of(["a"]) is sources.source_of(None) is None
    assert sources.Source.of_all([file]).sha256 == sources.Source.of(file).sha256
    together = sources.Source.of_all([file, first / "test.csv"])
    assert together.file == f"{file}, {first / 'test.csv'}" and together.sha256 != sources.Source.of(file).sha256
    table.loc[3, "text"] = "另一句"
    assert sources.source_of(table) is None
    (tmp_path / "big5.csv").write_bytes("房間,好\n太吵,壞\n".encode("big5"))
    options = {"header": False, "encoding": "big5"}
    assert sources.source_of(kb.read(tmp_path / "big5.csv", **options)).options == options
    (tmp_path / "half.jsonl").write_text('{"text": "\\ud83d", "spo_list": [{"subject": "a"}]}\n')
    assert sources.source_of(kb.read(tmp_path / "half.jsonl"))
