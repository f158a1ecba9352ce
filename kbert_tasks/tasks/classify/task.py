"""Text classification: one label per text or pair of texts, or any number of labels (multi-label)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.annotations.entities import LABEL
from ...data.labels import balanced, marked, thresholds
from ...errors import InputError
from ...metrics import calibration
from ...metrics.classification import Report
from ...metrics.sets import distance
from ...text import truncation
from ...text.tokenizer import Encoded
from ...training import defaults
from ..answers import Record
from ..contract import Arrays
from ..presentation import Presentation
from ..target import Target
from . import scores
from .baseline import Baseline
from .judging import LabelJudging
from .pooling import pooling
from .reading import ReadsLabels
from .types import ClassifySettings, Example, Prediction

if TYPE_CHECKING:
    from tf_keras.losses import Loss

    from ..._keras import Model
    from ..client import Client
    from .losses import Weights


class TextClassifier(ReadsLabels):
    """Predicts the label of a text or of a pair of texts; with `multi_label=True`, any number of labels.

    Args:
        checkpoint: the BERT checkpoint to start from: a folder, a name from `kbert-checkpoint list`, or `hf:OWNER/NAME`.
        **settings: settings of the training, such as `epochs=3`. `kbert-train --task classify --help` lists them.

    Examples:
        >>> import kbert_tasks as kb
        >>> task = kb.TextClassifier("checkpoints/chinese_L-12_H-768_A-12", epochs=3)
        >>> task.fit(kb.read("train.csv")).predict(["房间很干净"])
        [Prediction(label='好评', probability=0.98)]
    """

    Settings = ClassifySettings
    LEARNED = ("labels_", "pairs_", "multi_label_", "temperature_", "temperature_note_", "thresholds_")
    ANSWER = ("label", "probability")
    ANNOTATION = LABEL
    SECOND = "text_b_column"
    presentation = Presentation("Text classification", "文本分类", "label", "各标签", hub_tag="text-classification")
    CLASSES = "labels_"
    paired = property(lambda self: self.pairs_)
    # scikit-learn stratifies by labels that are single.
    KIND = property(lambda self: None if self.settings.multi_label else "classifier")
    first_only = property(lambda self: self.pooling in ("cls", "pooler"))
    weights_: "Weights | None" = None  # class weights of the loss; used only in training

    @property
    def classes_(self) -> np.ndarray:
        """The labels as a NumPy array, as in scikit-learn classifiers."""
        return np.array(self.labels_)

    @property
    def pooling(self) -> str:
        """The pooling used by the model: cls, pooler, mean or max."""
        return str(self.auto_settings()["pooling"].value)

    def auto_settings(self) -> dict[str, defaults.Resolved]:
        return {"pooling": pooling(self.settings, self.config["hidden_size"])}

    def prepare(self, examples: Sequence[Example]) -> None:
        self.pairs_ = any(example.text_b is not None for example in examples)
        self.multi_label_ = self.settings.multi_label or any(isinstance(example.label, tuple) for example in examples)
        self.labels_ = sorted({label for example in examples for label in self.classes_of(example)})
        least = 1 if self.multi_label_ else 2
        if len(self.labels_) < least:
            seen = f" ({self.labels_[0]})" if self.labels_ else ""
            raise InputError(
                f"the training texts have {len(self.labels_)} different labels{seen}: at least {least} are needed"
            )
        self._can_abstain()
        self.temperature_ = 1.0  # `tune` replaces this, the note and the thresholds
        self.temperature_note_: str | None = None
        self.thresholds_: dict[str, float] | None = dict.fromkeys(self.labels_, 0.5) if self.multi_label_ else None
        if self.settings.class_weight == "balanced":
            self.weights_ = balanced(self.marked_gold(examples), bool(self.multi_label_))

    def gold_of(self, example: Example) -> str | tuple[str, ...] | None:
        """Returns the gold answer in the form of `Prediction.label`."""
        return self.classes_of(example) if self.multi_label_ else example.label

    def marked_gold(self, examples: Sequence[Example]) -> np.ndarray:
        """Returns the gold labels of examples as a float array (examples, labels) of 0 and 1."""
        return marked([self.classes_of(example) for example in examples], self.labels_)

    def split_key(self, example: Example) -> str | tuple[str, ...] | None:
        return example.label

    def classes_of(self, example: Example) -> tuple[str, ...]:
        return example.labels

    def baseline(self, examples: Sequence[Example]) -> Baseline | None:
        return Baseline(self, examples) if self.settings.baseline else None

    def build(self, encoder: "Model") -> "Model":
        from ..._keras import keras2
        from ...encoder.layers import Dropout
        from ...encoder.pooling import pooled

        keras = keras2()
        vector = pooled(encoder, self.pooling)  # (batch, hidden)
        vector = Dropout(self.settings.dropout, name="Head-Dropout")(vector)
        # Logits, in float32 even if the encoder uses mixed precision.
        label = keras.layers.Dense(len(self.labels_), dtype="float32", name="label")(vector)  # (batch, labels)
        return keras.Model(encoder.inputs, {"label": label}, name="classifier")

    def loss(self) -> "dict[str, Loss]":
        from .losses import loss

        settings, teaching = self.settings, None
        if self.teacher_:
            teaching = settings.distillation_weight, settings.distillation_temperature
        several = bool(self.multi_label_)
        return {"label": loss(several, self.weights_, settings.focal_gamma, settings.label_smoothing, teaching)}

    def texts_of(self, example: Example) -> tuple[str, str | None]:
        return example.text, example.text_b

    def encode(self, example: Example) -> list[Encoded]:
        return truncation.encode(self.tokenizer, *self.texts_of(example), self.settings)

    def notes_on(self, example: Example, encoded: Sequence[Encoded]) -> Iterator[str]:
        yield from super().notes_on(example, encoded)
        if truncation.first_cut(self.tokenizer, example.text, encoded):
            yield "first text of a pair truncated, to leave space in the windows"

    def taught(self, example: Example, candidates: np.ndarray, share: float) -> Example:
        if bool(self.multi_label_) != bool(getattr(self.teacher_, "multi_label_", self.multi_label_)):
            raise InputError(
                "either the teacher or the training rows have several labels per text, not both: use another teacher, or "
                "multi_label for both"
            )
        p = calibration.tempered(candidates, self.settings.distillation_temperature, bool(self.multi_label_))
        return replace(example, teacher=tuple(p.tolist()))

    def target(self, example: Example, encoded: Encoded) -> dict[str, np.ndarray | np.int32]:
        if example.teacher is not None:  # (gold or teacher, labels); -1 where the gold labels are not known
            gold = np.full(len(self.labels_), -1.0) if example.label is None else self.marked_gold([example])[0]
            return {"label": np.array([gold, example.teacher], "float32")}
        if self.multi_label_:
            return {"label": self.marked_gold([example])[0].astype("float32")}
        (label,) = self.classes_of(example)
        return {"label": np.int32(self.labels_.index(label))}

    def client(self) -> "Client":
        from .client import client

        return client(self)

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        if self.multi_label_:
            return super().probabilities(scores)
        from scipy.special import softmax

        return softmax(scores.astype("float64"), axis=-1)

    def decode(self, example: Example, encoded: Sequence[Encoded], outputs: Sequence[Arrays]) -> np.ndarray:
        """Returns the probabilities (labels,) of the model, combined over the windows and not calibrated."""
        p = self.probabilities(np.array([each["label"] for each in outputs]))  # (windows, labels)
        p = truncation.merged(p, self.settings.window_pooling)
        return p if self.multi_label_ else p / p.sum()

    def tune(self, examples: Sequence[Example], candidates: Sequence[np.ndarray]) -> None:
        p, gold, several = np.array(candidates), self.marked_gold(examples), bool(self.multi_label_)
        if self.settings.calibrate:
            self.temperature_, self.temperature_note_ = calibration.reliable_temperature(p, gold, several)
        if several:
            found = thresholds(calibration.tempered(p, self.temperature_, several), gold)
            self.thresholds_ = dict(zip(self.labels_, found, strict=True))

    def tuning_notes(self) -> Iterator[str]:
        if self.temperature_note_:
            yield f"probabilities are not calibrated (temperature 1): {self.temperature_note_}"

    def decide(self, example: Example, candidates: np.ndarray) -> Prediction:
        p = calibration.tempered(candidates, self.temperature_, bool(self.multi_label_))
        label: str | tuple[str, ...] | None
        score: float | tuple[float, ...]
        if self.multi_label_ and self.thresholds_:
            chosen = [i for i, label in enumerate(self.labels_) if p[i] >= self.thresholds_[label]]
            label, score = tuple(self.labels_[i] for i in chosen), tuple(float(p[i]) for i in chosen)
        else:
            best = candidates.argmax()
            label, score = self.labels_[best], float(p[best])
            if score < (self.settings.min_confidence or 0):
                label = None
        return Prediction(label, score, dict(zip(self.labels_, p.tolist(), strict=True)))

    def record(self, example: Example, candidates: np.ndarray, prediction: Prediction) -> Record:
        """Describes one answer; its loss is None if the gold label does not occur in the training examples."""
        gold, several = self.marked_gold([example]), bool(self.multi_label_)
        p = calibration.tempered(candidates[None], self.temperature_, several)
        loss = float(calibration.losses(p, gold, several)[0])
        return super().record(example, candidates, prediction) | {
            "probabilities": {label: round(each, 6) for label, each in prediction.probabilities.items()},
            "loss": round(loss, 6) if several or gold.any() else None,
        }

    def details(self, example: Example, prediction: Prediction) -> Record:
        # A label that is not in the training examples has no probability. If the model abstains, use that of the best label.
        p = {label: round(each, 6) for label, each in prediction.probabilities.items()}
        gold = [p.get(label) for label in self.classes_of(example)]
        if isinstance(prediction.probability, tuple):
            sure: Record = {"probability": [p[label] for label in prediction.label or ()], "gold_probability": gold}
        else:
            sure = {"probability": round(prediction.probability, 6), "gold_probability": gold[0]}
        return super().details(example, prediction) | sure

    def annotation(self, example: Example, prediction: Prediction) -> list[str]:
        """Returns the names of the labels; none if the model abstains."""
        label = prediction.label
        return [*label] if isinstance(label, tuple) else [] if label is None else [label]

    def certainty(self, example: Example, candidates: np.ndarray, prediction: Prediction) -> float:
        """Returns the probability of the best label; with several labels, the distance of a probability to its threshold."""
        if not self.thresholds_:
            return max(prediction.probabilities.values())
        return min(distance(p, self.thresholds_[label]) for label, p in prediction.probabilities.items())

    def judging(self) -> LabelJudging:
        return LabelJudging(self)

    def explain_targets(
        self,
        example: Example,
        windows: Sequence[Encoded],
        candidates: np.ndarray,
        prediction: Prediction,
        answer: Any,
    ) -> list[Target]:
        from .explain import targets

        return targets(self, example, windows, candidates, prediction, answer)

    def to_dict(self, prediction: Prediction) -> Record:
        if not isinstance(prediction.probability, tuple):
            return {"label": prediction.label, "probability": round(prediction.probability, 6)}
        separator = self.settings.label_separator
        scores = separator.join(f"{p:.6f}" for p in prediction.probability)
        return {"label": separator.join(prediction.label or ()), "probability": scores}

    def to_json(self, prediction: Prediction) -> Record:
        if not isinstance(prediction.probability, tuple):
            return self.to_dict(prediction)
        return {"label": list(prediction.label or ()), "probability": [round(p, 6) for p in prediction.probability]}

    def measure(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> Report:
        return scores.report(self, examples, predictions)


TASK = TextClassifier
