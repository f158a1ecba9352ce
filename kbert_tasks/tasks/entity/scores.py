"""Scores of named entities."""

import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...metrics.sets import counted
from .entities import Entity, Key, overlapping

LENGTHS = (2, 4, 8, 16)  # longest entity of each group of lengths, in characters; the last group has no limit
GROUPS = ("1-2 characters", "3-4 characters", "5-8 characters", "9-16 characters", "17 or more characters")
ERRORS = ("boundary", "type", "missed", "spurious")


def entities(gold: Sequence[tuple[Entity, ...]], predicted: Sequence[tuple[Entity, ...]]) -> dict[str, Any]:
    """Scores typed spans. A prediction is right if its start, its end and its type are those of a gold entity.

    Args:
        gold, predicted: for each text a tuple of Entity.

    Returns:
        A dict: `precision`, `recall`, `f1` over all entities, as in `counted` (f1 is 0 without gold and predicted
        entities); `macro_f1`, the mean F1 of the types; `errors`, the number of errors of each kind; `per_class`,
        `per_length` and `per_overlap`, precision, recall and F1 for each type, for each length in characters, and for
        entities that overlap another one of the same side ("nested") and those that do not ("flat").
    """
    sides = [[{entity.key for entity in each} for each in part] for part in (gold, predicted)]
    whole = counted(*sides)
    scores: dict[str, Any] = {name: whole[name] for name in ("precision", "recall")} | {"f1": whole["f1"] or 0.0}
    by_type = _by_group(sides, sorted({_type(key) for side in sides for each in side for key in each}), _type)
    each_f1 = [its["f1"] for its in by_type.values() if its["f1"] is not None]
    scores["macro_f1"] = sum(each_f1) / len(each_f1) if each_f1 else 0.0
    kinds = Counter(kind for one, other in zip(*sides, strict=True) for kind in errors(one, other).values())
    scores |= {"errors": {name: kinds[name] for name in ERRORS}, "per_class": by_type}
    by_length = _by_group(sides, GROUPS, _length)
    scores["per_length"] = {name: its for name, its in by_length.items() if its["f1"] is not None}
    nested = [[overlapping(each) for each in part] for part in (gold, predicted)]
    if any(each for side in nested for each in side):
        pairs = [list(zip(side, part, strict=True)) for side, part in zip(sides, nested, strict=True)]
        flat = [[every - some for every, some in side] for side in pairs]
        scores["per_overlap"] = {"flat": _part(sides, flat), "nested": _part(sides, nested)}
    return scores


def errors(gold: set[Key], predicted: set[Key]) -> dict[Key, str]:
    """Returns the kind of error of each wrong or missed entity of a text.

    A wrong prediction is paired with a gold entity that was not found: with one of the same span, which is an error of
    the type, or with one of the same type that overlaps it, which is an error of the boundary. All other wrong predictions
    are spurious, and all other gold entities are missed. A pair counts once, for the prediction.
    """
    missed, found = gold - predicted, dict[Key, str]()
    for kind, alike in (("type", _same_span), ("boundary", _same_type)):
        for each in sorted(predicted - gold - found.keys()):
            if partner := next((other for other in sorted(missed) if alike(each, other)), None):
                missed.discard(partner)
                found[each] = kind
    wrong = {each: "spurious" for each in predicted - gold - found.keys()}
    return found | wrong | {each: "missed" for each in missed}


def _same_span(one: Key, other: Key) -> bool:
    return one[:2] == other[:2]


def _same_type(one: Key, other: Key) -> bool:
    return one[2] == other[2] and one[0] < other[1] and other[0] < one[1]


def _type(key: Key) -> str:
    return key[2]


def _length(key: Key) -> str:
    return GROUPS[bisect.bisect_left(LENGTHS, key[1] - key[0])]


def _by_group(
    sides: Sequence[list[set[Key]]], groups: Iterable[str], group: Callable[[Key], str]
) -> dict[str, dict[str, float | None]]:
    return {
        name: counted(*([{key for key in each if group(key) == name} for each in side] for side in sides))
        for name in groups
    }


def _part(sides: Sequence[list[set[Key]]], parts: Sequence[list[set[Key]]]) -> dict[str, float | None]:
    """Scores the gold entities in `parts[0]`, and the predictions in `parts[1]`, against all entities of the other side."""
    (gold, predicted), (some_gold, some_predicted) = sides, parts
    recalled = sum(len(each & other) for each, other in zip(some_gold, predicted, strict=True))
    right = sum(len(each & other) for each, other in zip(some_predicted, gold, strict=True))
    support, number = sum(map(len, some_gold)), sum(map(len, some_predicted))
    precision, recall = right / number if number else None, recalled / support if support else None
    f1 = None
    if precision is not None and recall is not None:
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "support": support, "predicted": number}
