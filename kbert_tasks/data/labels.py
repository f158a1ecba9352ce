"""Converts labels between cells and arrays, and computes class weights and thresholds."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..metrics.sets import best_threshold
from .cells import blank, text_of


def labels_of(values: Iterable[Any], column: str | None = None) -> tuple[str, ...]:
    """Returns the non-empty labels in these cells as a sorted tuple without duplicates; errors name `column`."""
    found = (text_of(each, column).strip() for each in values)
    return tuple(sorted({label for label in found if not blank(label)}))


def marked(found: Sequence[Iterable[str]], labels: Sequence[str]) -> np.ndarray:
    """Converts tuples of labels to a bool array (texts, labels); labels that are not in `labels` are ignored."""
    place = {label: i for i, label in enumerate(labels)}
    marks = np.zeros((len(found), len(labels)), bool)
    for row, each in zip(marks, found, strict=True):
        row[[place[label] for label in each if label in place]] = True
    return marks


def balanced(gold: np.ndarray, several: bool) -> list[float] | list[list[float]]:
    """Computes weights that give rare labels the same influence as frequent ones: texts / (classes * texts of the class).

    This is `class_weight="balanced"` of scikit-learn. The mean weight of a text is 1.

    Args:
        gold: bool (texts, labels).
        several: whether a text may have several labels; each label is then a separate problem with the classes no and yes.

    Returns:
        A list with one weight per label; with `several`, a list of pairs (weight of no, weight of yes).
    """
    counts = gold.sum(0)
    if several:
        counts = np.stack([len(gold) - counts, counts], -1)
    return (len(gold) / (counts.shape[-1] * np.maximum(counts, 1))).tolist()


def thresholds(p: np.ndarray, gold: np.ndarray) -> list[float]:
    """Returns the probability threshold of each label that maximizes the F1 of that label.

    Args:
        p: probabilities (texts, labels).
        gold: bool (texts, labels).

    Returns:
        A list of numbers between 0 and 1; 0.5 for a label that no text has.
    """
    return [
        best_threshold([{True} if each else set() for each in right], [[(True, each)] for each in sure])
        for right, sure in zip(gold.T, p.T, strict=True)
    ]
