"""The subject of an event as the target of an explanation."""

import numpy as np

from ..._keras import tensorflow
from ...errors import InputError
from ..target import Target
from .subjects import NO_SUBJECT, Subject


def targets(task, example, windows, possible, prediction, answer):
    """The Targets of an answer: see `Task.explain_targets`.

    Without an answer: what is answered, be it "no subject".
    """
    subject = _subject(possible, prediction, answer)
    predicted = subject in prediction.subjects if subject else not prediction.subjects
    shown, found = (subject.subject if subject else "no subject"), []
    for window in windows:
        places = [NO_SUBJECT] if subject is None else task.tokens(example, subject.subject, subject.span, window)
        if places:
            # 1 is the answer, 0 what else could be, -1 what could not
            _, y = task.draw({"Input-Segment": window.segments}, places[:1], None)
            named = {} if subject is None else {"subject": places[0]}
            score = getattr(subject, "score", None)
            odds = _odds(int(np.argmax(y["spans"].ravel())))
            found.append(Target(subject, shown, predicted, score, window, odds, named, record=subject and shown))
    if not found:
        reason = task.lost(example, subject.subject, subject.span, windows)
        raise InputError(f"{subject.subject!r} cannot be answered for this text: it {reason}")
    return found


def _subject(possible, prediction, answer):
    if answer is None:
        return prediction.subjects[0] if prediction.subjects else None
    string = answer.subject if isinstance(answer, Subject) else answer
    if not isinstance(string, str):
        raise InputError(f"the answer should be a part of the text, not {answer!r}")
    found = (each for each in possible if each.subject == string)
    return next(found, Subject(string)) if string else None


def _odds(place):
    """Log-odds of the span at a place of the flattened scores: its score, as each span has a probability of its own."""
    return lambda outputs: tensorflow().reshape(outputs["spans"], (len(outputs["spans"]), -1))[:, place]
