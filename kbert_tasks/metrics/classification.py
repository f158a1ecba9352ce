"""Computes classification scores and defines the Report that holds them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

# Class to its precision, recall, f1 (None if undefined) and support.
PerClass: TypeAlias = dict[str, dict[str, float | None]]


@dataclass
class Report:
    """Scores of one file or table of examples.

    Attributes:
        scores: dict from name to number; also contains `per_class` and `confusion_matrix`, as in `report.json`.
        examples: `read` and `used` (counts), `skipped` (reason to count), `notes` (remark to count).
        errors: a dict with the row number for each example with a wrong answer.
        answers: a dict for each example: row, text, gold, predicted, right, loss, tokens.
    """

    scores: dict[str, Any]
    examples: dict[str, Any] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list, repr=False)
    answers: list[dict[str, Any]] = field(default_factory=list, repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.scores[name]

    def numbers(self) -> dict[str, int | float]:
        """Returns the scores that are single numbers."""
        return {name: value for name, value in self.scores.items() if isinstance(value, int | float)}

    def __str__(self) -> str:
        from .advice import same_answer
        from .formatting import scores_text

        return "\n".join([scores_text(self.scores, self.examples), *same_answer("", self.scores, self.examples)])


def classification(
    gold: Sequence[str | None], predicted: Sequence[str | None], labels: Iterable[str]
) -> dict[str, Any]:
    """Computes the scores of predictions with one label per text, using scikit-learn.

    Args:
        gold, predicted: lists of labels of equal length; a prediction may be None, which is always wrong.
        labels: labels to include even if they are neither in `gold` nor in `predicted`.

    Returns:
        A dict with accuracy, macro_f1, per_class and confusion_matrix. An undefined precision or recall (no predictions,
        no gold labels) is None. macro_f1 is the mean over the labels in `gold` or `predicted`. The confusion matrix does
        not include texts with the prediction None.
    """
    from sklearn import metrics

    names = sorted({each for each in (*labels, *gold, *predicted) if each is not None})
    place: dict[str | None, int] = {None: -1, **{label: i for i, label in enumerate(names)}}
    right, given = ([place[each] for each in part] for part in (gold, predicted))
    columns = list(range(len(names)))
    per_class = _per_class(right, given, names, columns)
    return {
        "accuracy": float(metrics.accuracy_score(right, given)),
        "macro_f1": _macro_f1(per_class),
        "per_class": per_class,
        "confusion_matrix": {
            "labels": names,
            "rows_gold_columns_predicted": metrics.confusion_matrix(right, given, labels=columns).tolist(),
        },
    }


def answered(gold: Sequence[object], predicted: Sequence[object]) -> dict[str, float | None]:
    """Computes the share of texts with an answer (not None), and the accuracy on these texts (None if there are none)."""
    given = [one == other for one, other in zip(gold, predicted, strict=True) if other is not None]
    return {"answered": len(given) / len(gold), "accuracy_answered": sum(given) / len(given) if given else None}


def multi_label(
    gold: Sequence[tuple[str, ...]], predicted: Sequence[tuple[str, ...]], labels: Iterable[str]
) -> dict[str, Any]:
    """Computes the scores of predictions with any number of labels per text.

    `accuracy` is the share of texts whose set of labels is exactly right.

    Args:
        gold, predicted: lists of tuples of labels.
        labels: labels to include even if they are neither in `gold` nor in `predicted`.
    """
    from sklearn import metrics
    from sklearn.preprocessing import MultiLabelBinarizer

    names = sorted({*labels, *(label for each in (*gold, *predicted) for label in each)})
    # An additional column, because scikit-learn interprets a single column as two classes.
    binary = MultiLabelBinarizer(classes=[*names, None]).fit([])
    right, given = binary.transform(gold), binary.transform(predicted)
    columns = list(range(len(names)))
    per_class = _per_class(right, given, names, columns)
    return {
        "accuracy": float((right == given).all(axis=1).mean()),
        "micro_f1": float(metrics.f1_score(right, given, average="micro", labels=columns, zero_division=0)),
        "macro_f1": _macro_f1(per_class),
        "per_class": per_class,
    }


def _per_class(
    gold: list[int] | np.ndarray, predicted: list[int] | np.ndarray, names: list[str], labels: list[int]
) -> PerClass:
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(gold, predicted, labels=labels, zero_division=float("nan"))
    known = [[None if value != value else float(value) for value in column] for column in columns[:3]]
    return {
        name: {"precision": p, "recall": r, "f1": f, "support": int(n)}
        for name, p, r, f, n in zip(names, *known, columns[3], strict=True)
    }


def _macro_f1(per_class: PerClass) -> float:
    """Returns the mean F1 of the labels that occur in the gold answers or the predictions."""
    known = [each["f1"] for each in per_class.values() if each["f1"] is not None]
    return sum(known) / len(known) if known else 0.0
