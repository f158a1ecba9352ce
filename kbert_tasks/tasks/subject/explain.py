"""Explanation targets for subject extraction."""

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
    subject = _subject(candidates, prediction, answer)
    predicted = subject in prediction.subjects if subject else not prediction.subjects
    shown, found = (subject.subject if subject else "no subject"), list[Target]()
    for window in windows:
        places = [NO_SUBJECT] if subject is None else task.tokens(example, subject.subject, subject.span, window)
        if places:
            # 1 for the answer, 0 for other possible spans, -1 for impossible spans
            _, y = task.sample_target({"Input-Segment": window.segments}, places[:1], None)
            named: dict[str, TokenSpan] = {} if subject is None else {"subject": places[0]}
            score = getattr(subject, "probability", None)
            odds = _odds(int(np.argmax(y["spans"].ravel())))
            found.append(Target(subject, shown, predicted, score, window, odds, named, record=subject and shown))
    if not found and subject:
        reason = task.lost(example, subject.subject, subject.span, windows)
        raise InputError(f"{subject.subject!r} cannot be answered for this text: it {reason}")
    return found


def _subject(candidates: Sequence[Subject], prediction: "Prediction", answer: Any) -> Subject | None:
    if answer is None:
        return prediction.subjects[0] if prediction.subjects else None
    string = answer.subject if isinstance(answer, Subject) else answer
    if not isinstance(string, str):
        raise InputError(f"the answer should be a part of the text, not {answer!r}")
    found = (each for each in candidates if each.subject == string)
    return next(found, Subject(string)) if string else None


def _odds(place: int) -> LogOdds:
    """Returns a function that reads the log-odds of a span at an index of the flattened scores.

    The probability of each span is a sigmoid of its score, so the score is the log-odds.
    """
    return lambda outputs: tensorflow().reshape(outputs["spans"], (len(outputs["spans"]), -1))[:, place]
