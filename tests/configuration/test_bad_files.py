"""Invalid configuration files: one sentence with file and line. The messages are those of the table in the guide."""

import re
from pathlib import Path

import pytest

from kbert_tasks.cli import train

from .bad_files import BAD

DOCS = Path(__file__).parents[2] / "docs"


def table(page):
    """[(what is wrong, message)] of the table in the guide."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^\| ([^|]+) \| .* \| `(run\.(?:yaml|json|toml)[^`]*)` \|$", text, re.M)


MESSAGES = dict(table("configuration.md"))


def test_the_table_in_the_guide_lists_each_file_in_both_languages():
    assert [what for what, _ in table("configuration.md")] == [*BAD] and len(BAD) >= 20
    assert [message for _, message in table("configuration.zh.md")] == [*MESSAGES.values()]


@pytest.mark.parametrize("what", BAD)
def test_invalid_file_is_explained_in_one_sentence(what, tmp_path, monkeypatch, capsys):
    name, content = BAD[what]
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert train(["--config", name, "--print-config"]) == 2
    assert capsys.readouterr() == ("", f"kbert-train: {MESSAGES[what]}\n")


def test_file_that_does_not_exist(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    for name, found in (("run.yaml", "does not exist"), ("run", "is a folder")):
        assert train(["--config", name]) == 2
        assert capsys.readouterr().err == f"kbert-train: {name} {found}: give a configuration file, such as run.yaml\n"


@pytest.mark.parametrize("name", ["run.json", "run.yaml"])
def test_thousands_of_brackets_are_an_error(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text('{"epochs": ' + "[" * 50_000)
    assert train(["--config", name]) == 2
    assert f"{name}, line 1 is " in capsys.readouterr().err
