"""What an audit asks an entity recognizer."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...text.spans import occurrences, tokens_of
from ...text.tokenizer import Encoded
from ..contract import Arrays, known
from ..judging import Strings, TableRow
from ..span_judging import SpanJudging
from .entities import Entity, Key

if TYPE_CHECKING:
    from .task import Example


class EntityJudging(SpanJudging):
    """Judges entities. Two entities contradict each other if they overlap."""

    def contradicts(self, gold: Entity, other: Entity) -> bool:
        return gold.start < other.end and other.start < gold.end

    def strings(self, answer: Entity) -> Strings:
        return (answer.entity,)

    def kind(self, answer: Entity) -> str:
        return answer.type

    def _kinds(self) -> set[str | None]:
        return set(self.task.types_)

    def gold_scores(self, example: "Example", window: Encoded, outputs: Arrays) -> Iterator[tuple[Key, float]]:
        p = self.task.probabilities(outputs["spans"])
        for each in known(example.entities):
            tokens = tokens_of(window, each.span)
            if tokens and each.type in self.task.types_:
                yield each.key, float(p[(self.task.types_.index(each.type), *tokens)])

    def is_free(self, example: "Example", answer: Any, strings: Strings) -> bool:
        if not super().is_free(example, answer, strings):
            return False
        taken = [each.span for each in example.entities or ()]
        places = occurrences(example.text, strings[0])
        return any(all(end <= first or last <= start for first, last in taken) for start, end in places)

    def annotated(self, example: "Example") -> TableRow:
        return {"text": example.text, "entities": [each.as_dict() for each in example.entities or ()]}

    def read_annotated(self, row: TableRow) -> TableRow:
        rest = {name: cell for name, cell in row.items() if name not in ("entities", "text")}
        settings = self.task.settings
        return rest | {settings.text_column: row["text"], settings.label_column: row["entities"]}

    def corrected(self, example: "Example", rows: Sequence[TableRow]) -> list[TableRow]:
        cell = [{name: getattr(each, name) for name in ("start", "end", "type")} for each in example.entities or ()]
        return [{**row, self.task.settings.label_column: cell} for row in rows]
