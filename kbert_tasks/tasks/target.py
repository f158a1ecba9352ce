"""Target: the answer in one window of a text that is explained."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._keras import tensorflow
from ..text.spans import TokenSpan
from ..text.tokenizer import Encoded
from .contract import Arrays

if TYPE_CHECKING:
    from tensorflow import Tensor

    from .answers import Answers

# From the model outputs, name to (batch, ...), to the scores of an answer, (batch,).
LogOdds: TypeAlias = "Callable[[dict[str, Tensor]], Tensor]"


@dataclass(frozen=True)
class Target:
    """An answer in one window, with a function that computes its score from the model outputs.

    Attributes:
        answer: the answer as the task returns it, such as a label or a Triple; None for "no answer".
        shown: the answer as text.
        predicted: whether the task predicts this answer.
        probability: the probability of the answer; None if the task does not report one because it is too small.
        window: the Encoded.
        log_odds: function from the model outputs, a dict of name to tensor (batch, ...), to scores (batch,). The score is
            the log-odds of the answer if the task has probabilities.
        places: dict of the name of a part of the answer to its tokens (first, last), both inclusive.
        more: additional model inputs: dict of name to array with a batch axis of 1.
        record: the answer as a JSON value; by default `shown`, or None for "no answer".
    """

    answer: Any
    shown: str
    predicted: bool
    probability: float | None
    window: Encoded
    log_odds: LogOdds
    places: dict[str, TokenSpan] = field(default_factory=dict)
    more: Arrays = field(default_factory=dict)
    record: Any = None

    def __post_init__(self) -> None:
        if self.record is None and self.answer is not None:
            object.__setattr__(self, "record", self.shown)


def largest_score(task: "Answers", window: Encoded, shown: str) -> Target:
    """Returns the default Target of a window: the largest score of the model.

    Args:
        task: a trained task.
        window: the Encoded.
        shown: the answer as text.
    """
    (outputs,) = task.run_model([window])
    name = next(name for name in task.loss() if name in outputs)
    scores = np.asarray(outputs[name]).ravel()
    place = int(scores.argmax())

    def score(found: "dict[str, Tensor]") -> "Tensor":
        return tensorflow().reshape(found[name], (len(found[name]), -1))[:, place]

    return Target(shown, shown, True, None, window, score, record=shown)
