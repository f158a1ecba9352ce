"""How a text classifier reads its rows: texts, second texts, and labels in all their forms."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...data import doubts, label_forms
from ...data.cells import blank, missing, text_of
from ...data.examples import Skip
from ...data.labels import labels_of
from ...errors import InputError
from ..base import Task
from ..contract import Row
from .types import ClassifySettings, Example, Prediction

if TYPE_CHECKING:
    import pandas as pd

    from ...typing import Labels


class ReadsLabels(Task[Prediction]):
    """The part of a TextClassifier that turns rows into examples.

    Attributes:
        pairs_: whether the examples are pairs of texts; None before training.
        multi_label_: whether a text can have several labels; None before training.
    """

    settings: ClassifySettings

    pairs_: bool | None = None
    multi_label_: bool | None = None

    def read_row(self, row: Row, with_answer: bool) -> Example | Skip:
        text = text_of(row[self.settings.text_column], self.settings.text_column)
        if blank(text):
            return Skip("empty text")
        second = self._second(row)
        label = self._label(row.get(self.settings.label_column)) if with_answer else None
        if isinstance(second, Skip):
            return second
        if isinstance(label, Skip):
            return label
        return Example(text, second, label)

    def _second(self, row: Row) -> str | Skip | None:
        name = self.settings.text_b_column
        if self.pairs_ is False:
            return None
        if name not in row:
            if self.pairs_:
                raise InputError(f"this model was trained on pairs of texts: give the second text, as column {name!r}")
            return None
        second = text_of(row[name], name)
        return Skip("empty second text") if blank(second) else second

    def _label(self, value: Any) -> str | tuple[str, ...] | Skip:
        column = self.settings.label_column
        if isinstance(value, label_forms.LISTS) and getattr(value, "ndim", 1) > 0:
            found = labels_of(value, column)
            if self.multi_label_ is not False:
                return found
            return found[0] if len(found) == 1 else Skip("several labels or none, but the model predicts one")
        if missing(value):  # unlike an empty cell, which in multi-label data means that no label applies
            return Skip("no label")
        label = text_of(value, column)
        if self._several and isinstance(value, str | bytes):
            return labels_of(label.split(self.settings.label_separator))
        return Skip("no label") if blank(label) else label.strip()

    @property
    def _several(self) -> bool:
        """Whether a cell may contain several labels."""
        return self.settings.multi_label or bool(self.multi_label_)

    def label_list(self, labels: "Labels") -> list[Any]:
        found = super().label_list(labels)
        return found if self._several else label_forms.column_of_one(found) or found

    def group_rows(self, rows: "pd.DataFrame") -> "tuple[pd.DataFrame, list[tuple[int, ...]]]":
        name = self.settings.label_column
        if name in rows:
            if self._several:
                rows = label_forms.with_lists(rows, name)
            label_forms.refuse_vectors(rows, name)
        return super().group_rows(rows)

    def columns(self, with_answer: bool) -> list[str]:
        self._can_abstain()
        named = self.settings.text_b_column != ClassifySettings.text_b_column  # then it is required
        return ["text_column", *["text_b_column"] * named, *["label_column"] * with_answer]

    def _can_abstain(self) -> None:
        if self.multi_label_ and self.settings.min_confidence is not None:
            raise InputError(
                "min_confidence cannot be used with multi_label, where each label has its own threshold: leave it out"
            )

    def doubtful_answers(self, examples: Sequence[Example]) -> Iterator[str]:
        sets, separator = [example.labels for example in examples], self.settings.label_separator
        names = Counter(label for labels in sets for label in labels)
        yield from doubts.alike(names, "labels")
        if unread := [*doubts.unread_forms(sets)]:  # another separator would not help
            yield from unread
        elif self.settings.multi_label:
            yield from doubts.unsplit(sets, separator)
        elif not self.multi_label_:
            yield from doubts.unread_lists(names, separator)
