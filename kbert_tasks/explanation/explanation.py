"""Explanation: what the tokens of a text contribute to an answer, and what each head attends to."""

from dataclasses import dataclass
from typing import Any

import numpy as np

CLOSE = 0.05  # of the score's way from the baseline: a delta above that asks for more steps


@dataclass(frozen=True, eq=False)
class Explanation:
    """One answer of a trained task, and where it comes from; `print` shows it as a table.

    Attributes:
        texts: the text, or the two of a pair, in the order in which the model reads them.
        tokens: str of each token of the window: the characters of the text that it stands for, or [CLS] and [SEP].
        offsets: int32 (tokens, 2), half-open characters of the token's text; (0, 0) for [CLS] and [SEP].
        segments: int32 (tokens,), 0 for the first text and 1 for the second.
        cut: tokens that stand outside this window; the model did not see them with these.
        answer: what is explained, as the task returns it, such as a label or a Triple; None for "no answer".
        shown: the answer as text.
        record: the answer as a JSON value.
        predicted: whether it is what `predict` answers.
        probability: of the answer, as in `predict`.
        places: name of a part of the answer (such as "subject") to its tokens (first, last), both included.
        score: log-odds of the answer, log(p / (1 - p)), for this window.
        baseline: the same where each token is [MASK]; [CLS] and [SEP] stay.
        steps: points on the way from the baseline to the text.
        attributions: float64 (tokens,): of the way from `baseline` to `score`, each token's share. Above 0 it speaks for
            the answer, below 0 against it.
        delta: sum of the attributions less (score - baseline): how far the sum over `steps` points is from the integral.
        attention: float32 (layers, heads, tokens that ask, tokens): probabilities, each row adds up to 1. None where it was
            not asked for.
    """

    texts: tuple[str, ...]
    tokens: tuple[str, ...]
    offsets: np.ndarray
    segments: np.ndarray
    cut: int
    answer: Any
    shown: str
    record: Any
    predicted: bool
    probability: float
    places: dict[str, tuple[int, int]]
    score: float
    baseline: float
    steps: int
    attributions: np.ndarray
    delta: float
    attention: np.ndarray | None

    @property
    def close(self) -> bool:
        """Whether `delta` is small beside what the attributions explain."""
        return abs(self.delta) <= CLOSE * abs(self.score - self.baseline)

    def as_dict(self) -> dict[str, Any]:
        """All but the attention, for JSON: as many numbers as that has are read from `attention` in Python."""
        numbers = ("probability", "score", "baseline", "delta")
        columns = zip(self.tokens, self.segments, self.offsets, self.attributions, strict=True)
        tokens = [
            {"token": token, "segment": int(segment), "span": span.tolist(), "attribution": round(float(value), 6)}
            for token, segment, span, value in columns
        ]
        return {
            "answer": self.record,
            "predicted": self.predicted,
            **{name: round(getattr(self, name), 6) for name in numbers},
            "steps": self.steps,
            "cut": self.cut,
            "places": {name: list(place) for name, place in self.places.items()},
            "tokens": tokens,
        }

    def __str__(self) -> str:
        from .terminal import table

        return table(self)
