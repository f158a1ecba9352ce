"""Text classification: one label a text or pair of texts, or any number of labels (multi-label)."""

from dataclasses import dataclass, field

import numpy as np

from .. import metrics
from ..data import text_of
from ..errors import InputError
from ..examples import Skip
from ..settings import Settings, option
from .base import Task

POOLINGS = ("cls", "pooler", "mean", "max")


@dataclass(frozen=True)
class ClassifySettings(Settings):
    """What classification can be told beside what every task can."""

    pooling: str = option(
        "cls", "cls: vector of [CLS]; pooler: Google's dense layer on it; mean, max: of all tokens", choices=POOLINGS
    )
    text_b_column: str = option("text_b", "column of the second text, where there is one", later=True)
    multi_label: bool = option(False, "a text may have several labels (or none)")
    label_separator: str = option("|", "between several labels in one cell")

    def __post_init__(self):
        super().__post_init__()
        if not self.label_separator:
            raise InputError("label_separator should be at least one character")


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


class TextClassifier(Task):
    """A label for a text.

    Example:
        >>> task = TextClassifier("checkpoints/chinese_L-12_H-768_A-12", epochs=3)
        >>> task.fit(kb.read("train.csv")).predict(["房间很干净"])
        [Prediction(label='好评', score=0.98)]
    """

    Settings = ClassifySettings
    LEARNED = ("labels_", "pairs_", "multi_label_")
    ANSWER = ("label", "probability")
    SECOND = "text_b_column"
    paired = property(lambda self: self.pairs_)
    first_only = property(lambda self: self.settings.pooling in ("cls", "pooler"))
    pairs_ = multi_label_ = None  # until the training examples tell

    def example(self, row, gold):
        text = text_of(row[self.settings.text_column])
        if not text.strip():
            return Skip("empty text")
        second = self._second(row)
        label = self._label(row.get(self.settings.label_column)) if gold else None
        for part in (second, label):
            if isinstance(part, Skip):
                return part
        return Example(text, second, label)

    def _second(self, row):
        name = self.settings.text_b_column
        if self.pairs_ is False:
            return None
        if name not in row:
            if self.pairs_:
                raise InputError(f"this model is trained on pairs of texts: give the second text, as column {name!r}")
            return None
        second = text_of(row[name])
        return second if second.strip() else Skip("empty second text")

    def _label(self, value):
        if isinstance(value, list | tuple | set | np.ndarray):
            found = tuple(sorted({label for each in value if (label := text_of(each).strip())}))
            if self.multi_label_ is not False:
                return found
            return found[0] if len(found) == 1 else Skip("several labels or none, and the model gives one")
        if (self.settings.multi_label or self.multi_label_) and isinstance(value, str):
            # An empty cell says that no label applies; a missing value says nothing.
            return tuple(
                sorted({label for each in value.split(self.settings.label_separator) if (label := each.strip())})
            )
        return text_of(value).strip() or Skip("no label")

    def columns(self, gold):
        named = self.settings.text_b_column != ClassifySettings.text_b_column  # then it must be there
        return ["text_column", *["text_b_column"] * named, *["label_column"] * gold]

    def learn(self, examples):
        self.pairs_ = any(example.text_b is not None for example in examples)
        self.multi_label_ = self.settings.multi_label or any(isinstance(example.label, tuple) for example in examples)
        self.labels_ = sorted({label for example in examples for label in self._labels(example)})
        least = 1 if self.multi_label_ else 2
        if len(self.labels_) < least:
            seen = f" ({self.labels_[0]})" if self.labels_ else ""
            raise InputError(
                f"the training texts have {len(self.labels_)} different labels{seen}: at least {least} are needed"
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
        return [self.tokenizer.encode(example.text, example.text_b, self.settings.max_length)]

    def target(self, example, encoded):
        places = [self.labels_.index(label) for label in self._labels(example)]
        if not self.multi_label_:
            return {"label": np.int32(places[0])}
        target = np.zeros(len(self.labels_), "float32")
        target[places] = 1
        return {"label": target}

    def probabilities(self, scores):
        if self.multi_label_:
            return super().probabilities(scores)
        p = np.exp(scores.astype("float64") - scores.max(-1, keepdims=True))
        return p / p.sum(-1, keepdims=True)

    def decode(self, example, encoded, outputs):
        p = self.probabilities(outputs[0]["label"])
        if self.multi_label_:
            chosen = np.flatnonzero(p >= 0.5)
            label, score = tuple(self.labels_[i] for i in chosen), tuple(float(p[i]) for i in chosen)
        else:
            label, score = self.labels_[p.argmax()], float(p.max())
        return Prediction(label, score, dict(zip(self.labels_, p.tolist(), strict=True)))

    def error(self, example, prediction):
        if prediction.label == example.label:
            return None
        pair = {} if example.text_b is None else {"text_b": example.text_b}
        return {"text": example.text, **pair, "gold": example.label, "predicted": prediction.label}

    def row(self, prediction):
        if not self.multi_label_:
            return {"label": prediction.label, "probability": round(prediction.score, 6)}
        separator = self.settings.label_separator
        scores = separator.join(f"{p:.6f}" for p in prediction.score)
        return {"label": separator.join(prediction.label), "probability": scores}

    def score(self, examples, predictions):
        kind = metrics.multi_label if self.multi_label_ else metrics.classification
        gold = [self._labels(e) if self.multi_label_ else e.label for e in examples]
        report = metrics.Report(kind(gold, [p.label for p in predictions], self.labels_))
        unseen = sum(not set(self._labels(e)) <= set(self.labels_) for e in examples)
        if unseen:
            report.examples["notes"] = {"a label that training never saw: counted as wrong": unseen}
        return report


TASK = TextClassifier
