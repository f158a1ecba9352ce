"""Numbers of the page that are counted from the answers."""

import math

import numpy as np

GROUPS, LEAST = 8, 15  # groups of lengths at most; texts in one at least, for an interval that says something


def by_length(tokens, right):
    """Texts in groups of like length, about equally many in each.

    Args:
        tokens: int, (texts,).
        right: bool, (texts,).

    Returns:
        A list of dicts: `from`, `to` (tokens, both included), `texts`, `right` (share), and `low`, `high`, its interval.
    """
    tokens, right = np.array(tokens), np.array(right, bool)
    number = min(GROUPS, max(1, len(tokens) // LEAST))
    # The longest of each group; texts of one length stay together.
    tops = np.unique(np.quantile(tokens, np.arange(1, number + 1) / number, method="higher"))
    groups = np.searchsorted(tops, tokens)
    found = []
    for group in range(len(tops)):
        its, good = tokens[groups == group], int(right[groups == group].sum())
        low, high = interval(good, len(its))
        found.append({"from": int(its.min()), "to": int(its.max()), "texts": len(its), "right": good / len(its)}
                     | {"low": low, "high": high})  # fmt: skip
    return found


def interval(right, of):
    """The 95 % interval of a share: Wilson, "Probable Inference, the Law of Succession", 1927; sensible also at 0 and 1."""
    z, share = 1.96, right / of
    middle = share + z * z / (2 * of)
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def sureness(answers):
    """(probabilities, whether right), both (answers,): of each text its most probable label, or, where texts have lists of
    labels, every label of every text. None where no answer tells its probabilities."""
    pairs = []
    for answer in answers:
        p, gold = answer.get("probabilities") or {}, answer["gold"]
        if isinstance(gold, list | tuple):
            pairs += [(value, label in gold) for label, value in p.items()]
        elif p:
            best = max(p, key=p.get)
            pairs.append((p[best], best == gold))
    if not pairs:
        return None
    sure, right = zip(*pairs, strict=True)
    return np.clip(np.array(sure, float), 0, 1), np.array(right)


def confused(matrix, labels, texts, most=20):
    """The pairs of labels that are taken for one another most often.

    Args:
        matrix: rows gold, columns predicted.
        labels: of rows and columns.
        texts: of each gold label, those that have no answer included.
        most: pairs at most.

    Returns:
        [(gold, predicted, texts, share of the gold label's texts)], the most frequent first.
    """
    pairs = [
        (gold, predicted, count, count / texts[gold])
        for gold, row in zip(labels, matrix, strict=True)
        for predicted, count in zip(labels, row, strict=True)
        if count and predicted != gold
    ]
    return sorted(pairs, key=lambda pair: (-pair[2], -pair[3]))[:most]
