"""Merges a corrected file into the original one and counts what happened to each correction."""

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.annotations.entities import ENTITIES, LABEL, TEXT, TRIPLES
from ..data.cells import missing, records, text_of
from ..data.examples import Examples
from ..data.tables import read
from ..errors import InputError, RowError
from ..tasks.judging import Judging, TableRow
from ..training.repeated import clone

if TYPE_CHECKING:
    import pandas as pd

    from ..tasks.base import Task

ROW = "row"  # the column with the number of the row in the original file
CHANGED, CONFIRMED, UNKNOWN = "changed", "confirmed without a change", "not found in the file"


@dataclass
class Merged:
    """A table with corrected answers.

    Attributes:
        table: all rows, with the corrected ones in the places of the original ones.
        counts: number of texts of the corrected file by what happened to them, including those that could not be used.
        unknown: the numbers of the rows of the corrected file that do not occur in the original file.
        added: number of rows that the new table has more than the original one; negative if it has fewer.
    """

    table: "pd.DataFrame"
    counts: Counter[str] = field(default_factory=Counter)
    unknown: list[int] = field(default_factory=list)
    added: int = 0


def merge(task: "Task[Any]", table: "pd.DataFrame", file: Path) -> Merged:
    """Replaces the answers of a table by those of a corrected file.

    A correction is matched by its column `row` and its text, or by its text alone if it has no row number.

    Args:
        task: a task with the settings that name the columns; it is not changed.
        table: the original table, as `kbert_tasks.read` returns it.
        file: the corrected file: the rows for annotation tools as doccano or Label Studio exports them, or a table with
            the columns of the original.

    Raises:
        InputError: the file cannot be read, or corrects the same text twice in different ways.
    """
    own = clone(task)
    examples = own.examples(table)
    if not examples.rows:
        raise InputError(f"there is nothing to correct: {examples.summary()}")
    with contextlib.suppress(InputError):  # the rows need not be sufficient for training
        own.prepare(examples.rows)
    judging = own.judging()
    corrections, numbers = _read(own, judging, examples, file)
    places = _Places(own, examples)
    made = Merged(table, Counter(corrections.skipped))
    found: dict[int, Any] = {}
    for example, source in zip(corrections.rows, corrections.sources, strict=True):
        matching = places.of(example, numbers[source[0]])
        if not matching:
            made.counts[UNKNOWN] += 1
            made.unknown.append(source[0] + 1)
        for place in matching:
            if place in found and not judging.same_answers(found[place], example):
                raise InputError(
                    f"{file}, row {source[0] + 1}: row {examples.sources[place][0] + 1} of the original file is corrected twice, "
                    "with different answers: keep one of them"
                )
            found[place] = example
    changed = {place: each for place, each in found.items() if not judging.same_answers(examples.rows[place], each)}
    made.counts[CHANGED] += len(changed)
    made.counts[CONFIRMED] += len(found) - len(changed)
    made.table, made.added = _replaced(own, judging, table, examples, changed)
    return made


class _Places:
    """Finds the examples that a correction is about."""

    def __init__(self, task: "Task[Any]", examples: Examples) -> None:
        self.task = task
        self.by_text: dict[tuple[str, ...], list[int]] = {}
        self.rows = [set(source) for source in examples.sources]
        for place, example in enumerate(examples.rows):
            self.by_text.setdefault(self._key(example), []).append(place)

    def _key(self, example: Any) -> tuple[str, ...]:
        return tuple(" ".join((part or "").split()) for part in self.task.texts_of(example))

    def of(self, example: Any, row: int | None) -> list[int]:
        """Returns the indices of the examples with this text, and with this row of the table if it is known."""
        places = self.by_text.get(self._key(example), [])
        return places if row is None else [place for place in places if row in self.rows[place]]


def _read(task: "Task[Any]", judging: Judging, examples: Examples, file: Path) -> tuple[Examples, list[int | None]]:
    """Returns the corrected examples, and for each row of the corrected file the index of the row that it corrects."""
    import pandas as pd

    settings, annotated = task.settings, {ENTITIES, TRIPLES, LABEL}
    form = next(filter(None, map(judging.annotated, examples.rows)), {})
    if not file.is_file():
        raise InputError(f"{file} does not exist: give the corrected file")
    table = read(file)
    rows: list[TableRow] = records(table)
    columns = {*table.columns}
    if not {settings.text_column, settings.label_column} <= columns or {ENTITIES, TRIPLES} & columns:
        if annotated & columns & form.keys():
            rows = [judging.read_annotated(row) for row in rows] if TEXT in columns else rows
        elif settings.label_column not in columns:
            raise InputError(
                f"{file} has no column {settings.label_column!r} with corrected answers; its columns: "
                f"{', '.join(map(str, table.columns[:12]))}"
            )
    numbers = [_number(row.pop(ROW, None), file, number) for number, row in enumerate(rows, 1)]
    made = pd.DataFrame(rows, dtype=object)
    made.attrs["file"] = str(file)
    return task.examples(made), numbers


def _number(cell: Any, file: Path, number: int) -> int | None:
    """Returns the index, from 0, of the original row that a cell of the column `row` names."""
    if missing(cell) or cell == "":
        return None
    try:
        found = int(text_of(cell))
    except (ValueError, RowError):
        raise InputError(
            f"{file}, row {number}: {ROW!r} should be the number of a row, not {str(cell)[:40]!r}"
        ) from None
    return found - 1


def _replaced(
    task: "Task[Any]", judging: Judging, table: "pd.DataFrame", examples: Examples, changed: dict[int, Any]
) -> tuple["pd.DataFrame", int]:
    """Returns the table with the new answers, and how many rows it has more. All other rows keep every cell."""
    import pandas as pd

    plain = table.reset_index(drop=True)
    named = task.name_columns(plain)
    names = dict(zip(named.columns, plain.columns, strict=True))
    rows: list[list[TableRow]] = [[row] for row in records(plain)]
    for place, example in changed.items():
        source = [row for row in examples.sources[place] if rows[row]]
        # Another event of the same text may have changed the same row before.
        before = [{name: rows[row][0][names[name]] for name in named.columns} for row in source]
        after = [
            {names.get(name, name): cell for name, cell in row.items()} for row in judging.corrected(example, before)
        ]
        if len(after) == len(source):
            for row, new in zip(source, after, strict=True):
                rows[row] = [new]
        else:
            for row in source:
                rows[row] = []
            rows[source[0]] = after
    merged = pd.DataFrame([row for each in rows for row in each], columns=plain.columns, dtype=object)
    merged.attrs = dict(table.attrs)
    return merged, len(merged) - len(table)
