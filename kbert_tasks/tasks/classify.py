"""Text classification: one label a text or pair of texts, or any number of labels (multi-label)."""

from dataclasses import dataclass, field

import numpy as np

from .. import metrics
from ..data import text_of
from ..errors import InputError
from ..settings import Settings, option
from .base import Skip, Task

POOLINGS = ("cls", "pooler", "mean", "max")


@dataclass(frozen=True)
class ClassifySettings(Settings):
    """What classification can be told beside what every task can."""

    pooling: str = option(
        "cls", "cls: vector of [CLS]; pooler: Google's dense layer on it; mean, max: of all tokens", choices=POOLINGS
    )
    text_b_column: str = option("text_b", "column of the second text, where there is one")
    multi_label: bool = option(False, "a text may have several labels (or none)")
    label_separator: str = option("|", "between several labels in one cell")


@dataclass(frozen=True)
class Example:
    """A text (with a second one, or None) and its gold: a label, a tuple of labels, or None."""

    text: str
    text_b: str | None
    label: str | tuple | None


@dataclass(frozen=True)
class Prediction:
    """An answer: the label and its probability; for multi-label a tuple of each.

    `probabilities` has every label's.
    """

    label: str | tuple
    score: float | tuple
    probabilities: dict = field(repr=False)

    def row(self):
        """For a table: multi-label answers joined by a bar."""
        if isinstance(self.label, str):
            return {"label": self.label, "probability": round(self.score, 6)}
        return {"label": "|".join(self.label), "probability": "|".join(f"{p:.6f}" for p in self.score)}


class TextClassifier(Task):
    """A label for a text.

    Example:
        >>> task = TextClassifier("checkpoints/chinese_L-12_H-768_A-12", epochs=3)
        >>> task.fit(kb.read("train.csv")).predict(["房间很干净"])
        [Prediction(label='好评', score=0.98)]
    """

    __doc__ += Task.__doc__.split("answer.")[1]

    Settings = ClassifySettings
    LEARNED = ("labels_", "pairs_", "multi_label_")

    def example(self, row, gold):
        text = text_of(row[self.settings.text_column])
        if not text.strip():
            return Skip("empty text")
        second = row.get(self.settings.text_b_column)
        second = text_of(second) if second is not None else None
        if second is not None and not second.strip():
            return Skip("empty second text")
        label = self._label(row.get(self.settings.label_column)) if gold else None
        return label if isinstance(label, Skip) else Example(text, second, label)

    def _label(self, value):
        several = self.settings.multi_label or (self.model is not None and self.multi_label_)
        if isinstance(value, list | tuple | set | np.ndarray):
            return tuple(sorted({text_of(each).strip() for each in value}))
        label = text_of(value).strip()
        if several and isinstance(value, str):  # an empty cell says that no label applies; a missing value says nothing
            parts = (part.strip() for part in label.split(self.settings.label_separator))
            return tuple(sorted({part for part in parts if part}))
        return label or Skip("no label")

    def columns(self, gold):
        named = self.settings.text_b_column != ClassifySettings.text_b_column  # then it must be there
        return ["text_column", *["text_b_column"] * named, *["label_column"] * gold]

    def learn(self, examples):
        self.pairs_ = any(example.text_b is not None for example in examples)
        self.multi_label_ = self.settings.multi_label or any(isinstance(example.label, tuple) for example in examples)
        self.labels_ = sorted({label for example in examples for label in self._labels(example)})
        if len(self.labels_) < (1 if self.multi_label_ else 2):
            raise InputError(
                f"the training texts have {len(self.labels_)} different labels ({', '.join(self.labels_)}): two are needed"
            )

    def _labels(self, example):
        return example.label if isinstance(example.label, tuple) else (example.label,)

    def stratum(self, example):
        return None if isinstance(example.label, tuple) else example.label

    def build(self, encoder):
        from .._keras import keras2
        from ..layers import pooled

        keras = keras2()
        vector = pooled(encoder, self.settings.pooling)  # (batch, hidden)
        vector = keras.layers.Dropout(self.settings.dropout, name="Head-Dropout")(vector)
        # Scores before softmax or sigmoid; float32 whatever the encoder computes in.
        label = keras.layers.Dense(len(self.labels_), dtype="float32", name="label")(vector)  # (batch, labels)
        return keras.Model(encoder.inputs, {"label": label}, name="classifier")

    def losses(self):
        from .._keras import keras2

        losses = keras2().losses
        kind = losses.BinaryCrossentropy if self.multi_label_ else losses.SparseCategoricalCrossentropy
        return {"label": kind(from_logits=True)}

    def encode(self, example):
        if self.pairs_ and example.text_b is None:
            name = self.settings.text_b_column
            raise InputError(f"this model is trained on pairs of texts: give the second text, as column {name!r}")
        return self.tokenizer.encode(example.text, example.text_b if self.pairs_ else None, self.settings.max_length)

    def target(self, example, encoded):
        places = [self.labels_.index(label) for label in self._labels(example)]
        if not self.multi_label_:
            return {"label": np.int32(places[0])}
        target = np.zeros(len(self.labels_), "float32")
        target[places] = 1
        return {"label": target}

    def decode(self, example, encoded, outputs):
        scores = outputs["label"].astype("float64")
        if self.multi_label_:
            p = 1 / (1 + np.exp(-scores))
            chosen = np.flatnonzero(p >= 0.5)
            label, score = tuple(self.labels_[i] for i in chosen), tuple(float(p[i]) for i in chosen)
        else:
            p = np.exp(scores - scores.max())
            p /= p.sum()
            label, score = self.labels_[p.argmax()], float(p.max())
        return Prediction(label, score, dict(zip(self.labels_, p.tolist(), strict=True)))

    def score(self, examples, predictions):
        kind = metrics.multi_label if self.multi_label_ else metrics.classification
        gold = [self._labels(e) if self.multi_label_ else e.label for e in examples]
        report = metrics.Report(kind(gold, [p.label for p in predictions], self.labels_))
        unseen = sum(not set(self._labels(e)) <= set(self.labels_) for e in examples)
        if unseen:
            report.examples["notes"] = {"a label that training never saw: counted as wrong": unseen}
        return report


TASK = TextClassifier
