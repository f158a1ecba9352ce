"""Splits a text into pieces for highlighting, and classifies answers as right, wrong or missed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..text import spans

LONG = 1500  # maximum number of characters of a text that are shown


def pieces(text: str, gold: Iterable[tuple[int, int]], predicted: Iterable[tuple[int, int]]) -> list[tuple[str, str]]:
    """Splits a text at the borders of spans.

    Args:
        text: a string.
        gold, predicted: lists of [start, end) in characters; parts of spans outside the text are ignored.

    Returns:
        A list of (string, kind), whose strings add up to the text; kind is "", "gold", "predicted" or "both".
    """
    inside = [
        [(max(0, begin), min(len(text), end)) for begin, end in part if max(0, begin) < min(len(text), end)]
        for part in (gold, predicted)
    ]
    ends = sorted({0, len(text), *(end for part in inside for span in part for end in span)})
    found = []
    for begin, end in zip(ends, ends[1:], strict=False):
        in_gold, in_predicted = (any(b <= begin and end <= e for b, e in part) for part in inside)
        kind = "both" if in_gold and in_predicted else "gold" if in_gold else "predicted" if in_predicted else ""
        found.append((text[begin:end], kind))
    return found


def places(text: str, entity: str, span: Sequence[int] | None) -> Sequence[tuple[int, int]]:
    """Returns a list with the span if it is known, otherwise all occurrences of the entity in the text."""
    return [(span[0], span[1])] if span else spans.occurrences(text, entity)


def marked(answer: Mapping[str, Any], parts: Sequence[str]) -> list[tuple[str, str]]:
    """Returns the `pieces` of the text of an answer, up to LONG characters.

    Args:
        answer: dict with `text`, and with lists of dicts `gold` and `predicted`.
        parts: the keys of these dicts whose values are entities, such as ("subject", "object"). The key of the span of an
            entity is NAME_span; if there is only one entity, it is span, or the keys are start and end.
    """
    text, both = answer["text"], []
    for side in ("gold", "predicted"):
        both.append(
            [
                place
                for each in answer[side] or ()
                for part in parts
                for place in places(text, each[part], _span(each, part, len(parts)))
            ]
        )
    return pieces(text[:LONG], *both)


def _span(answer: Mapping[str, Any], part: str, parts: int) -> Sequence[int] | None:
    if parts > 1:
        return answer.get(f"{part}_span")
    return (answer["start"], answer["end"]) if "start" in answer else answer.get("span")


def verdicts(answer: Mapping[str, Any], parts: Sequence[str]) -> list[tuple[str, tuple[Any, ...], float | None]]:
    """Classifies gold and predicted answers, compared as strings, as in the scores.

    Args:
        answer: dict with lists of dicts `gold` and `predicted`.
        parts: the keys that identify an answer, such as ("subject", "predicate", "object"), if it has them.

    Returns:
        A list of (verdict, strings, probability or None) without duplicates. The verdict is "right", "missed" (only gold) or
        "wrong" (only predicted). Gold answers come first.
    """
    gold, predicted = (
        {tuple(each[part] for part in parts if part in each): each.get("probability") for each in answer[side] or ()}
        for side in ("gold", "predicted")
    )
    found = [("right" if each in predicted else "missed", each, predicted.get(each)) for each in gold]
    return found + [("wrong", each, score) for each, score in predicted.items() if each not in gold]
