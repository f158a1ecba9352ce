"""The command kbert-pretrain: from text to a checkpoint, and bad input is reported in one sentence."""

import json
import subprocess
import sys

import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.checkpoint.checkpoint import Checkpoint
from kbert_tasks.pretraining import training
from kbert_tasks.text.tokenizer import read_vocabulary

from . import small
from .small import curve, files

QUICK = "--steps 6 --save-every 4 --batch-size 4 --max-length 32 --held-out 0.1 --precision float32".split()


def run(*arguments):
    return cli.pretrain([str(word) for word in arguments])


@pytest.fixture(scope="module")
def work_folder(tmp_path_factory):
    """A folder with a text, its vocabulary, its corpus, a config and a checkpoint trained on the text."""
    folder = tmp_path_factory.mktemp("made")
    text = small.text(folder)
    small.config(folder, num_hidden_layers=1)
    assert run("vocab", "--text", text, "--size", 200, "--unused", 5, "--output", folder / "vocab.txt") == 0
    data = ["--text", text, "--vocab", folder / "vocab.txt"]
    assert run("data", *data, "--output", folder / "data", "--held-out", "0.1") == 0
    assert run("train", *data, "--config", folder / "bert_config.json", "--output", folder / "run", *QUICK) == 0
    return folder


def read_report(folder):
    report = json.loads((folder / "pretraining.json").read_text(encoding="utf-8"))
    return report


def test_from_text_to_a_checkpoint(work_folder):
    checkpoint = Checkpoint.open(work_folder / "run")
    vocabulary = read_vocabulary(work_folder / "vocab.txt")
    assert checkpoint.vocabulary == vocabulary and not checkpoint.cased and "房" in vocabulary
    assert len(kb.fill_mask(work_folder / "run", "房[MASK]很干净")[0]) == 5
    assert read_report(work_folder / "run")["step"] == 6 and (work_folder / "run" / "data" / "manifest.json").is_file()


def test_prepared_data_and_text_give_the_same_checkpoint(work_folder, tmp_path, capsys):
    quick = [word for word in QUICK if word not in ("--held-out", "0.1")]
    arguments = [
        "--data",
        work_folder / "data",
        "--config",
        work_folder / "bert_config.json",
        "--output",
        tmp_path / "run",
        *quick,
    ]
    assert run("train", *arguments) == 0
    assert files(tmp_path / "run") == files(work_folder / "run") and not (tmp_path / "run" / "data").exists()
    out = capsys.readouterr().out
    assert "held-out text: masked words loss" in out and f"saved in {tmp_path / 'run'}" in out


def test_the_same_command_resumes_after_a_kill(work_folder, tmp_path, monkeypatch):
    original = training.Saves.on_train_batch_end

    def stop(self, batch, logs=None):
        original(self, batch, logs)
        if self.step + batch + 1 == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(training.Saves, "on_train_batch_end", stop)
    data = [
        "--text",
        work_folder / "text.txt",
        "--vocab",
        work_folder / "vocab.txt",
        "--config",
        work_folder / "bert_config.json",
    ]
    arguments = ["train", *data, "--output", tmp_path / "run", *QUICK]
    assert run(*arguments) == 130
    monkeypatch.undo()
    assert (tmp_path / "run" / "progress" / "step-000000004").is_dir()
    assert run(*arguments) == 0
    assert files(tmp_path / "run") == files(work_folder / "run")
    logs = [(each / "log.csv").read_text().splitlines() for each in (tmp_path / "run", work_folder / "run")]
    assert len(logs[0]) == len(logs[1]) == 4
    assert read_report(tmp_path / "run")["tokens"] == read_report(work_folder / "run")["tokens"]
    assert curve([read_report(tmp_path / "run")["corpus"]]) == curve([read_report(work_folder / "run")["corpus"]])


def test_training_continues_from_a_checkpoint_with_new_words(work_folder, tmp_path, capsys):
    (tmp_path / "more.txt").write_text("早餐 zebra 不错\n\n房间 zebra 干净\n" * 30, encoding="utf-8")
    extended = tmp_path / "vocab.txt"
    assert run("vocab", "--text", tmp_path / "more.txt", "--extend", work_folder / "run", "--output", extended) == 0
    assert "zebra" in read_vocabulary(extended) and "slots filled" in capsys.readouterr().out
    arguments = [
        "--text",
        tmp_path / "more.txt",
        "--checkpoint",
        work_folder / "run",
        "--output",
        tmp_path / "run",
        *QUICK,
    ]
    assert run("train", *arguments, "--vocab", extended) == 0
    start = read_report(tmp_path / "run")["start"]
    assert start["checkpoint"] == "run" and "zebra" in start["new_tokens"] and start["drawn"] == []
    assert (
        run("train", *arguments[: -len(QUICK) - 1], tmp_path / "plain", *QUICK, "--steps", "1") == 0
    )  # with the vocabulary of the checkpoint
    assert Checkpoint.open(tmp_path / "plain").vocabulary == Checkpoint.open(work_folder / "run").vocabulary


