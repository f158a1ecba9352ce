"""Scores, and the Report that holds them."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """Scores of one file or table of examples.

    Attributes:
        scores: name to number; also `per_class` and `confusion_matrix`, as in `report.json`.
        examples: `read`, `used` (counts), `skipped` (reason to count), `notes` (what to know to count).
        errors: a dict for each example with a wrong answer, with the number of its row.
        answers: a dict for each example: row, text, gold, predicted, right, loss, tokens.
    """

    scores: dict[str, Any]
    examples: dict[str, Any] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list, repr=False)
    answers: list[dict[str, Any]] = field(default_factory=list, repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.scores[name]

    def numbers(self) -> dict[str, int | float]:
        """The scores that are single numbers."""
        return {name: value for name, value in self.scores.items() if isinstance(value, int | float)}

    def __str__(self) -> str:
        from .advice import same_answer
        from .formatting import scores_text

        return "\n".join([scores_text(self.scores, self.examples), *same_answer("", self.scores, self.examples)])


def classification(gold, predicted, labels):
    """Scores of one label a text (scikit-learn).

    Args:
        gold, predicted: lists of labels, as long as one another; predicted may be None, which is never right.
        labels: the labels to tell of, also where neither gold nor predicted has them.

    Returns:
        accuracy, macro_f1, per_class and confusion_matrix. A precision or recall that is not defined (nothing
        predicted, nothing there) is None; macro_f1 is the mean over the labels that gold or predictions have. Where None
        is predicted the text is missing from the matrix.
    """
    from sklearn import metrics

    labels = sorted({*labels, *gold, *predicted} - {None})
    place = {label: i for i, label in enumerate(labels)} | {None: -1}
    gold, predicted = ([place[each] for each in part] for part in (gold, predicted))
    columns = list(range(len(labels)))
    per_class = _per_class(gold, predicted, labels, columns)
    return {
        "accuracy": float(metrics.accuracy_score(gold, predicted)),
        "macro_f1": _macro_f1(per_class),
        "per_class": per_class,
        "confusion_matrix": {
            "labels": labels,
            "rows_gold_columns_predicted": metrics.confusion_matrix(gold, predicted, labels=columns).tolist(),
        },
    }


def answered(gold, predicted):
    """How many texts have an answer at all (not None), as a share, and the accuracy among them, None if there are none."""
    given = [one == other for one, other in zip(gold, predicted, strict=True) if other is not None]
    return {"answered": len(given) / len(gold), "accuracy_answered": sum(given) / len(given) if given else None}


def multi_label(gold, predicted, labels):
    """Scores of any number of labels a text: `accuracy` wants the whole set right.

    Args:
        gold, predicted: lists of tuples of labels.
        labels: the labels to tell of, also where neither gold nor predicted has them.
    """
    from sklearn import metrics
    from sklearn.preprocessing import MultiLabelBinarizer

    labels = sorted({*labels, *(label for each in (*gold, *predicted) for label in each)})
    # One column more than there are labels: scikit-learn takes a single column for two classes.
    binary = MultiLabelBinarizer(classes=[*labels, None]).fit([])
    gold, predicted = binary.transform(gold), binary.transform(predicted)
    columns = list(range(len(labels)))
    per_class = _per_class(gold, predicted, labels, columns)
    return {
        "accuracy": float((gold == predicted).all(axis=1).mean()),
        "micro_f1": float(metrics.f1_score(gold, predicted, average="micro", labels=columns, zero_division=0)),
        "macro_f1": _macro_f1(per_class),
        "per_class": per_class,
    }


def _per_class(gold, predicted, names, labels):
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(gold, predicted, labels=labels, zero_division=float("nan"))
    known = [[None if value != value else float(value) for value in column] for column in columns[:3]]
    return {
        name: {"precision": p, "recall": r, "f1": f, "support": int(n)}
        for name, p, r, f, n in zip(names, *known, columns[3], strict=True)
    }


def _macro_f1(per_class):
    """Mean over the labels that gold or predictions have."""
    known = [each["f1"] for each in per_class.values() if each["f1"] is not None]
    return sum(known) / len(known) if known else 0.0
