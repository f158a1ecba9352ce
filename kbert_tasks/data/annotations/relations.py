"""Relations between annotated entities: from references to entities, as tools write them, to triples, and back."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .entities import ENTITIES, TEXT, TRIPLES, UNTYPED, Entity, Row, list_in, type_of

NO_ENTITY = "relations left out: an entity that they refer to is not there"
NO_LABEL = "relations left out: no label"
NO_PLACE = "triples left out: no positions, and the subject or the object is not exactly once in the text"
NO_TRIPLE = "triples left out: expected a subject, a predicate and an object, each one text"
ADDED = f"entities added for triples (type {UNTYPED} if the triple has none)"


class Reference(NamedTuple):
    """A relation as it is in a file: the keys of two entities, and the label."""

    subject: Any
    label: Any
    object: Any


def triples(
    text: str, references: Iterable[Reference], by_key: Mapping[Hashable, Entity], problems: list[str]
) -> list[dict[str, Any]]:
    """Converts relations to triples with positions and with the types of their entities; adds to `problems`."""
    made = []
    for each in references:
        label = type_of(each.label)
        if label is None:
            problems.append(NO_LABEL)
        elif not _known(each.subject, by_key) or not _known(each.object, by_key):
            problems.append(NO_ENTITY)
        else:
            first, second = by_key[each.subject], by_key[each.object]
            made.append(
                {
                    "subject": text[first["start"] : first["end"]],
                    "predicate": label,
                    "object": text[second["start"] : second["end"]],
                    "subject_span": [first["start"], first["end"]],
                    "object_span": [second["start"], second["end"]],
                    "subject_type": first["type"],
                    "object_type": second["type"],
                }
            )
    return made


def _known(key: Any, by_key: Mapping[Hashable, Entity]) -> bool:
    return isinstance(key, int | str) and key in by_key


def references(row: Row, problems: Counter[str]) -> tuple[list[Entity], list[Reference]]:
    """Converts the triples of a row to relations between its entities.

    Subjects and objects of a row without entities, such as predicted triples, become its entities and are not counted.

    Returns:
        (the entities of the row, and after them an entity for each subject or object that was none of them; the
        relations, whose keys are indices of this list).
    """
    entities = [*(row[ENTITIES] or ())]
    known = len(entities)
    made = []
    for triple in row[TRIPLES] or ():
        if not _is_triple(triple):
            problems[NO_TRIPLE] += 1
            continue
        subject, object_ = (_span(row[TEXT], triple, part) for part in ("subject", "object"))
        if subject is None or object_ is None:
            problems[NO_PLACE] += 1
        else:
            first = _index(entities, subject, triple.get("subject_type"))
            second = _index(entities, object_, triple.get("object_type"))
            made.append(Reference(first, triple["predicate"], second))
    if len(entities) > known and row[ENTITIES] is not None:
        problems[ADDED] += len(entities) - known
    return entities, made


def _is_triple(value: Any) -> bool:
    parts = ("subject", "predicate", "object")
    return isinstance(value, dict) and all(isinstance(value.get(part), str) and value[part] for part in parts)


def _span(text: str, triple: Mapping[str, Any], part: str) -> list[int] | None:
    """Returns the span of the subject or the object; None if there is none and the string is not exactly once in the text."""
    span = list_in(triple, f"{part}_span")
    if span is None and text.count(triple[part]) == 1:
        start = text.index(triple[part])
        span = [start, start + len(triple[part])]
    return span


def _index(entities: list[Entity], span: Sequence[int], kind: Any) -> int:
    """Returns the index of the entity with this span, and with this type if it is known; adds it if it is not there."""
    kind = kind if isinstance(kind, str) and kind else None  # DuIE has dicts of types for objects with several parts
    for index, each in enumerate(entities):
        if (each["start"], each["end"]) == tuple(span) and kind in (None, each["type"]):
            return index
    entities.append({"start": span[0], "end": span[1], "type": kind or UNTYPED})
    return len(entities) - 1
