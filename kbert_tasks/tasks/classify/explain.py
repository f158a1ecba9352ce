"""Explanation targets for text classification."""

import difflib

import numpy as np

from ...errors import InputError
from .. import log_odds
from ..target import Target


def targets(task, example, windows, candidates, prediction, answer):
    """Returns a Target for a label in each window; see `Task.explain_targets`.

    If `answer` is None, the most probable label is explained.
    """
    labels, p = task.labels_, prediction.probabilities
    label = max(labels, key=p.get) if answer is None else answer
    if label not in labels:
        near = difflib.get_close_matches(str(label), labels, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"its labels: {', '.join(labels[:20])}"
        raise InputError(f"{label!r} is not a label of this model; {hint}")
    right = labels.index(label)
    wrong = np.delete(np.arange(len(labels)), right)

    def odds(outputs):
        scores = outputs["label"]
        return scores[:, right] if task.multi_label_ else log_odds.one_of(scores, right, wrong)

    predicted = label in prediction.label if task.multi_label_ else label == prediction.label
    return [Target(label, label, predicted, float(p[label]), window, odds) for window in windows]