def test_cased_vocabulary_gives_a_cased_checkpoint(work_folder, tmp_path):
    (tmp_path / "a.txt").write_text("The Room was Clean\nNice\n\nFood is Bad\nVery Bad\n" * 40, encoding="utf-8")
    text = ["--text", tmp_path / "a.txt"]
    assert run("vocab", *text, "--size", 260, "--unused", 2, "--cased", "--output", tmp_path / "v.txt") == 0
    arguments = [
        *text,
        "--vocab",
        tmp_path / "v.txt",
        "--config",
        work_folder / "bert_config.json",
        *QUICK,
        "--steps",
        "1",
    ]
    assert run("train", *arguments, "--output", tmp_path / "run") == 0
    assert Checkpoint.open(tmp_path / "run").cased
    assert json.loads((tmp_path / "run" / "bert_config.json").read_text())["do_lower_case"] is False


BAD_ARGUMENTS = {
    "": "a command is missing: vocab, data or train",
    "vocab --text T": "--output",
    "vocab --text T --output V": "already exists and is not overwritten",
    "vocab --text T --output none/v.txt": "there is no folder none",
    "vocab --text T --output new --size 9": "size is 9",
    "vocab --text T --output new --size 0": "size should be at least 1",
    "vocab --text T --output new --extend R --size 300": "--size has no effect with --extend",
    "vocab --text T --output new --most 3": "--most has no effect without --extend",
    "vocab --text none.txt --output new --size 300": "none.txt does not exist",
    "data --text T --vocab none --output new": "none does not exist: give a vocab.txt",
    "data --text T --vocab V --output D": "already exists",
    "data --text T --vocab V --output new --held-out 1": "held_out should be below 1",
    "train --output new": "the training text is missing: give either --text FILES, or --data DIR",
    "train --text T --data D --output new": "the training text is missing",
    "train --text T --output new --config C --max-length 64": "--vocab is required",
    "train --text T --vocab V --output new": "give either a config",
    "train --text T --vocab V --output new --config huge": "config should be one of",
    "train --data none --output new --config C --max-length 64": "none is not a prepared corpus",
    "train --data D --vocab V --output new --config C": "--vocab cannot be used with --data",
    "train --data D --held-out 0.2 --output new --config C": "--held-out has no effect with --data",
    "train --data D --output new": "give either a config",
    "train --data D --output new --config C --checkpoint R": "not both",
    "train --data D --output new --config huge": "config should be one of tiny, mini, small, medium, base",
    "train --data D --output new --config C --max-length 600": "at most the model's 64 positions",
    "train --data D --output new --checkpoint none": "none",
    "train --text T --vocab V --output new --config C --max-length 65": "at most the model's 64 positions, not 65",
    "train --text T --output new --checkpoint R --max-length 65": "at most the model's 64 positions, not 65",
    "train --text T --vocab V --output new --config C --steps 5 --warmup-steps 6": "at most the 5 steps",
    "train --output new --checkpoint none": "the training text is missing",
    "train --text T --output new --config C --checkpoint none": "not both",
    "train --text T --output new --checkpoint none --held-out 1": "held_out should be below 1",
    "train --data D --whole-word-mask --output new --config C --max-length 64": "prepare the text again with --whole-word-mask",
    "train --data D --output R --config C": "contains a finished checkpoint",
    "train --data D --output new --config C --steps x": "invalid int value",
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS)
def test_bad_arguments_are_reported_in_one_sentence_and_nothing_is_written(
    work_folder, tmp_path, monkeypatch, capsys, arguments
):
    monkeypatch.chdir(tmp_path)
    paths = {"T": "text.txt", "V": "vocab.txt", "D": "data", "R": "run", "C": "bert_config.json"}
    before = sorted(work_folder.rglob("*"))
    assert run(*(work_folder / paths[word] if word in paths else word for word in arguments.split())) == 2
    error = capsys.readouterr().err
    assert error.startswith("kbert-pretrain: ") and error.count("\n") == 1 and BAD_ARGUMENTS[arguments] in error
    assert not list(tmp_path.iterdir()) and sorted(work_folder.rglob("*")) == before


def test_changed_text_does_not_use_the_old_data(work_folder, tmp_path, monkeypatch, capsys):
    def killed(*_, **settings):
        raise KeyboardInterrupt

    text = tmp_path / "text.txt"
    text.write_bytes((work_folder / "text.txt").read_bytes())
    options = ["--vocab", work_folder / "vocab.txt", "--config", work_folder / "bert_config.json"]
    arguments = ["train", "--text", text, *options, "--output", tmp_path / "run", *QUICK]
    monkeypatch.setattr(training, "train", killed)
    assert run(*arguments) == 130 and (tmp_path / "run" / "data").is_dir()
    text.write_text("another text\n\nand one more\n", encoding="utf-8")
    capsys.readouterr()
    assert run(*arguments) == 2
    assert "was prepared with different sources: use the same values as before" in capsys.readouterr().err


def test_help_does_not_import_tensorflow():
    program = "import sys; from kbert_tasks import cli; cli.pretrain(['--help'])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert all(word in shown.stdout for word in ("vocab", "data", "train")) and not shown.stderr
    check = "import sys; from kbert_tasks.cli import pretraining; assert 'tensorflow' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
