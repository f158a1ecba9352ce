"""Subjects from annotated texts, and back: an entity is a subject, and its type is the type of the event."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ...data.annotations.entities import ENTITIES, PROBLEMS, TEXT, entities_of
from ...data.cells import in_row, items, text_of
from ..contract import known
from .subjects import Subject

if TYPE_CHECKING:
    import pandas as pd

UNTYPED = "subject"  # the type of the entities that are written if there are no event types


def is_annotated(rows: "pd.DataFrame", label_column: str, type_column: str) -> bool:
    """Returns whether the subjects of a table are in a column of entities."""
    return ENTITIES in rows and label_column not in rows and type_column not in rows


def by_type(
    rows: "pd.DataFrame", text_column: str, type_column: str, label_column: str, find_types: bool
) -> "tuple[pd.DataFrame, list[tuple[int, ...]]]":
    """Makes one row for each text and type of its entities; with `find_types` one row for each text.

    Each answer in the new column `label_column` is [subject, span], with `find_types` [subject, span, event type]. The
    column is None if the text is not annotated. The event type of a text without entities is empty.

    Returns:
        (the new table, for each of its rows the position of the row that it was made from).
    """
    sources: list[tuple[int, ...]] = []
    kinds: list[str] = []
    answers: list[list[list[Any]] | None] = []
    for place, (cell, given) in enumerate(zip(items(rows[text_column]), items(rows[ENTITIES]), strict=True)):
        found: dict[str, list[list[Any]]] = defaultdict(list)
        with in_row(rows, rows.index[place]):
            text = text_of(cell, text_column)
            entities = entities_of({TEXT: text, ENTITIES: given})
        for each in entities or ():
            answer = [text[each["start"] : each["end"]], [each["start"], each["end"]]]
            found["" if find_types else each["type"]].append([*answer, each["type"]] if find_types else answer)
        for kind, listed in (found or {"": []}).items():
            sources.append((place,))
            kinds.append(kind)
            answers.append(None if entities is None else listed)
    table = rows.iloc[[source[0] for source in sources]].drop(columns=[ENTITIES])
    table[type_column], table[label_column] = kinds, answers
    if PROBLEMS in table:  # a problem of a text is counted once, not for each type
        first = [index == 0 or source != sources[index - 1] for index, source in enumerate(sources)]
        table[PROBLEMS] = [each if new else [] for each, new in zip(items(table[PROBLEMS]), first, strict=True)]
    return table, sources


def entities(subjects: Iterable[Subject], event_type: str | None) -> list[dict[str, Any]]:
    """Converts predicted subjects to entities.

    Args:
        subjects: the subjects, with their spans.
        event_type: the event type that the model read; None if it finds event types, or if there are none.
    """
    return [
        {
            "entity": each.subject,
            "type": each.event_type or event_type or UNTYPED,
            "start": known(each.span).start,
            "end": known(each.span).end,
            "probability": round(known(each.probability), 6),
        }
        for each in subjects
    ]
