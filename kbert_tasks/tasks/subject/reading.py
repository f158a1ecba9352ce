"""How a SubjectExtractor reads its rows: texts, event types and subjects."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

from ...data import doubts, tables
from ...data.cells import blank, text_of, texts_of
from ...data.examples import Skip, join_rows
from ...errors import InputError
from ..contract import Row, known
from ..span_task import SpanTask
from .annotated import by_type, is_annotated
from .subjects import subjects_of
from .types import Example, Prediction, SubjectSettings

if TYPE_CHECKING:
    import pandas as pd


class ReadsSubjects(SpanTask[Prediction]):
    """The part of a SubjectExtractor that turns rows into examples.

    Attributes:
        typed_: whether the training data have event types; None before training.
        paired: whether the model reads pairs of a text and an event type; None before training.
    """

    settings: SubjectSettings

    SECOND = "type_column"
    SECOND_TEXT = "the event's type"
    typed_: bool | None = None  # set by `name_columns` and `prepare`
    paired = property(lambda self: self.typed_ and not self.settings.find_types)

    def reads_second(self, with_answer: bool) -> bool:
        return super().reads_second(with_answer) or (with_answer and self.settings.find_types)

    def name_columns(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        settings = self.settings
        names = ["id", settings.text_column, settings.type_column, settings.label_column][: rows.shape[1]]
        numbered = [str(i) for i in range(1, len(names) + 1)]
        # The published CCKS 2019 files have no header. Their columns are id, text, type and, for training, subject.
        if len(names) >= 3 and list(rows.columns) == numbered and settings.text_column not in numbered:
            if all(number.isdigit() for number in texts_of(rows, "1")):
                rows = rows.set_axis(names, axis=1)
        if settings.type_column in rows:
            kinds = ["" if blank(kind) else kind.strip() for kind in texts_of(rows, settings.type_column)]
            rows = rows.assign(**{settings.type_column: kinds})
        if self.typed_ is None:
            typed = settings.type_column in rows and bool((rows[settings.type_column] != "").any())
            self.typed_ = typed or is_annotated(rows, settings.label_column, settings.type_column)
            if settings.find_types and not self.typed_:
                raise InputError(
                    f"find_types needs the event types of the training texts, but {rows.attrs.get('file', 'the table')} "
                    f"has none in a column {settings.type_column!r}: choose the column with type_column (--type-column), "
                    "or train without find_types"
                )
        return rows

    def group_rows(self, rows: "pd.DataFrame") -> "tuple[pd.DataFrame, list[tuple[int, ...]]]":
        text, kind, label = (getattr(self.settings, f"{name}_column") for name in ("text", "type", "label"))
        if self.typed_ and text in rows and is_annotated(rows, label, kind):
            return by_type(rows, text, kind, label, self.settings.find_types)
        if self.settings.find_types and len(rows):
            tables.column(rows, kind, "type_column")  # not in `columns`, because `join_rows` replaces this column
        if text not in rows or label not in rows or (self.typed_ and kind not in rows):  # `columns` reports it
            return super().group_rows(rows)
        keys, cells = [text], [label, *["subject_span"] * ("subject_span" in rows)]
        if self.typed_:
            (cells if self.settings.find_types else keys).append(kind)
        return join_rows(rows, keys, cells, label)

    def columns(self, with_answer: bool) -> list[str]:
        typed = self.typed_ or self.settings.type_column != SubjectSettings.type_column  # required if the user named it
        needed = bool(typed) and not self.settings.find_types
        return ["text_column", *["type_column"] * needed, *["label_column"] * with_answer]

    def read_row(self, row: Row, with_answer: bool) -> Example | Skip:
        text = text_of(row[self.settings.text_column], self.settings.text_column)
        if blank(text):
            return Skip("empty text")
        if with_answer and row[self.settings.label_column] is None:
            return Skip("not annotated")
        kind = row[self.settings.type_column] if self.paired else None
        if kind == "":
            return Skip("no event type")
        if not with_answer:
            return Example(text, kind, None)
        found = []
        for cell, *more in row[self.settings.label_column]:
            of_cell = more.pop() if self.settings.find_types else None
            found += subjects_of(text, cell, more[0] if more else None, of_cell)
        if any(each.event_type == "" for each in found):
            return Skip("a subject has no event type")
        if not found and self.settings.without_subject == "skip":
            return Skip("no subject")
        return Example(text, kind, tuple(dict.fromkeys(found)))

    def split_key(self, example: Example) -> Hashable:
        return example.event_type, example.found_types, bool(example.subjects)

    def classes_of(self, example: Example) -> tuple[str, ...]:
        return example.found_types

    def doubtful_answers(self, examples: Sequence[Example]) -> Iterator[str]:
        kinds = (kind for e in examples for kind in (e.event_type, *(each.event_type for each in known(e.subjects))))
        return doubts.alike(Counter(kind for kind in kinds if kind is not None), "event types")
