"""The table of annotated texts: names of its columns, and what a format module returns."""

import contextlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ...errors import RowError
from ..cells import blank, missing, text_of

Entity: TypeAlias = dict[str, Any]  # start, end (exclusive), type; a probability or other keys of the file may follow
Row: TypeAlias = Mapping[str, Any]

TEXT, ENTITIES, TRIPLES, LABEL = "text", "entities", "spo_list", "label"
CERTAINTY = "certainty"  # how certain the predictions of a text are, from 0 to 1
TOKENS = "tokens"  # the tokens of a token file, so that it is written as it was read
PROBLEMS = "annotation_problems"  # for each row the list of what was left out or changed in reading

UNTYPED = "ENTITY"  # the type of an entity for which a file names none
LEFT_OUT = "entities left out: "
NO_TYPE = LEFT_OUT + "no type"
REPEATED = LEFT_OUT + "the same span and type again"
OVERLAPPING = LEFT_OUT + "they overlap another one"


@dataclass
class Annotated:
    """What a format module reads from a file.

    Attributes:
        rows: one dict per text with the columns TEXT, ENTITIES (None if the text is not annotated), often others.
        problems: for each row, one reason for each thing that was left out or changed.
        about: sentences about how the file was read.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[list[str]] = field(default_factory=list)
    about: list[str] = field(default_factory=list)


def ordered(entities: list[Entity]) -> list[Entity]:
    """Sorts entities by position; of two that start at the same character, the longer one is first."""
    return sorted(entities, key=lambda each: (each["start"], -each["end"], each["type"]))


def type_of(value: Any) -> str | None:
    """Returns the type of an entity as text; None if it is empty or not a text or a number."""
    if isinstance(value, list | dict):
        return None
    name = text_of(value)
    return None if blank(name) else name


def list_in(row: Row, column: str) -> list[Any] | None:
    """Returns the list in a cell, which may be JSON as in a CSV file; None if the cell is empty.

    Raises:
        RowError: the cell contains something else.
    """
    value = row.get(column)
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = json.loads(value or "null")
    if isinstance(value, list | tuple | np.ndarray):  # Parquet files contain arrays
        return [*value]
    if not missing(value):
        raise RowError(f"column {column!r}: expected a list, found {str(value)[:60]}")
    return None


def entities_of(row: Row) -> list[Entity] | None:
    """Returns the entities of a row of a table, in order; None if the row is not annotated.

    Raises:
        RowError: the cell does not contain entities of the row's text.
    """
    found = list_in(row, ENTITIES)
    for each in found or ():
        if not isinstance(each, dict) or not {"start", "end", "type"} <= each.keys():
            raise RowError(
                f'column {ENTITIES!r}: expected entities such as {{"start": 0, "end": 2, "type": "PER"}}, found {str(each)[:60]}'
            )
        if not isinstance(each["type"], str) or blank(each["type"]):
            raise RowError(f"an entity should have a type, found {str(each)[:60]}")
        if not 0 <= each["start"] < each["end"] <= len(row[TEXT]):
            raise RowError(f"an entity should be in the text, from 0 to {len(row[TEXT])}, found {str(each)[:60]}")
    return None if found is None else ordered(found)


def labels_of(row: Row) -> list[str] | None:
    """Returns the labels of a text for classification, if the column LABEL is a list of texts; otherwise None."""
    value = row.get(LABEL)
    listed = [*value] if isinstance(value, list | tuple | np.ndarray) else None
    return listed if listed is not None and all(isinstance(each, str) for each in listed) else None


def replaced(row: Row, cells: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns a row with other cells in the place of some columns, so that the order of the columns does not change.

    Args:
        row: the row.
        cells: for the name of a column, the cells that take its place. If the row has no such column, they are the last ones.
    """
    made: dict[str, Any] = {}
    for name, value in row.items():
        made |= cells.get(name, {name: value})
    for each in cells.values():
        made |= each
    return made


def written(row: Row, cells: Mapping[str, Mapping[str, Any]], taken: Collection[str] = ()) -> dict[str, Any]:
    """Returns what a format writes for a row: `cells` for the columns of annotations, and all other cells with a value.

    Args:
        row: a row of a table.
        cells: as in `replaced`; an empty mapping leaves out a column.
        taken: names that the format itself uses; other columns with such a name are renamed to input_NAME.
    """
    cells = {PROBLEMS: {}, **cells}
    others = {name: value for name, value in row.items() if name in cells or not missing(value)}
    named = {f"input_{name}" if name in taken and name not in cells else name: value for name, value in others.items()}
    return replaced(named, cells)
