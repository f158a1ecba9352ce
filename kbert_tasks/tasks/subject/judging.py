"""What an audit asks a subject extractor."""

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...data.annotations.entities import ENTITIES
from ...data.cells import text_of
from ...text.spans import occurrences
from ...text.tokenizer import Encoded
from ..contract import Arrays, known
from ..judging import Strings, TableRow
from ..span_judging import SpanJudging
from .subjects import Key, Subject

if TYPE_CHECKING:
    from .types import Example

KIND = "subject"  # the type of the entities in annotation tools, if the subjects have no event type of their own


class SubjectJudging(SpanJudging):
    """Judges subjects. Any other subject of the same event type contradicts a gold subject that is improbable."""

    def contradicts(self, gold: Subject, other: Subject) -> bool:
        return gold.event_type == other.event_type or gold.subject == other.subject

    def strings(self, answer: Subject) -> Strings:
        return (answer.subject,)

    def kind(self, answer: Subject) -> str | None:
        return answer.event_type

    def _kinds(self) -> set[str | None]:
        return set(self.task.kinds)

    def names(self, example: "Example") -> Strings:
        return super().names(example) if example.event_type is None else (example.event_type,)

    def gold_scores(self, example: "Example", window: Encoded, outputs: Arrays) -> Iterator[tuple[Key, float]]:
        p = self.task.span_probabilities(window, outputs)
        for each in known(example.subjects):
            if each.event_type in self.task.kinds:
                kind = self.task.kinds.index(each.event_type)
                for tokens in self.task.tokens(example, each.subject, each.span, window):
                    yield each.key, float(p[(kind, *tokens)])

    def answers(self, example: "Example") -> dict[Hashable, Strings]:
        """Returns the subjects. A subject of an event is not one of another event, so the key has the event type."""
        found = known(example.subjects)
        return {(example.event_type or each.event_type, each.subject): (each.subject,) for each in found}

    def is_free(self, example: "Example", answer: Any, strings: Strings) -> bool:
        same_event = example.event_type is None or example.event_type == answer[0]
        return same_event and super().is_free(example, answer, strings)

    def annotated(self, example: "Example") -> TableRow | None:
        found = []
        for each in known(example.subjects):
            span = each.span or next(iter(occurrences(example.text, each.subject)), None)
            if span is None:
                return None
            found.append({"start": span.start, "end": span.end, "type": each.event_type or KIND})
        kind = {} if example.event_type is None else {self.task.settings.type_column: example.event_type}
        return {"text": example.text, ENTITIES: found, **kind}

    def read_annotated(self, row: TableRow) -> TableRow:
        settings, text, finds = self.task.settings, row["text"], self.task.settings.find_types
        rest = {name: cell for name, cell in row.items() if name not in (ENTITIES, "text")}
        found = [
            {"subject": text[each["start"] : each["end"]], "span": [each["start"], each["end"]]}
            | ({"event_type": each["type"]} if finds else {})
            for each in row[ENTITIES] or ()
        ]
        kind = {settings.type_column: found[0]["event_type"] if found else ""} if finds else {}
        return rest | {settings.text_column: text, settings.label_column: found} | kind

    def corrected(self, example: "Example", rows: Sequence[TableRow]) -> list[TableRow]:
        settings, subjects = self.task.settings, known(example.subjects)
        if settings.label_column not in rows[0]:
            return [{**row, ENTITIES: self._entities(example, row[ENTITIES])} for row in rows]
        if isinstance(rows[0][settings.label_column], list | dict):
            return [rows[0] | {settings.label_column: [each.as_dict() for each in subjects]}]
        kept = {text_of(row[settings.label_column]).strip(): row for row in reversed(rows)}
        empty = {settings.label_column: ""} | ({"subject_span": ""} if "subject_span" in rows[0] else {})
        return [self._row(kept.get(each.subject, rows[0]), each) for each in subjects] or [rows[0] | empty]

    def _row(self, row: TableRow, subject: Subject) -> TableRow:
        cells: TableRow = {self.task.settings.label_column: subject.subject}
        if "subject_span" in row:
            cells["subject_span"] = list(subject.span) if subject.span else ""
        if subject.event_type is not None:
            cells[self.task.settings.type_column] = subject.event_type
        return row | cells

    def _entities(self, example: "Example", before: Any) -> list[TableRow]:
        """Returns the entities of an annotated text, with those of the event of this example replaced."""
        kept = [] if self.task.settings.find_types else [e for e in before or () if e["type"] != example.event_type]
        new = [
            {"start": each.span.start, "end": each.span.end, "type": each.event_type or example.event_type}
            for each in known(example.subjects)
            if each.span
        ]
        return [*kept, *new]
