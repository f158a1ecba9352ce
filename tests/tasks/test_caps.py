"""Relation extraction counts the texts with more candidates than it can use."""

import numpy as np
import pytest

from kbert_tasks.metrics.formatting import run_text
from kbert_tasks.reporting import tables
from kbert_tasks.tasks.relation import task as relation
from kbert_tasks.tasks.relation.task import RelationExtractor
from kbert_tasks.text.spans import MOST

LONG, SHORT = "房间很干净好坏差服务态度不错", "好坏"


@pytest.fixture(scope="module")
def task(checkpoint):
    rows = [
        {"text": text, "spo_list": [{"subject": "好", "predicate": "是", "object": "坏"}]} for text in (LONG, SHORT)
    ]
    settings = {"epochs": 1, "max_length": 32, "validation_split": 0.0}
    return RelationExtractor(checkpoint, **settings).fit(rows)


def notes(task, monkeypatch, probability):
    """(notes, printed report) of an evaluation in which every span and every pair of spans has this probability."""
    monkeypatch.setattr(RelationExtractor, "probabilities", lambda self, scores: np.full(scores.shape, probability))
    # None of these texts is in the training data.
    rows = [{"text": text + "吗", "spo_list": []} for text in (LONG, LONG + LONG[:4], SHORT)]
    report = task.evaluate(rows)
    return report.examples["notes"], str(report)


def test_texts_with_too_many_candidates_are_counted(task, monkeypatch):
    found, printed = notes(task, monkeypatch, 0.9)
    assert found == {relation.MANY_SPANS: 2, relation.MANY_TRIPLES: 2}
    assert f"  2: at least {MOST} candidate subjects or objects in a window" in printed
    assert "  2: at least 200 candidate triples" in printed and "--epochs" in printed and "--learning-rate" in printed


def test_run_reports_many_candidates_once(task, monkeypatch):
    monkeypatch.setattr(RelationExtractor, "probabilities", lambda self, scores: np.full(scores.shape, 0.9))
    rows = [{"text": LONG, "spo_list": [["好", "是", "坏"]]}, {"text": SHORT, "spo_list": []}]
    trained = RelationExtractor(task.checkpoint, epochs=2, max_length=32).fit(rows, dev=rows)
    trained.add_test(trained.evaluate(rows), 0.0)
    printed = run_text(trained.report_)
    for note in (relation.MANY_SPANS, relation.MANY_TRIPLES):
        assert [trained.report_["examples"][part]["notes"][note] for part in ("dev", "test")] == [1, 1]
        assert printed.count(note) == 1 and f"dev 1, test 1: {note}" in printed
        assert [row for row in tables.reasons(trained.report_).rows if row[0] == note] == [[note, None, 1, 1]]
    assert "train 1," not in printed and "train 1:" not in printed


def test_note_of_a_single_part_is_printed_with_that_part():
    counts = {"read": 2, "used": 2, "skipped": {}}
    examples = {
        "train": counts | {"notes": {"cut to max_length": 2}},
        "test": counts | {"notes": {"cut to max_length": 1, "duplicate text": 1}},
    }
    report = {"examples": examples, "best_epoch": 1, "history": [{}], "scores": {}, "seconds": {"train": 1.0}}
    assert run_text(report).splitlines() == [
        "train: 2 rows read, 2 used, 0 skipped",
        "test: 2 rows read, 2 used, 0 skipped",
        "  1: duplicate text",
        "train 2, test 1: cut to max_length",
        "best epoch: 1 of 1",
        "seconds: train 1.0",
    ]


def test_there_is_no_note_if_all_candidates_are_used(task, monkeypatch):
    assert notes(task, monkeypatch, 0.01)[0] == {}
