"""The format of CLUENER: {"text": ..., "label": {"name": {"surface": [[start, end]]}}}, with inclusive ends."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..output import json_line
from . import offsets
from .entities import ENTITIES, LABEL, TEXT, TRIPLES, Annotated, Row, replaced, written
from .jsonl import text_in
from .offsets import Found

USUAL = (offsets.INCLUSIVE, offsets.CHARACTERS)
EXPECTED = 'expected {"TYPE": {"TEXT OF THE ENTITY": [[start, end]]}}'


def is_row(row: Row) -> bool:
    """Returns whether a row has entities in this form."""
    value = row.get(LABEL)
    return isinstance(value, dict) and bool(value) and all(map(_is_type, value.values()))


def _is_type(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(spans, list) and all(isinstance(span, list) and len(span) == 2 for span in spans)
        for spans in value.values()
    )


def read(path: Path, rows: Sequence[Row]) -> Annotated:
    """Reads rows with the column `label`; a row without it is not annotated."""
    texts, entities = [], []
    for number, row in enumerate(rows, 1):
        texts.append(text_in(row, path, number))
        value = row.get(LABEL)
        if value is not None and value != {} and not is_row(row):
            raise InputError(f"{path}, row {number}: {EXPECTED}, found {str(value)[:60]}")
        entities.append(None if value is None else [*_found(value)])
    counting = offsets.counting_of(path, texts, entities, USUAL)
    made = Annotated(about=[*offsets.sentences(counting, USUAL[0], texts)])
    for row, text, each in zip(rows, texts, entities, strict=True):
        spans = offsets.located(text, each or [], counting)
        cells: dict[str, dict[str, Any]] = {
            TEXT: {TEXT: text},
            LABEL: {ENTITIES: None if each is None else spans.entities},
        }
        made.rows.append(replaced(row, cells))
        made.problems.append(spans.problems)
    return made


def _found(label: dict[str, dict[str, list[list[Any]]]]) -> Iterator[Found]:
    for kind, surfaces in label.items():
        for surface, spans in surfaces.items():
            for start, end in spans:
                yield Found(start, end, kind, surface)


def lines(rows: Iterable[Row], problems: Counter[str]) -> Iterator[str]:
    """Yields one line of JSON per row."""
    for row in rows:
        entities, text = row[ENTITIES], row[TEXT]
        label: dict[str, dict[str, list[list[int]]]] = defaultdict(lambda: defaultdict(list))
        for each in entities or ():
            label[each["type"]][text[each["start"] : each["end"]]].append([each["start"], each["end"] - 1])
        cells = {TEXT: {TEXT: text}, ENTITIES: {} if entities is None else {LABEL: label}, TRIPLES: {}}
        yield json_line(written(row, cells, (LABEL,)))
