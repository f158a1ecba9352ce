"""The Report of text classification."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data import doubts
from ...metrics import calibration, classification
from .types import Example, Prediction

if TYPE_CHECKING:
    from .task import TextClassifier

UNSEEN = "label not in the training data: counted as wrong"
UNSEEN_ALIKE = "a label not in the training data differs from a training label only by case, width, white space or invisible characters"


def report(
    task: "TextClassifier", examples: Sequence[Example], predictions: Sequence[Prediction]
) -> classification.Report:
    """Scores predictions against gold labels.

    Args:
        task: a trained TextClassifier.
        examples: list of examples with gold labels.
        predictions: list of the predictions for them, in the same order.

    Returns:
        A Report.
    """
    several, found = bool(task.multi_label_), [p.label for p in predictions]
    gold = [task.gold_of(e) for e in examples]
    score: Callable[..., dict[str, Any]] = classification.multi_label if several else classification.classification
    scores = score(gold, found, task.labels_)
    if several:
        scores["thresholds"] = task.thresholds_
    elif task.settings.min_confidence is not None:
        scores |= classification.answered(gold, found)
    p = np.array([[*each.probabilities.values()] for each in predictions])
    scores |= calibration.calibration_scores(p, task.marked_gold(examples), task.temperature_, several)
    if task.temperature_note_:
        scores["temperature_note"] = task.temperature_note_
    report = classification.Report(scores)
    report.examples["notes"] = _unseen(task, examples)
    return report


def _unseen(task: "TextClassifier", examples: Sequence[Example]) -> dict[str, int]:
    """Returns a dict of note to number of examples, about labels that are not in the training examples."""
    known, like = set(task.labels_), {doubts.likeness(label) for label in task.labels_}
    unseen = [set(task.classes_of(each)) - known for each in examples]
    near = sum(any(doubts.likeness(label) in like for label in labels) for labels in unseen)
    notes = {UNSEEN: sum(map(bool, unseen)), UNSEEN_ALIKE: near}
    return {note: number for note, number in notes.items() if number}
