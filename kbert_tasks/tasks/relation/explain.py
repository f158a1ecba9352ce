"""Explanation targets for relation extraction."""

import contextlib
import json
from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from .. import log_odds
from ..target import Target
from .triples import Triple

ENDS = "subject", "object"


def targets(task, example, windows, candidates, prediction, answer):
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
    shown, found = " | ".join(triple.strings), []
    for window in windows:
        places = [task.tokens(example, *string_and_span, window)[:1] for string_and_span in _parts(triple)]
        if all(places):
            (subject,), (object_,) = places
            more = {"Subjects": np.array([[subject]], "int32"), "Objects": np.array([[object_]], "int32")}
            odds = _odds(subject, object_, predicate)
            places = dict(zip(ENDS, (subject, object_), strict=True))
            found.append(
                Target(triple, shown, predicted, triple.probability, window, odds, places, more, triple.as_dict())
            )
    if not found:
        reasons = [task.lost(example, *string_and_span, windows) for string_and_span in _parts(triple)]
        problems = [f"its {end} {reason}" for end, reason in zip(ENDS, reasons, strict=True) if reason]
        problems = " and ".join(problems) or "its subject and object are in no window together"
        raise InputError(f"{shown} cannot be answered for this text: {problems}")
    return found


def _named(task, candidates, answer):
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


def _split(answer):
    """Splits a triple written as a JSON list (its parts may contain "|") or as 'subject | predicate | object'."""
    if answer.lstrip().startswith("["):
        with contextlib.suppress(json.JSONDecodeError):
            return tuple(json.loads(answer))
    return tuple(part.strip() for part in answer.split("|"))


def _parts(triple):
    return (triple.subject, triple.subject_span), (triple.object, triple.object_span)


def _odds(subject, object_, predicate):
    def odds(outputs):
        spans, pairs = outputs["spans"], outputs["pairs"]  # (batch, 2, time, time), (batch, 1, 1, predicates)
        one, other = (spans[:, kind, first, last] for kind, (first, last) in enumerate((subject, object_)))
        return log_odds.all_of(one, other, pairs[:, 0, 0, predicate])

    return odds
