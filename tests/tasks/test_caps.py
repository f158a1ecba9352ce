"""What relation extraction does not look at, because there is too much of it, is counted."""

import numpy as np
import pytest

from kbert_tasks import cascade
from kbert_tasks.spans import MOST
from kbert_tasks.tasks import relation
from kbert_tasks.tasks.relation import RelationExtractor

LONG, SHORT = "房间很干净好坏差服务态度不错", "好坏"


@pytest.fixture(scope="module")
def task(checkpoint):
    rows = [
        {"text": text, "spo_list": [{"subject": "好", "predicate": "是", "object": "坏"}]} for text in (LONG, SHORT)
    ]
    settings = {"epochs": 1, "max_length": 32, "dev_share": 0.0}
    return RelationExtractor(checkpoint, **settings).fit(rows)


def notes(task, monkeypatch, probability):
    """The notes of an evaluation in which every span, and every pair of them, is so probable."""
    monkeypatch.setattr(RelationExtractor, "probabilities", lambda self, scores: np.full(scores.shape, probability))
    monkeypatch.setattr(cascade, "followed", lambda task: lambda x, s, o: np.ones((len(x), s.shape[1], o.shape[1], 1)))
    # None of these texts was trained on.
    rows = [{"text": text + "吗", "spo_list": []} for text in (LONG, LONG + LONG[:4], SHORT)]
    report = task.evaluate(rows)
    return report.examples["notes"], str(report)


def test_what_is_not_looked_at_is_counted_by_texts(task, monkeypatch):
    found, told = notes(task, monkeypatch, 0.9)
    assert found == {relation.MANY_SPANS: 2, relation.MANY_TRIPLES: 2}
    assert f"2: {MOST} possible subjects or objects in a window, or more" in told and "2: 200 possible triples" in told


def test_there_is_no_note_where_all_is_looked_at(task, monkeypatch):
    assert notes(task, monkeypatch, 0.01)[0] == {}
