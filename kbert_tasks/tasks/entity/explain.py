"""Explanation targets for named entities."""

import contextlib
import json
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...text.spans import TokenSpan, occurrences, tokens_of
from ...text.tokenizer import Encoded
from ..target import LogOdds, Target
from .entities import Entity

if TYPE_CHECKING:
    from .task import EntityRecognizer, Example, Prediction

WANTED = "an entity: 'string | type', or [start, end, type] in JSON"


def targets(
    task: "EntityRecognizer",
    example: "Example",
    windows: Sequence[Encoded],
    candidates: Sequence[Entity],
    prediction: "Prediction",
    answer: Any,
) -> list[Target]:
    """Returns a Target for an entity in each window that contains it; see `Task.explain_targets`.

    If `answer` is None, the most probable entity is explained.
    """
    if answer is None and not candidates:
        raise InputError(
            "the model finds no entity in this text, not even an improbable one: give the entity to explain as answer"
        )
    entity = candidates[0] if answer is None else _named(task, example, candidates, answer)
    shown = f"{entity.entity} | {entity.type}"
    predicted = entity.key in task.keyed(prediction)
    found = []
    for window in windows:
        if tokens := tokens_of(window, entity.span):
            odds = _odds(task.types_.index(entity.type), tokens)
            places = {"entity": tokens}
            found.append(
                Target(entity, shown, predicted, entity.probability, window, odds, places, record=entity.as_dict())
            )
    if not found:
        reason = task.lost(example, entity.entity, entity.span, windows)
        raise InputError(f"{shown} cannot be answered for this text: it {reason}")
    return found


def _named(task: "EntityRecognizer", example: "Example", candidates: Sequence[Entity], answer: Any) -> Entity:
    """Returns the entity that `answer` names, with its probability if it is one of the candidates."""
    possible = _entities(example.text, answer)
    if (kind := possible[0].type) not in task.types_:
        raise InputError(f"{kind!r} is not a type of entities of this model; its types: {', '.join(task.types_[:20])}")
    keys = {each.key for each in possible}
    return next((each for each in candidates if each.key in keys), possible[0])


def _entities(text: str, answer: Any) -> list[Entity]:
    """Returns the entity that `answer` describes; if it is described by its string, one for each place of the string."""
    if isinstance(answer, Entity):
        return [answer]
    parts = _split(answer) if isinstance(answer, str) else answer
    if not isinstance(parts, Sequence) or len(parts) not in (2, 3) or not isinstance(parts[-1], str):
        raise InputError(f"the answer should be {WANTED}, not {answer!r}")
    *place, kind = parts
    if len(place) == 1:
        spans = occurrences(text, place[0]) if isinstance(place[0], str) else []
        if not spans:
            raise InputError(f"the answer should be {WANTED}; {place[0]!r} is not in the text")
        return [Entity(place[0], kind, *span) for span in spans]
    start, end = place
    if not all(isinstance(each, Integral) for each in place) or not 0 <= start < end <= len(text):
        raise InputError(f"the answer should be {WANTED}; {start!r} to {end!r} is not a part of the text")
    return [Entity(text[start:end], kind, int(start), int(end))]


def _split(answer: str) -> Any:
    """Splits an entity written as a JSON list (its string may contain "|") or as 'string | type'."""
    if answer.lstrip().startswith("["):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(answer)
    string, bar, kind = answer.rpartition("|")
    return (string.strip(), kind.strip()) if bar else None


def _odds(kind: int, tokens: TokenSpan) -> LogOdds:
    """Returns a function that reads the score of a span; its probability is a sigmoid, so the score is the log-odds."""
    return lambda outputs: outputs["spans"][(slice(None), kind, *tokens)]
