"""Target: what an explanation explains, an answer in one window of the text."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._keras import tensorflow
from ..text.tokenizer import Encoded


@dataclass(frozen=True)
class Target:
    """An answer in one window, and its score as a function of the outputs of the model.

    Attributes:
        answer: the answer as the task returns it, such as a label or a Triple; None for "no answer".
        shown: the answer as text.
        predicted: whether the task predicts this answer.
        probability: of the answer; None for an answer so improbable that the task does not report one.
        window: the Encoded.
        log_odds: function from the outputs of the model, a dict of name to (batch, ...), to scores (batch,): the log-odds of
            the answer where the task has probabilities.
        places: name of a part of the answer to its tokens (first, last), both included.
        more: inputs of the model beside the window: dict of name to array, with a batch axis of 1.
        record: the answer as a JSON value; by default `shown`, or None for "no answer".
    """

    answer: Any
    shown: str
    predicted: bool
    probability: float | None
    window: Encoded
    log_odds: Callable
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    record: Any = None

    def __post_init__(self):
        if self.record is None and self.answer is not None:
            object.__setattr__(self, "record", self.shown)


def largest_score(task, window, shown):
    """The Target of a task that does not say what to explain: the largest score of its model for a window."""
    (outputs,) = task.outputs([window])
    name = next(name for name in task.losses() if name in outputs)
    scores = np.asarray(outputs[name]).ravel()
    place = int(scores.argmax())

    def score(found):
        return tensorflow().reshape(found[name], (len(found[name]), -1))[:, place]

    return Target(shown, shown, True, None, window, score, record=shown)
