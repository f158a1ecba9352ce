"""Commands with closed standard streams: an error if the result would be lost, otherwise they work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kbert_tasks import cli

ROOT = Path(__file__).parents[2]


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "texts.txt").write_text("房间很干净\n\n太吵\n", encoding="utf-8")
    return str(tmp_path / "texts.txt")


@pytest.mark.parametrize(
    "command, words, problem",
    [
        ("predict", ["RUN", "TEXTS"], "standard output is closed: keep it open"),
        ("evaluate", ["RUN", "TEXTS"], "standard output is closed: keep it open"),
        ("explain", ["RUN", "TEXT"], "standard output is closed: keep it open"),
        ("compare", ["RUN", "RUN"], "standard output is closed: keep it open"),
        ("checkpoint", ["list"], "standard output is closed: keep it open"),
    ],
)
def test_closed_standard_output_is_an_error(command, words, problem, monkeypatch, capsys):
    """The error comes before anything is read: the files in the command do not exist."""
    monkeypatch.setattr(sys, "stdout", None)
    assert getattr(cli, command)(words) == 2
    assert problem in capsys.readouterr().err


def test_closed_standard_input_is_an_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert cli.predict(["RUN"]) == 2
    assert capsys.readouterr().err == "kbert-predict: standard input is closed: give a file of texts\n"


def test_output_file_contains_only_the_answers(hotel, texts, tmp_path, monkeypatch):
    output = tmp_path / "answers.csv"
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.predict([str(hotel[1]), texts, "--output", str(output)]) == 0
    assert len(output.read_text(encoding="utf-8").splitlines()) == 4


def test_messages_are_not_printed_among_the_answers(hotel, texts, monkeypatch, capsys):
    """print(file=None) would write to standard output."""
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.predict([str(hotel[1]), texts]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 4 and "have no answer" not in out


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell closes the streams")
def test_closed_file_descriptors_are_replaced():
    """Otherwise printed text would be written to the next file that is opened."""
    script = (
        "import os, sys; from kbert_tasks import cli; assert cli.checkpoint(['--version-of-nothing']) == 2; "
        "file = open(os.devnull); assert file.fileno() > 2, file.fileno()"
    )
    subprocess.run(["sh", "-c", f'exec "{sys.executable}" -c "{script}" <&- >&- 2>&-'], cwd=ROOT, check=True)
