"""Writing report.html: with `kb.report`, and by kbert-train after it has saved a task."""

import shutil

import pytest

import kbert_tasks as kb
from kbert_tasks.reporting import writing
from kbert_tasks.saving.folder import PAGE


@pytest.fixture
def run(hotel, tmp_path):
    """A copy of the saved folder that a test may change."""
    return shutil.copytree(hotel[1], tmp_path / "run")


def test_a_trained_and_a_loaded_task_have_the_same_report(hotel, run, tmp_path):
    kb.report(hotel[0], tmp_path / "trained.html")
    kb.report(kb.load(run), run / PAGE)  # a saved folder has no page yet
    page = (run / PAGE).read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and page == (tmp_path / "trained.html").read_text(encoding="utf-8")
    assert kb.load(run).predict(["好"])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run", "trained.html"]


def test_report_that_cannot_be_written_is_an_error(hotel, checkpoint, tmp_path):
    with pytest.raises(kb.InputError, match="ends in .html, not 'report.txt'"):
        kb.report(hotel[0], "report.txt")
    with pytest.raises(kb.InputError, match="none/report.html could not be written"):
        kb.report(hotel[0], tmp_path / "none" / "report.html", explain=False)
    with pytest.raises(kb.InputError, match="is not trained: call fit"):
        kb.report(kb.TextClassifier(checkpoint), tmp_path / "report.html")
    with pytest.raises(kb.InputError, match="a trained task is needed, found 'runs/hotel'"):
        kb.report("runs/hotel", tmp_path / "report.html")


def test_failed_page_does_not_lose_the_training(hotel, run, monkeypatch, caplog):
    monkeypatch.setattr(writing, "html", lambda *_: 1 / 0)
    before = sorted(run.iterdir())
    writing.write_into(hotel[0], run)
    assert (
        "report.html could not be created (ZeroDivisionError: division by zero); everything else is saved"
        in caplog.text
    )
    assert sorted(run.iterdir()) == before and kb.load(run).predict(["好"])
