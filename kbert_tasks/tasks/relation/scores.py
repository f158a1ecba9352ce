"""Scores of relation extraction."""

import collections
from collections.abc import Collection, Hashable, Sequence
from typing import Any

from ...metrics.sets import counted
from .triples import Strings, Triple

OVERLAPS = ("normal", "shared entity", "shared pair", "no triples")


def triples(gold: Sequence[tuple[Triple, ...]], predicted: Sequence[tuple[Triple, ...]]) -> dict[str, Any]:
    """Scores sets of triples, compared by their strings.

    Args:
        gold, predicted: for each text a tuple of Triple.

    Returns:
        A dict: `precision`, `recall`, `f1`, as in `counted` (f1 is 0 if there are no gold and no predicted triples);
        `per_class`, the same for each predicate; `per_overlap`, the same for each kind of text: "shared pair" if two
        triples have the same two entities, "shared entity" if they have one in common, "normal" if none; `places`, only if
        the gold triples of some texts all have spans: the same for these texts, where the spans must be right too;
        `type_accuracy`, only if gold triples have types: of the right triples that have types, the share whose types of
        subject and object are predicted (None without right triples).
    """
    strings, answers = ([{t.strings for t in each} for each in part] for part in (gold, predicted))
    whole = counted(strings, answers)
    scores: dict[str, Any] = {name: whole[name] for name in ("precision", "recall")} | {"f1": whole["f1"] or 0.0}
    if any(t.types for each in gold for t in each):
        scores["type_accuracy"] = _type_accuracy(gold, predicted)
    predicates = sorted({predicate for each in (*strings, *answers) for _, predicate, _ in each})
    scores["per_class"] = {name: counted(*_of(name, strings, answers)) for name in predicates}
    texts = collections.defaultdict(list)
    for i, each in enumerate(strings):
        texts[overlap(each)].append(i)
    scores["per_overlap"] = {
        kind: counted([strings[i] for i in texts[kind]], [answers[i] for i in texts[kind]]) | {"texts": len(texts[kind])}
        for kind in OVERLAPS if texts[kind]
    }  # fmt: skip
    located = [i for i, each in enumerate(gold) if each and all(t.located for t in each)]
    if located:
        placed = [_placed(gold[i], predicted[i]) for i in located]
        scores["places"] = counted([strings[i] for i in located], placed) | {"texts": len(located)}
    return scores


def _type_accuracy(gold: Sequence[tuple[Triple, ...]], predicted: Sequence[tuple[Triple, ...]]) -> float | None:
    right = []
    for each, answers in zip(gold, predicted, strict=True):
        types = {t.strings: t.types for t in answers}
        right += [types[t.strings] == t.types for t in each if t.types and t.strings in types]
    return sum(right) / len(right) if right else None


def _placed(gold: tuple[Triple, ...], predicted: tuple[Triple, ...]) -> set[Hashable]:
    """Returns the strings of the predicted triples; a triple with wrong spans keeps them, so that it counts as wrong."""
    places = {(t.strings, t.subject_span, t.object_span) for t in gold}
    at = ((t.strings, t.subject_span, t.object_span) for t in predicted)
    return {each[0] if each in places else each for each in at}


def _of(predicate: str, *parts: list[set[Strings]]) -> list[list[set[Strings]]]:
    return [[{t for t in each if t[1] == predicate} for each in part] for part in parts]


def overlap(strings: Collection[Strings]) -> str:
    """Returns the kind of a text with these gold triples (subject, predicate, object): one of OVERLAPS."""
    if not strings:
        return "no triples"
    pairs = collections.Counter(frozenset((subject, object_)) for subject, _, object_ in strings)
    if len(pairs) < len(strings):
        return "shared pair"
    entities = collections.Counter(entity for pair in pairs for entity in pair)
    return "normal" if max(entities.values()) == 1 else "shared entity"
