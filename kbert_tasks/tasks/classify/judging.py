"""What an audit asks a text classifier: the probabilities of all labels, and labels in the forms of annotation tools.

The probabilities are the mean of those of the model and of TF-IDF with logistic regression, fitted on the same texts. Their
errors differ: with a small checkpoint, the mean finds more wrong labels than each of them (benchmarks/audit.md).
"""

import json
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.annotations.entities import LABEL, TEXT
from ...data.label_forms import LISTS, listed
from ...text.tokenizer import Encoded
from ..judging import Evidence, Judgement, Judging, Strings, TableRow

if TYPE_CHECKING:
    from .types import Example


class LabelJudging(Judging):
    """Judges labels. Each label of a multi-label text is a separate question: whether the text has it."""

    NEEDS_LABELS = True

    def judge_all(
        self, examples: Sequence["Example"], encoded: Sequence[Sequence[Encoded]], evidence: Sequence[Evidence]
    ) -> list[Judgement]:
        predictions = [
            self.task.decide(example, its.candidates) for example, its in zip(examples, evidence, strict=True)
        ]
        p = np.array([[each.probabilities[label] for label in self.task.labels_] for each in predictions])
        if self.task.baseline_ is not None:
            p = (p + self.task.baseline_.probabilities(examples)) / 2
        return [
            self._judged(example, dict(zip(self.task.labels_, its, strict=True)), list(prediction.label or ()))
            for example, prediction, its in zip(examples, predictions, p.tolist(), strict=True)
        ]

    def _judged(self, example: "Example", p: dict[str, float], chosen: list[str]) -> Judgement:
        unseen = any(label not in p for label in example.labels)
        one = self._of_several if self.task.multi_label_ else self._of_one
        return one(p, example.labels, chosen, unseen)

    def _of_one(self, p: dict[str, float], gold: Strings, chosen: list[str], unseen: bool) -> Judgement:
        (label,) = gold
        sure = p.get(label, 0.0)
        best = max((each for each in p if each != label), key=p.__getitem__)
        suggested = best if p[best] > sure else label
        reason = (
            f"models trained without this text give {label!r} the probability {sure:.2f}, and {best!r} {p[best]:.2f}"
        )
        return Judgement(sure, p[best], sure, suggested, reason, p, not unseen)

    def _of_several(self, p: dict[str, float], gold: Strings, chosen: list[str], unseen: bool) -> Judgement:
        agreeing = {label: each if label in gold else 1 - each for label, each in p.items()}
        worst = min(agreeing, key=agreeing.__getitem__)
        what = "it has this label" if worst in gold else "it does not have this label"
        reason = f"models trained without this text give {worst!r} the probability {p[worst]:.2f}, but {what}"
        sure = agreeing[worst]
        return Judgement(sure, 1 - sure, sure, chosen, reason, p, not unseen)

    def answers(self, example: "Example") -> dict[Hashable, Strings]:
        return {label: () for label in example.labels}

    def annotated(self, example: "Example") -> TableRow:
        second = {} if example.text_b is None else {self.task.settings.text_b_column: example.text_b}
        return {TEXT: example.text, LABEL: list(example.labels), **second}

    def read_annotated(self, row: TableRow) -> TableRow:
        rest = {name: cell for name, cell in row.items() if name not in (LABEL, TEXT)}
        settings = self.task.settings
        return rest | {settings.text_column: row[TEXT], settings.label_column: row.get(LABEL)}

    def corrected(self, example: "Example", rows: Sequence[TableRow]) -> list[TableRow]:
        name = self.task.settings.label_column
        return [{**row, name: self._cell(example, row.get(name))} for row in rows]

    def _cell(self, example: "Example", before: Any) -> Any:
        """Returns the new label in the form of the cell that it replaces: a list, the JSON of a list, or joined names."""
        names = list(example.labels)
        if isinstance(before, LISTS) and getattr(before, "ndim", 1) > 0:
            return names
        if not isinstance(example.label, tuple):
            return names[0]
        as_json = isinstance(before, str) and listed(before) is not None
        return json.dumps(names, ensure_ascii=False) if as_json else self.task.settings.label_separator.join(names)
