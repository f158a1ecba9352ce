"""Example of a custom task: predicts the rating of a text, such as one to five stars, as a number."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...data.cells import blank, text_of
from ...data.examples import Skip
from ...errors import InputError, RowError
from ...metrics.classification import Report
from ...settings import Settings, option
from ...text.tokenizer import Encoded
from ..answers import Record
from ..base import Task
from ..contract import Arrays, Row

if TYPE_CHECKING:
    from tf_keras.losses import Loss

    from ..._keras import Model


@dataclass(frozen=True)
class RatingSettings(Settings):
    """Settings of the rating task, in addition to those of every task."""

    label_column: str = option("rating", "column of the rating, a number", later=True)
    tolerance: float = option(0.5, "an answer no further from the gold is right", least=0, later=True)


@dataclass(frozen=True)
class Example:
    """A text and its gold rating; NaN if the rating is not known."""

    text: str
    rating: float


@dataclass(frozen=True)
class Prediction:
    """A rating, between the lowest and the highest of the training examples."""

    rating: float


class TextRater(Task[Prediction]):
    """Predicts a number for a text.

    Examples:
        >>> task = TextRater("tiny-zh", epochs=10, learning_rate=1e-3)
        >>> task.fit(kb.read("train.csv")).predict(["房间很干净"])
        [Prediction(rating=4.37)]
    """

    settings: RatingSettings

    Settings = RatingSettings
    MAIN_SCORE = "closeness"
    LEARNED = ("mean_", "deviation_", "lowest_", "highest_")
    ANSWER = ("rating",)
    first_only = True

    # From rows to examples --------------------------------------------------------

    def read_row(self, row: Row, with_answer: bool) -> Example | Skip:
        text = text_of(row[self.settings.text_column], self.settings.text_column)
        if blank(text):
            return Skip("empty text")
        if not with_answer:
            return Example(text, math.nan)
        cell = text_of(row[self.settings.label_column], self.settings.label_column).strip()
        if blank(cell):
            return Skip("no rating")
        try:
            rating = float(cell)
        except ValueError:
            rating = math.nan
        if not math.isfinite(rating):
            raise RowError(f"the rating should be a number, not {cell[:40]!r}")
        return Example(text, rating)

    def split_key(self, example: Example) -> int:
        return round(example.rating)

    def prepare(self, examples: Sequence[Example]) -> None:
        ratings = [example.rating for example in examples]
        self.lowest_, self.highest_ = min(ratings), max(ratings)
        self.mean_, self.deviation_ = float(np.mean(ratings)), float(np.std(ratings))
        if self.lowest_ == self.highest_:
            raise InputError(f"all texts have the rating {self.lowest_:g}: different ones are needed")

    # The head ---------------------------------------------------------------------

    def build(self, encoder: "Model") -> "Model":
        from ..._keras import keras2
        from ...encoder.layers import Dropout
        from ...encoder.pooling import pooled

        keras = keras2()
        vector = pooled(encoder, "cls")  # (batch, hidden)
        vector = Dropout(self.settings.dropout, name="Head-Dropout")(vector)
        # In standard deviations from the mean; float32 even if the encoder uses mixed precision.
        rating = keras.layers.Dense(1, dtype="float32", name="rating")(vector)  # (batch, 1)
        return keras.Model(encoder.inputs, {"rating": rating}, name="rater")

    def loss(self) -> "dict[str, Loss]":
        from ..._keras import keras2

        return {"rating": keras2().losses.MeanSquaredError()}

    # From text to tokens, and back ------------------------------------------------

    def encode(self, example: Example) -> list[Encoded]:
        return [self.tokenizer.encode(example.text, None, self.settings.max_length)]

    def target(self, example: Example, encoded: Encoded) -> Arrays:
        return {"rating": np.array([self._standard(example.rating)], "float32")}

    def _standard(self, rating: float) -> float:
        return (rating - self.mean_) / self.deviation_

    def decode(self, example: Example, encoded: Sequence[Encoded], outputs: Sequence[Arrays]) -> float:
        (window,) = outputs  # `encode` returns one window per text
        return self.mean_ + self.deviation_ * float(window["rating"][0])

    def decide(self, example: Example, candidates: float) -> Prediction:
        return Prediction(min(max(candidates, self.lowest_), self.highest_))

    # Output and scores ------------------------------------------------------------

    def is_right(self, example: Example, prediction: Prediction) -> bool:
        return abs(example.rating - prediction.rating) <= self.settings.tolerance

    def record(self, example: Example, candidates: float, prediction: Prediction) -> Record:
        loss = self._standard(example.rating) - self._standard(candidates)
        return super().record(example, candidates, prediction) | {"loss": round(loss**2, 6)}

    def measure(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> Report:
        from scipy.stats import spearmanr

        gold = np.array([example.rating for example in examples])
        found = np.array([prediction.rating for prediction in predictions])
        ranked = len({*gold}) > 1 and len({*found}) > 1  # the rank correlation is undefined for constant values
        right = [self.is_right(*each) for each in zip(examples, predictions, strict=True)]
        error = float(np.mean(np.abs(gold - found)))
        return Report(
            {
                "closeness": 1 - error / (self.highest_ - self.lowest_),  # 1 is perfect
                "mean_absolute_error": error,
                "accuracy": float(np.mean(right)),
                "spearman": float(spearmanr(gold, found).statistic) if ranked else None,
            }
        )


TASK = TextRater
