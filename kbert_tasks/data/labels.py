"""Labels of texts: as they stand in cells, as arrays, and what follows from how often each stands there."""

import numpy as np

from ..metrics.sets import best_threshold
from .tables import text_of


def labels_of(values):
    """Cells as a sorted tuple of labels: each once, without the empty ones."""
    return tuple(sorted({label for each in values if (label := text_of(each).strip())}))


def marked(found, labels):
    """Tuples of labels as bool (texts, labels), True where a label stands; other labels than these are left out."""
    place = {label: i for i, label in enumerate(labels)}
    marks = np.zeros((len(found), len(labels)), bool)
    for row, each in zip(marks, found, strict=True):
        row[[place[label] for label in each if label in place]] = True
    return marks


def balanced(gold, several):
    """Weights that let rare labels count as much as frequent ones: texts / (classes * texts of the class).

    As `class_weight="balanced"` of scikit-learn, with the mean weight of a text 1.

    Args:
        gold: bool (texts, labels).
        several: a text may have several labels. Each is then a matter of its own with two classes, no and yes.

    Returns:
        A list of a weight for each label; with `several` of pairs, the weights of no and of yes.
    """
    counts = gold.sum(0)
    if several:
        counts = np.stack([len(gold) - counts, counts], -1)
    return (len(gold) / (counts.shape[-1] * np.maximum(counts, 1))).tolist()


def thresholds(p, gold):
    """For each label the probability from which it should be answered, for the best F1 of that label.

    Args:
        p: (texts, labels).
        gold: bool, of that shape.

    Returns:
        A list of numbers between 0 and 1; 0.5 for a label that none of the texts has.
    """
    return [
        best_threshold([{True} if each else set() for each in right], [[(True, each)] for each in sure])
        for right, sure in zip(gold.T, p.T, strict=True)
    ]
