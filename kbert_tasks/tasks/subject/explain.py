"""Explanation targets for subject extraction."""

import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._keras import tensorflow
from ...errors import InputError
from ...text.spans import TokenSpan
from ...text.tokenizer import Encoded
from ..target import LogOdds, Target
from .subjects import NO_SUBJECT, Subject

if TYPE_CHECKING:
    from .task import Example, Prediction, SubjectExtractor


def targets(
    task: "SubjectExtractor",
    example: "Example",
    windows: Sequence[Encoded],
    candidates: Sequence[Subject],
    prediction: "Prediction",
    answer: Any,
) -> list[Target]:
    """Returns a Target for a subject in each window that contains it; see `Task.explain_targets`.

    If `answer` is None, the predicted subject is explained, or "no subject" if there is none.
    """
    subject = _subject(task, candidates, prediction, answer)
    kind = 0 if subject is None else task.kinds.index(subject.event_type)
    predicted = subject in prediction.subjects if subject else not prediction.subjects
    shown, found = ("no subject" if subject is None else _shown(subject)), list[Target]()
    for window in windows:
        places = [NO_SUBJECT] if subject is None else task.tokens(example, subject.subject, subject.span, window)
        if places:
            # 1 for the answer, 0 for other possible spans, -1 for impossible spans
            _, y = task.sample_target({"Input-Segment": window.segments}, [(kind, places[0])], None)
            named: dict[str, TokenSpan] = {} if subject is None else {"subject": places[0]}
            score = getattr(subject, "probability", None)
            odds = _odds(int(np.argmax(y["spans"].ravel())))
            found.append(Target(subject, shown, predicted, score, window, odds, named, record=subject and shown))
    if not found and subject:
        reason = task.lost(example, subject.subject, subject.span, windows)
        raise InputError(f"{shown!r} cannot be answered for this text: it {reason}")
    return found


def _shown(subject: Subject) -> str:
    return subject.subject if subject.event_type is None else f"{subject.event_type} | {subject.subject}"


def _subject(
    task: "SubjectExtractor", candidates: Sequence[Subject], prediction: "Prediction", answer: Any
) -> Subject | None:
    """Returns the subject that `answer` names, with its span and probability if it is one of the candidates."""
    if answer is None:
        return prediction.subjects[0] if prediction.subjects else None
    if answer == "":
        return None
    key: Any = answer.key if isinstance(answer, Subject) else _pair(answer) if task.types_ else answer
    if not task.types_ and not isinstance(key, str):
        raise InputError(f"the answer should be a part of the text, not {answer!r}")
    kind, string = key if task.types_ else (None, key)
    if kind not in task.kinds:
        raise InputError(f"{kind!r} is not an event type of this model; its event types: {', '.join(task.types_[:20])}")
    return next((each for each in candidates if each.key == key), Subject(string, event_type=kind))


def _pair(answer: Any) -> tuple[str, str]:
    """Reads an event type and a subject, written as 'event type | subject', as a list, or as the JSON of a list."""
    parts = answer
    if isinstance(answer, str):
        with contextlib.suppress(ValueError, RecursionError):
            parts = json.loads(answer)
        if not isinstance(parts, list):
            parts = [part.strip() for part in answer.split("|", 1)]
    if isinstance(parts, list | tuple) and len(parts) == 2 and all(isinstance(part, str) for part in parts):
        return parts[0], parts[1]
    raise InputError(f"the answer should be 'event type | subject', or [event type, subject] in JSON, not {answer!r}")


def _odds(place: int) -> LogOdds:
    """Returns a function that reads the log-odds of a span at an index of the flattened scores.

    The probability of each span is a sigmoid of its score, so the score is the log-odds.
    """
    return lambda outputs: tensorflow().reshape(outputs["spans"], (len(outputs["spans"]), -1))[:, place]
