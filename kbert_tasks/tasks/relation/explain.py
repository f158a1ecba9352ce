"""Explanation targets for relation extraction."""

import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...text.spans import Span, TokenSpan
from ...text.tokenizer import Encoded
from .. import log_odds
from ..target import LogOdds, Target
from .triples import Triple

if TYPE_CHECKING:
    from tensorflow import Tensor

    from .task import Candidates, Example, Prediction, RelationExtractor

ENDS = "subject", "object"


def targets(
    task: "RelationExtractor",
    example: "Example",
    windows: Sequence[Encoded],
    candidates: "Candidates",
    prediction: "Prediction",
    answer: Any,
) -> list[Target]:
    """Returns a Target for a triple in each window that contains it; see `Task.explain_targets`.

    If `answer` is None, the most probable triple is explained.
    """
    if answer is None and not candidates:
        raise InputError(
            "the model finds no triple in this text, not even an improbable one: give the triple to explain as answer"
        )
    triple = candidates[0] if answer is None else _named(task, candidates, answer)
    predicted = triple.strings in [each.strings for each in prediction.triples]
    predicate = task.predicates_.index(triple.predicate)
    shown, found = " | ".join(triple.strings), list[Target]()
    for window in windows:
        occurrences = [task.tokens(example, *string_and_span, window) for string_and_span in _parts(triple)]
        if all(occurrences):
            subject, object_ = (each[0] for each in occurrences)
            more = {"Subjects": np.array([[subject]], "int32"), "Objects": np.array([[object_]], "int32")}
            odds = _odds(subject, object_, predicate)
            places = dict(zip(ENDS, (subject, object_), strict=True))
            found.append(
                Target(triple, shown, predicted, triple.probability, window, odds, places, more, triple.as_dict())
            )
    if not found:
        reasons = [task.lost(example, *string_and_span, windows) for string_and_span in _parts(triple)]
        problems = " and ".join(f"its {end} {reason}" for end, reason in zip(ENDS, reasons, strict=True) if reason)
        problems = problems or "its subject and object are in no window together"
        raise InputError(f"{shown} cannot be answered for this text: {problems}")
    return found


def _named(task: "RelationExtractor", candidates: "Candidates", answer: Any) -> Triple:
    """Returns the triple that `answer` names, with its spans and probability if it is one of the candidates."""
    if isinstance(answer, Triple):
        strings = answer.strings
    else:
        strings = _split(answer) if isinstance(answer, str) else tuple(answer) if isinstance(answer, Sequence) else ()
    if len(strings) != 3 or not all(isinstance(each, str) for each in strings):
        raise InputError(
            f"the answer should be a triple, 'subject | predicate | object' or [subject, predicate, object] in JSON, not {answer!r}"
        )
    if strings[1] not in task.predicates_:
        raise InputError(
            f"{strings[1]!r} is not a predicate of this model; its predicates: {', '.join(task.predicates_[:20])}"
        )
    return next((each for each in candidates if each.strings == strings), Triple(*strings))


def _split(answer: str) -> tuple[Any, ...]:
    """Splits a triple written as a JSON list (its parts may contain "|") or as 'subject | predicate | object'."""
    if answer.lstrip().startswith("["):
        with contextlib.suppress(ValueError, RecursionError):
            return tuple(json.loads(answer))
    return tuple(part.strip() for part in answer.split("|"))


def _parts(triple: Triple) -> tuple[tuple[str, Span | None], tuple[str, Span | None]]:
    return (triple.subject, triple.subject_span), (triple.object, triple.object_span)


def _odds(subject: TokenSpan, object_: TokenSpan, predicate: int) -> LogOdds:
    def odds(outputs: "dict[str, Tensor]") -> "Tensor":
        spans, pairs = outputs["spans"], outputs["pairs"]  # (batch, 2, time, time), (batch, 1, 1, predicates)
        one, other = (spans[:, kind, first, last] for kind, (first, last) in enumerate((subject, object_)))
        return log_odds.all_of(one, other, pairs[:, 0, 0, predicate])

    return odds
