"""Settings, examples and predictions of text classification."""

from dataclasses import dataclass, field

from ...errors import InputError
from ...settings import AUTO, option
from ...text.truncation import TruncationSettings
from ..contract import known

POOLINGS = ("cls", "pooler", "mean", "max")


@dataclass(frozen=True)
class ClassifySettings(TruncationSettings):
    """Settings of text classification, in addition to those of every task."""

    pooling: str = option(
        AUTO,
        "vector that is classified: cls: vector of [CLS]; pooler: the same after the checkpoint's dense layer; "
        "mean, max: mean or maximum over all tokens",
        choices=(AUTO, *POOLINGS),
    )
    text_b_column: str = option("text_b", "column of the second text of a pair, if there is one", later=True)
    multi_label: bool = option(False, "a text may have several labels (or none)")
    label_separator: str = option("|", "separator between several labels in one cell")
    calibrate: bool = option(
        True, "calibrate the probabilities with a temperature that is fitted on the development texts"
    )
    min_confidence: float | None = option(
        None,
        "a text gets no label (None) if its most probable label is less probable than this",
        least=0,
        most=1,
        later=True,
    )
    class_weight: str = option(
        "none", "weights of the labels in the loss; balanced: rare labels count more", choices=("none", "balanced")
    )
    focal_gamma: float = option(
        0.0,
        "gamma of the focal loss, which reduces the weight of texts that are already classified well; 0 switches it off",
        least=0,
    )
    label_smoothing: float = option(
        0.0, "share of the target probability that is distributed over all labels", least=0, below=1
    )
    distillation_temperature: float = option(
        2.0,
        "with a teacher: temperature of the probabilities that are learned; above 1, small probabilities count more",
        above=0,
    )
    baseline: bool = option(
        True,
        "also fit TF-IDF with logistic regression on the training rows, for comparison; kbert-audit uses the mean of both "
        "probabilities",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.label_separator:
            raise InputError("label_separator should be at least one character")


@dataclass(frozen=True)
class Example:
    """A text, its second text or None, and its gold answer: a label, a tuple of labels, or None if it is not known.

    `teacher` is the tempered probability that a teacher gives each label, or None without a teacher.
    """

    text: str
    text_b: str | None
    label: str | tuple[str, ...] | None
    teacher: tuple[float, ...] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The gold labels; exactly one, unless the task is multi-label."""
        label = known(self.label)
        return label if isinstance(label, tuple) else (label,)


@dataclass(frozen=True)
class Prediction:
    """The predicted label of a text.

    Attributes:
        label: the label; a tuple of labels for multi-label tasks; None if the probability is below `min_confidence`.
        probability: the probability of the label; a tuple for multi-label tasks; of the best label if `label` is None.
        probabilities: dict of each label to its probability.
    """

    label: str | tuple[str, ...] | None
    probability: float | tuple[float, ...]
    probabilities: dict[str, float] = field(repr=False)
