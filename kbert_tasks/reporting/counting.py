"""Statistics for the report, computed from the answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

GROUPS, LEAST = 8, 15  # maximum number of length groups; minimum number of texts in one, for a useful interval


def by_length(tokens: Sequence[int], right: Sequence[bool]) -> list[dict[str, float]]:
    """Groups texts by length, with about the same number of texts in each group.

    Args:
        tokens: int, (texts,), the lengths.
        right: bool, (texts,), whether the answers are right.

    Returns:
        A list of dicts: `from` and `to` (tokens, both inclusive), `texts` (number), `right` (share of right answers), and
        `low` and `high` (its 95 % interval).
    """
    sizes, answered = np.array(tokens), np.array(right, bool)
    number = min(GROUPS, max(1, len(sizes) // LEAST))
    # The largest length of each group. Texts of the same length are in the same group.
    tops = np.unique(np.quantile(sizes, np.arange(1, number + 1) / number, method="higher"))
    groups = np.searchsorted(tops, sizes)
    found = []
    for group in range(len(tops)):
        its, good = sizes[groups == group], int(answered[groups == group].sum())
        low, high = interval(good, len(its))
        found.append({"from": int(its.min()), "to": int(its.max()), "texts": len(its), "right": good / len(its)}
                     | {"low": low, "high": high})  # fmt: skip
    return found


def interval(right: int, of: int) -> tuple[float, float]:
    """Returns the 95 % Wilson score interval of a share, which is also valid near 0 and 1.

    Args:
        right: number of successes.
        of: number of trials.

    Source: Wilson, "Probable Inference, the Law of Succession", 1927.
    """
    from scipy.stats import binomtest

    found = binomtest(right, of).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def sureness(answers: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray] | None:
    """Collects the probabilities for the calibration plot.

    Args:
        answers: list of dicts, as in answers.jsonl.

    Returns:
        (probabilities, right), both (n,): for each text the probability of its most probable label and whether that label
        is right; for multi-label tasks the same for each label of each text. None if the answers have no probabilities.
    """
    pairs = []
    for answer in answers:
        p: dict[str, float] = answer.get("probabilities") or {}
        gold = answer["gold"]
        if isinstance(gold, list | tuple):
            pairs += [(value, label in gold) for label, value in p.items()]
        elif p:
            best = max(p, key=p.__getitem__)
            pairs.append((p[best], best == gold))
    if not pairs:
        return None
    sure, right = zip(*pairs, strict=True)
    return np.clip(np.array(sure, float), 0, 1), np.array(right)


def confused(
    matrix: Sequence[Sequence[int]], labels: Sequence[str], texts: Mapping[str, int], most: int = 20
) -> list[tuple[str, str, int, float]]:
    """Returns the pairs of labels that are confused most often.

    Args:
        matrix: confusion matrix; rows are gold labels, columns are predicted labels.
        labels: labels of the rows and columns.
        texts: dict of each gold label to its number of texts, including those without an answer.
        most: maximum number of pairs.

    Returns:
        A list of (gold, predicted, number of texts, share of the texts of the gold label), the most frequent first.
    """
    pairs = [
        (gold, predicted, count, count / texts[gold])
        for gold, row in zip(labels, matrix, strict=True)
        for predicted, count in zip(labels, row, strict=True)
        if count and predicted != gold
    ]
    return sorted(pairs, key=lambda pair: (-pair[2], -pair[3]))[:most]
