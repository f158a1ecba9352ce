"""Explanation: the contributions of the tokens of a text to an answer, and the attention maps."""

from dataclasses import dataclass
from typing import Any

import numpy as np

CLOSE = 0.05  # maximum of |delta| / |score - baseline| at which the number of steps is sufficient


@dataclass(frozen=True, eq=False)
class Explanation:
    """The explanation of one answer of a trained task; `print` shows it as a table.

    Attributes:
        texts: the text, or the two texts of a pair, in the order in which the model reads them.
        tokens: str of each token of the window: its characters in the text, or "[CLS]" and "[SEP]".
        offsets: int32 (tokens, 2), [start, end) of each token in the characters of its text; (0, 0) for [CLS] and [SEP].
        segments: int32 (tokens,), 0 for the first text and 1 for the second.
        cut: number of tokens of the text outside this window.
        answer: the explained answer as the task returns it, such as a label or a Triple; None for "no answer".
        shown: the answer as text.
        record: the answer as a JSON value.
        predicted: whether `predict` returns this answer.
        probability: probability of the answer, as in `predict`.
        places: dict of the name of a part of the answer (such as "subject") to its tokens (first, last), both inclusive.
        score: log-odds of the answer, log(p / (1 - p)), for this window.
        baseline: log-odds of the answer if each token except [CLS] and [SEP] is replaced by [MASK].
        steps: number of interpolation points between the baseline and the text.
        attributions: float64 (tokens,), the contribution of each token to score - baseline. A positive value supports the
            answer, a negative one opposes it.
        delta: sum of the attributions minus (score - baseline), the error of the numerical integration.
        attention: float32 (layers, heads, query tokens, key tokens), probabilities whose rows add up to 1; None if not
            requested.
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
        """Whether `delta` is small compared with score - baseline."""
        return abs(self.delta) <= CLOSE * abs(self.score - self.baseline)

    def as_dict(self) -> dict[str, Any]:
        """Returns the explanation as JSON values, without the attention, which is too large for JSON."""
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
