"""Example of a custom task at the level of tokens: predicts a tag for each character, such as B, I and O of dishes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from ...data.cells import blank, text_of
from ...data.examples import Skip
from ...errors import InputError, RowError
from ...metrics.classification import Report
from ...settings import Settings, option
from ...text.tokenizer import Encoded, Tokenizer
from ...training.defaults import SPANS
from ..answers import Record
from ..base import Task
from ..contract import Arrays, Row

if TYPE_CHECKING:
    from tf_keras.losses import Loss

    from ..._keras import Model

IGNORED = -1  # target of a token without a character, such as [CLS]; also fills up shorter texts


@dataclass(frozen=True)
class TaggingSettings(Settings):
    """Settings of the tagging task, in addition to those of every task."""

    label_column: str = option("tags", "column of the tags, a letter for each character of the text", later=True)


@dataclass(frozen=True)
class Example:
    """A text and its gold tags, a letter for each character; empty if the tags are not known."""

    text: str
    tags: str


@dataclass(frozen=True)
class Prediction:
    """The predicted tags, a letter for each character, and the mean of their probabilities."""

    tags: str
    probability: float


class TextTagger(Task[Prediction]):
    """Predicts a tag for each character of a text.

    Examples:
        >>> task = TextTagger("tiny-zh", epochs=20)
        >>> task.fit(kb.read("train.csv")).predict(["红烧肉太咸"])
        [Prediction(tags='BIIOO', probability=0.97)]
    """

    settings: TaggingSettings

    Settings = TaggingSettings
    MAIN_SCORE = "f1"
    LEARNED = ("tags_",)
    ANSWER = ("tags", "probability")
    recipe = SPANS

    def read_row(self, row: Row, with_answer: bool) -> Example | Skip:
        text = text_of(row[self.settings.text_column], self.settings.text_column)
        if blank(text):
            return Skip("empty text")
        if not with_answer:
            return Example(text, "")
        tags = text_of(row[self.settings.label_column], self.settings.label_column)
        if len(tags) != len(text):
            raise RowError(f"a text of {len(text)} characters needs as many tags, not {len(tags)}: {tags[:40]!r}")
        return Example(text, tags)

    def prepare(self, examples: Sequence[Example]) -> None:
        self.tags_ = sorted({tag for example in examples for tag in example.tags})
        if len(self.tags_) < 2:
            raise InputError(f"the training texts have {len(self.tags_)} different tag: at least 2 are needed")

    def build(self, encoder: "Model") -> "Model":
        from ..._keras import keras2

        keras = keras2()
        # float32 even if the encoder uses mixed precision
        tags = keras.layers.Dense(len(self.tags_), dtype="float32", name="tags")(encoder.output)  # (batch, time, tags)
        return keras.Model(encoder.inputs, {"tags": tags}, name="tagger")

    def loss(self) -> "dict[str, Loss]":
        from ..._keras import keras2

        # One value for each token. The loss of a text is their mean, without tokens whose target is -1.
        return {"tags": keras2().losses.SparseCategoricalCrossentropy(from_logits=True)}

    def new_tokenizer(self, vocabulary: list[str], cased: bool, by_character: bool = True) -> Tokenizer:
        return super().new_tokenizer(vocabulary, cased, by_character)

    def encode(self, example: Example) -> list[Encoded]:
        return [self.tokenizer.encode(example.text, None, self.settings.max_length)]

    def target(self, example: Example, encoded: Encoded) -> Arrays:
        found = [self.tags_.index(example.tags[start]) if end > start else IGNORED for start, end in encoded.offsets]
        return {"tags": np.array(found, "int32")}  # (tokens,)

    def decode(self, example: Example, encoded: Sequence[Encoded], outputs: Sequence[Arrays]) -> np.ndarray:
        """Returns the probabilities (characters, tags); 0 for characters without a token, such as spaces."""
        (window,), (found,) = encoded, outputs
        p = np.zeros((len(example.text), len(self.tags_)))
        for (start, end), each in zip(window.offsets, softmax(found["tags"].astype("float64"), -1), strict=True):
            p[start:end] = each
        return p

    def decide(self, example: Example, candidates: np.ndarray) -> Prediction:
        best = candidates.argmax(-1)
        other = max(range(len(self.tags_)), key=lambda i: self.tags_[i] == "O")  # for characters without a token
        tags = np.where(candidates.any(-1), best, other)
        sure = candidates.max(-1)[candidates.any(-1)]
        return Prediction("".join(self.tags_[i] for i in tags), float(sure.mean()) if len(sure) else 0.0)

    def record(self, example: Example, candidates: np.ndarray, prediction: Prediction) -> Record:
        gold = [self.tags_.index(tag) if tag in self.tags_ else 0 for tag in example.tags]
        p = np.maximum(candidates[np.arange(len(gold)), gold], 1e-9)
        loss = round(float(-np.log(p).mean()), 6)
        return super().record(example, candidates, prediction) | {"loss": loss}

    def measure(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> Report:
        from sklearn.metrics import accuracy_score, f1_score

        gold = [tag for example in examples for tag in example.tags]
        found = [tag for prediction in predictions for tag in prediction.tags]
        return Report(
            {
                "f1": float(f1_score(gold, found, average="macro", zero_division=0.0)),
                "accuracy": float(accuracy_score(gold, found)),
            }
        )


TASK = TextTagger
