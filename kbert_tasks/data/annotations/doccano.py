"""JSONL of doccano: "label" or "labels" with [start, end, type], or "entities" and "relations" that refer to them.

In projects for text classification, "label" is a list of names.

doccano runs in the browser and counts UTF-16 code units. Its import accepts what its export writes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..output import json_line
from . import jsonl, offsets
from .entities import ENTITIES, LABEL, TEXT, TRIPLES, Annotated, Entity, Row, labels_of, replaced, written
from .relations import Reference, references, triples

USUAL = (offsets.UTF16, offsets.CHARACTERS)
RELATIONS = "relations"
TAKEN = (ENTITIES, RELATIONS, LABEL)


def is_row(row: Row) -> bool:
    """Returns whether a row has entities or relations in the form of doccano."""
    relations = row.get(RELATIONS)
    if isinstance(relations, list) and any(isinstance(each, dict) and "from_id" in each for each in relations):
        return True
    column = jsonl.column_of(row)
    if column == ENTITIES:
        return any(isinstance(each, dict) and "start_offset" in each for each in row[ENTITIES])
    return column is not None


def read(path: Path, rows: Sequence[Row]) -> Annotated:
    """Reads an export of a project for sequence labelling, with or without relations, or for text classification."""
    texts = [jsonl.text_in(row, path, number) for number, row in enumerate(rows, 1)]
    column = next((name for row in rows if (name := jsonl.column_of(row))), None)
    if column is None and any(map(labels_of, rows)):
        return Annotated([dict(row) for row in rows], [[] for _ in rows])
    if column is None:
        column = next((name for name in jsonl.COLUMNS if any(name in row for row in rows)), LABEL)
    entities = jsonl.listed(path, rows, column)
    related = any(RELATIONS in row for row in rows)
    counting = offsets.counting_of(path, texts, entities, USUAL)
    made = Annotated(about=[*offsets.sentences(counting, offsets.CHARACTERS, texts)])
    for number, (row, text, each) in enumerate(zip(rows, texts, entities, strict=True), 1):
        spans = offsets.located(text, each or [], counting)
        cells: dict[str, dict[str, Any]] = {
            TEXT: {TEXT: text},
            column: {ENTITIES: None if each is None else spans.entities},
        }
        if related:
            found = triples(text, _references(row, path, number), spans.by_key, spans.problems)
            cells[RELATIONS] = {TRIPLES: found}
        made.rows.append(replaced(row, cells))
        made.problems.append(spans.problems)
    return made


def _references(row: Row, path: Path, number: int) -> Iterator[Reference]:
    given = row.get(RELATIONS) or ()
    if not isinstance(given, list | tuple):
        raise InputError(f"{path}, row {number}: expected a list of relations, found {str(given)[:60]}")
    for each in given:
        if not isinstance(each, dict) or "from_id" not in each or "to_id" not in each:
            raise InputError(
                f'{path}, row {number}: expected a relation such as {{"from_id": 0, "to_id": 1, "type": "TYPE"}}, found '
                f"{str(each)[:60]}"
            )
        yield Reference(each["from_id"], each.get("type"), each["to_id"])


def lines(rows: Iterable[Row], problems: Counter[str]) -> Iterator[str]:
    """Yields one line of JSON per row: with entities and relations if the row has triples, otherwise with labels."""
    number = 0
    for row in rows:
        cells: dict[str, dict[str, Any]] = {TEXT: {TEXT: row[TEXT]}, ENTITIES: {}, TRIPLES: {}}
        if row[TRIPLES] is not None:
            entities, related = references(row, problems)
            dicts = [{"id": number + index, **_offsets(row[TEXT], each)} for index, each in enumerate(entities)]
            ids = [
                {"id": number + index, "from_id": number + one.subject, "to_id": number + one.object, "type": one.label}
                for index, one in enumerate(related)
            ]
            number += max(len(entities), len(related))
            cells |= {ENTITIES: {ENTITIES: dicts}, TRIPLES: {RELATIONS: ids}}
        elif row[ENTITIES] is not None:
            cells[ENTITIES] = {LABEL: [[*_offsets(row[TEXT], each).values()] for each in row[ENTITIES]]}
        elif labels_of(row) is not None:
            cells[LABEL] = {LABEL: labels_of(row)}
        yield json_line(written(row, cells, TAKEN))


def _offsets(text: str, entity: Entity) -> dict[str, Any]:
    start, end = (offsets.to_utf16(text, entity[name]) for name in ("start", "end"))
    return {"start_offset": start, "end_offset": end, "label": entity["type"]}
