"""What an audit asks a relation extractor."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...data.annotations.entities import UNTYPED
from ...text.tokenizer import Encoded
from ..contract import Outputs, known
from ..judging import Strings, TableRow
from ..span_judging import SpanJudging
from . import cascade
from .triples import PARTS, TYPES, Triple
from .types import COLUMNS

if TYPE_CHECKING:
    from .types import Example

SPANS = ("subject_span", "object_span")


class TripleJudging(SpanJudging):
    """Judges triples. Two triples contradict each other if two of their three parts are equal."""

    def contradicts(self, gold: Triple, other: Triple) -> bool:
        return sum(one == two for one, two in zip(gold.strings, other.strings, strict=True)) == 2

    def strings(self, answer: Triple) -> Strings:
        return answer.subject, answer.object

    def kind(self, answer: Triple) -> str:
        return answer.predicate

    def shown(self, answer: Triple) -> str:
        return " | ".join(answer.strings)

    def _kinds(self) -> set[str | None]:
        return set(self.task.predicates_)

    def gold_scores(self, example: "Example", window: Encoded, outputs: Outputs) -> Iterator[tuple[Strings, float]]:
        for triple in known(example.triples):
            if triple.predicate in self.task.predicates_:
                kind = self.task.predicates_.index(triple.predicate)
                for subject, object_ in self.task.pairs_of(example, triple, window):
                    yield triple.strings, cascade.score(subject, kind, object_, **outputs)

    def annotated(self, example: "Example") -> TableRow:
        return {"text": example.text, "spo_list": [each.as_dict() for each in known(example.triples)]}

    def read_annotated(self, row: TableRow) -> TableRow:
        rest = {name: cell for name, cell in row.items() if name not in ("entities", "spo_list", "text")}
        settings, found = self.task.settings, row.get("spo_list")
        if isinstance(
            found, list
        ):  # tools need a type for each entity; that of triples without types is left out again
            found = [
                {name: cell for name, cell in each.items() if name not in TYPES or cell != UNTYPED} for each in found
            ]
        return rest | {settings.text_column: row["text"], settings.label_column: found}

    def corrected(self, example: "Example", rows: Sequence[TableRow]) -> list[TableRow]:
        settings, found = self.task.settings, [each.as_dict() for each in known(example.triples)]
        if settings.label_column in rows[0]:
            return [{**row, settings.label_column: found} for row in rows]
        names = dict(zip(PARTS, (getattr(settings, option) for option in COLUMNS), strict=True))
        more = [name for name in (*SPANS, *TYPES) if name in rows[0]]
        empty = dict.fromkeys([*names.values(), *more], "")
        cells = [
            {names[part]: each[part] for part in PARTS} | {name: each.get(name, "") for name in more} for each in found
        ]
        kept = {tuple(str(row[name]) for name in names.values()): row for row in reversed(rows)}
        made = [self._row(kept, tuple(each[name] for name in names.values()), rows[0], each) for each in cells]
        return made or [rows[0] | empty]

    @staticmethod
    def _row(kept: dict[tuple[str, ...], TableRow], key: Any, first: TableRow, cells: TableRow) -> TableRow:
        """Returns the row that has this triple already, so that its other cells are kept, or a copy of the first row."""
        return kept[key] | cells if key in kept else first | cells
