"""Computes precision, recall and F1 of sets of answers, the threshold that maximizes F1, and distances from it."""

from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeAlias

import numpy as np

Sets: TypeAlias = Sequence[AbstractSet[Hashable]]  # the answers of each text


def counted(gold: Sets, predicted: Sets) -> dict[str, float | None]:
    """Computes precision, recall and F1 over all texts together.

    Args:
        gold, predicted: a set of answers for each text.

    Returns:
        A dict with precision (None without predictions), recall (None without gold answers), f1 (None without both),
        support (number of gold answers) and predicted (number of predictions).
    """
    right = sum(len(one & other) for one, other in zip(gold, predicted, strict=True))
    gold_count, predicted_count = sum(map(len, gold)), sum(map(len, predicted))
    return {
        "precision": right / predicted_count if predicted_count else None,
        "recall": right / gold_count if gold_count else None,
        "f1": 2 * right / (predicted_count + gold_count) if predicted_count + gold_count else None,
        "support": gold_count,
        "predicted": predicted_count,
    }


def distance(score: float, threshold: float) -> float:
    """Returns how far a score is from a threshold: 0 at the threshold, 1 at the scores 0 and 1, and linear in between."""
    if score < threshold:
        return (threshold - score) / threshold
    return (score - threshold) / (1 - threshold) if threshold < 1 else 0.0


def best_threshold(gold: Sets, answers: Sequence[Sequence[tuple[Hashable, float]]], least: float = 0.0) -> float:
    """Returns the minimum score of an answer that maximizes F1 over all texts.

    Args:
        gold: a set of correct answers for each text.
        answers: a list of (answer, score) for each text.
        least: the lowest threshold that may be returned; answers with a lower score are ignored.

    Returns:
        A number from `least` to 1 in the middle between two scores, so that rounding has no effect; 0.5 if no answer is
        correct.
    """
    scored = [
        (score, each in right)
        for right, found in zip(gold, answers, strict=True)
        for each, score in found
        if score >= least
    ]
    if not any(right for _, right in scored):
        return 0.5
    scores, right = (np.array(column, float) for column in zip(*sorted(scored, reverse=True), strict=True))
    f1 = 2 * np.cumsum(right) / (np.arange(1, len(scores) + 1) + sum(map(len, gold)))
    ends = np.append(scores[:-1] > scores[1:], True)  # a threshold cannot separate equal scores
    best = int(np.argmax(np.where(ends, f1, -1)))
    below = scores[best + 1] if best + 1 < len(scores) else least
    middle = (scores[best] + below) / 2
    return float(middle if middle > below else scores[best])  # adjacent floats have no middle
