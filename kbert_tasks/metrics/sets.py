"""Scores where a text has a set of answers: exact members, precision, recall, F1; and the threshold that serves F1 best."""

import numpy as np


def counted(gold, predicted):
    """Precision, recall and F1 over all texts together.

    Args:
        gold, predicted: for each text a set.

    Returns:
        precision (None where nothing is predicted), recall (None where there is no gold), f1 (None where both are),
        support (of gold), predicted (number of answers).
    """
    right = sum(len(one & other) for one, other in zip(gold, predicted, strict=True))
    there, said = sum(map(len, gold)), sum(map(len, predicted))
    return {
        "precision": right / said if said else None,
        "recall": right / there if there else None,
        "f1": 2 * right / (said + there) if said + there else None,
        "support": there,
        "predicted": said,
    }


def best_threshold(gold, answers, least=0.0):
    """The least score at which answers should count, for the best F1 over all texts.

    Args:
        gold: for each text a set.
        answers: for each text a list of (member or not of the set, score).
        least: the lowest threshold that may be returned; answers with a lower score are ignored.

    Returns:
        A number from `least` to 1, half way between two scores, so that rounding decides nothing; 0.5 where no answer is
        right.
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
    ends = np.append(scores[:-1] > scores[1:], True)  # a threshold cannot part equal scores
    best = int(np.argmax(np.where(ends, f1, -1)))
    below = scores[best + 1] if best + 1 < len(scores) else least
    middle = (scores[best] + below) / 2
    return float(middle if middle > below else scores[best])  # between neighbours among floats there is none
