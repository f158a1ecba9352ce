"""JSONL with entities: {"text": ..., "entities": [{"start": 0, "end": 2, "type": "PER"}]}, or lists [0, 2, "PER"]."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError, RowError
from ..cells import text_of
from ..output import json_line
from . import offsets
from .entities import ENTITIES, TEXT, TRIPLES, Annotated, Row, replaced, written
from .offsets import Counting, Found

# Names of the keys in published data sets and in the output of common libraries.
STARTS, ENDS = ("start", "start_offset", "start_idx", "begin"), ("end", "end_offset", "end_idx")
TYPES, SURFACES = (
    ("type", "label", "entity_type", "entity_group", "tag"),
    ("text", "word", "surface", "mention", "entity"),
)
COLUMNS = (ENTITIES, "label", "labels")  # the keys of a row that can contain entities, the preferred one first


def is_entity(value: Any) -> bool:
    """Returns whether a JSON value has the form of an entity: a dict with two offsets, or [start, end, type]."""
    if isinstance(value, dict):
        return bool(value.keys() & {*STARTS} and value.keys() & {*ENDS})
    return isinstance(value, list) and len(value) == 3 and all(offsets.whole(each) is not None for each in value[:2])


def column_of(row: Row) -> str | None:
    """Returns the key of a row that contains entities, or None."""
    return next((name for name in COLUMNS if isinstance(row.get(name), list) and any(map(is_entity, row[name]))), None)


def found(value: Any) -> Found:
    """Reads one entity.

    Raises:
        RowError: it has no such form.
    """
    if isinstance(value, list) and is_entity(value):
        return Found(*value)
    if not isinstance(value, dict) or not is_entity(value):
        raise RowError(
            f'expected an entity such as {{"start": 0, "end": 2, "type": "PER"}} or [0, 2, "PER"], found {str(value)[:60]}'
        )
    keys = [next((name for name in names if name in value), None) for names in (STARTS, ENDS, TYPES, SURFACES)]
    start, end, kind, surface = (value.get(name) for name in keys)
    more = {name: each for name, each in value.items() if name not in (*keys, "id")}
    key = value.get("id")
    return Found(
        start,
        end,
        kind,
        surface if isinstance(surface, str) else None,
        key if isinstance(key, int | str) else None,
        more,
    )


def text_in(row: Row, path: Path, number: int) -> str:
    """Returns the text of a row.

    Raises:
        InputError: the row has no text.
    """
    if TEXT not in row:
        raise InputError(
            f"{path}, row {number} has no {TEXT!r}; found: {', '.join(map(str, list(row)[:12])) or 'nothing'}"
        )
    try:
        return text_of(row[TEXT], TEXT)
    except RowError as error:
        raise InputError(f"{path}, row {number}: {error}") from None


def listed(path: Path, rows: Sequence[Row], column: str) -> list[list[Found] | None]:
    """Reads the entities of each row from a column; None if the row has no such column or it is empty."""
    made: list[list[Found] | None] = []
    for number, row in enumerate(rows, 1):
        value = row.get(column)
        if not isinstance(value, list | None):
            raise InputError(f"{path}, row {number}: expected a list of entities, found {str(value)[:60]}")
        try:
            made.append(None if value is None else [found(each) for each in value])
        except RowError as error:
            raise InputError(f"{path}, row {number}: {error}") from None
    return made


def read(path: Path, rows: Sequence[Row], usual: tuple[Counting, ...] = (offsets.CHARACTERS,)) -> Annotated:
    """Reads rows whose entities are in the column `entities`, `label` or `labels`."""
    texts = [text_in(row, path, number) for number, row in enumerate(rows, 1)]
    column = next((name for row in rows if (name := column_of(row))), ENTITIES)
    entities = listed(path, rows, column)
    counting = offsets.counting_of(path, texts, entities, usual)
    made = Annotated(about=[*offsets.sentences(counting, usual[0], texts)])
    for row, text, each in zip(rows, texts, entities, strict=True):
        spans = offsets.located(text, each or [], counting)
        cells: dict[str, dict[str, Any]] = {
            TEXT: {TEXT: text},
            column: {ENTITIES: None if each is None else spans.entities},
        }
        made.rows.append(replaced(row, cells))
        made.problems.append(spans.problems)
    return made


def lines(rows: Iterable[Row], problems: Counter[str]) -> Iterator[str]:
    """Yields one line of JSON per row."""
    for row in rows:
        triples = {} if row[TRIPLES] is None else {TRIPLES: row[TRIPLES]}
        yield json_line(written(row, {TEXT: {TEXT: row[TEXT]}, ENTITIES: {ENTITIES: row[ENTITIES]}, TRIPLES: triples}))
