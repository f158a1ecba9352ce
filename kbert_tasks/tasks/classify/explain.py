"""Explanation targets for text classification."""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...text.tokenizer import Encoded
from .. import log_odds
from ..target import Target
from .types import Example, Prediction

if TYPE_CHECKING:
    from tensorflow import Tensor

    from .task import TextClassifier


def targets(
    task: "TextClassifier",
    example: Example,
    windows: Sequence[Encoded],
    candidates: np.ndarray,
    prediction: Prediction,
    answer: Any,
) -> list[Target]:
    """Returns a Target for a label in each window; see `Task.explain_targets`.

    If `answer` is None, the most probable label is explained.
    """
    labels, p = task.labels_, prediction.probabilities
    label = max(labels, key=lambda each: p[each]) if answer is None else answer
    if label not in labels:
        near = difflib.get_close_matches(str(label), labels, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"its labels: {', '.join(labels[:20])}"
        raise InputError(f"{label!r} is not a label of this model; {hint}")
    right = labels.index(label)
    wrong = np.delete(np.arange(len(labels)), right)

    def odds(outputs: "dict[str, Tensor]") -> "Tensor":
        scores = outputs["label"]
        return scores[:, right] if task.multi_label_ else log_odds.one_of(scores, right, wrong)

    given = prediction.label
    predicted = label in given if isinstance(given, tuple) else label == given
    return [Target(label, label, predicted, float(p[label]), window, odds) for window in windows]
