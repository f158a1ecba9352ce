"""Makes examples from rows and counts what happens to each row."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..metrics.classification import Report
from . import tables
from .annotations.entities import PROBLEMS
from .cells import blank, filled, in_row, items, records, text_of, texts_of

if TYPE_CHECKING:
    import pandas as pd

    from ..tasks.base import Task
    from ..text.tokenizer import Encoded
    from ..typing import Labels, Rows

HEADER_AGAIN = "repeated header line"

log = logging.getLogger("kbert_tasks")


@dataclass(frozen=True)
class Skip:
    """The reason why a row or an example is not used; rows are counted by reason."""

    reason: str


@dataclass
class Examples:
    """The examples of one table and the rows that they were made from.

    Attributes:
        rows: the examples.
        sources: for each example the indices, from 0, of the table rows that it was made from; several if rows were joined.
        skipped: dict from reason to number of unused rows.
        notes: dict from remark to number of examples.
        about: a sentence about how the file was read, or "".
        left_out: dict from the index, from 0, of each unused table row to the reason.
    """

    rows: list[Any]
    sources: list[tuple[int, ...]]
    skipped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    about: str = ""
    left_out: dict[int, str] = field(default_factory=dict)

    @property
    def read(self) -> int:
        """Number of rows that were read. Each row is used, joined to another one, or skipped."""
        return len(self.rows) + self.joined + self.skipped.total()

    @property
    def joined(self) -> int:
        """Number of rows that were joined to an earlier row."""
        return sum(len(source) - 1 for source in self.sources)

    def copy(self) -> "Examples":
        """Returns a copy, because training skips examples and adds notes in place."""
        return Examples(
            [*self.rows], [*self.sources], self.skipped.copy(), self.notes.copy(), self.about, {**self.left_out}
        )

    def part(self, places: Collection[int], note: str | None = None) -> "Examples":
        """Returns the examples at these indices, as if only their rows had been read."""
        rows, sources = ([part[i] for i in places] for part in (self.rows, self.sources))
        return Examples(rows, sources, notes=Counter({note: len(rows)} if note else {}), about=self.about)

    def without(self, places: Collection[int]) -> "Examples":
        """Returns the examples at all other indices; `skipped` and `notes` are kept."""
        some = self.part(sorted(set(range(len(self.rows))) - set(places)))
        return Examples(some.rows, some.sources, self.skipped.copy(), self.notes.copy(), self.about, {**self.left_out})

    def skip(self, reasons: Mapping[int, str]) -> None:
        """Moves examples to the skipped rows, in place.

        Args:
            reasons: dict from the index of an example to the reason why it is not used.
        """
        for place, reason in reasons.items():
            self.skipped[reason] += len(self.sources[place])
            self.left_out |= dict.fromkeys(self.sources[place], reason)
        rest = self.without(reasons)
        self.rows, self.sources = rest.rows, rest.sources

    def summary(self) -> str:
        """Returns the counts as text, such as "2 rows read, none used (empty text 2)"."""
        skipped = ", ".join(f"{reason} {count}" for reason, count in self.skipped.items())
        return f"{self.read} rows read, {len(self.rows) or 'none'} used" + (f" ({skipped})" if skipped else "")

    def count(self) -> dict[str, Any]:
        """Returns the counts for report.json: read = used + joined + sum of skipped. Notes describe used examples."""
        joined = {"joined": self.joined} if self.joined else {}
        used = {"read": self.read, "used": len(self.rows)} | joined
        return used | {"skipped": dict(self.skipped), "notes": dict(self.notes)}

    def locate(self, report: Report) -> None:
        """Replaces `place` in each answer and error of a Report with row numbers of the table, from 1.

        `row` is the first row of the example. `rows` lists all its rows if several were joined.
        """
        report.errors, report.answers = (
            [self._located(each) for each in part] for part in (report.errors, report.answers)
        )

    def _located(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        rows = [row + 1 for row in self.sources[answer["place"]]]
        rest = {name: value for name, value in answer.items() if name != "place"}
        return {"row": rows[0]} | ({"rows": rows} if len(rows) > 1 else {}) | rest

    def note(self, task: "Task[Any]", encoded: "Sequence[Sequence[Encoded]]") -> None:
        """Counts the task's remarks about the encoded examples."""
        remarks = (task.notes_on(example, windows) for example, windows in zip(self.rows, encoded, strict=True))
        self.notes.update(remark for each in remarks for remark in each)


def merged(parts: Sequence[Examples]) -> Examples:
    """Returns the examples of several tables as one Examples; `sources` number the rows of all tables together."""
    made, before = Examples([], []), 0
    for part in parts:
        made.rows += part.rows
        made.sources += [tuple(before + row for row in source) for source in part.sources]
        made.skipped += part.skipped
        made.notes += part.notes
        before += part.read
    made.about = " ".join(part.about for part in parts if part.about)
    return made


def examples_of(task: "Task[Any]", rows: "Rows", labels: "Labels | None" = None, gold: bool = True) -> Examples:
    """Makes a task's Examples from a table, file or list (see `kbert_tasks.data.tables.table`) and counts every row."""
    settings = task.settings
    second = getattr(settings, task.SECOND) if task.SECOND and task.reads_second(gold) else None
    names = settings.text_column, settings.label_column, second
    labels = labels if labels is None else task.label_list(labels)
    table = tables.table(rows, labels, names)
    about = table.attrs.get("about", "")
    table = table.reset_index(drop=True)
    headers = headers_again(table)
    table = task.name_columns(table.drop(index=headers))
    places = table.index  # row numbers in the whole table
    if not task.reads_second(gold) and not table.attrs.get("before"):  # of a large file, only for the first part
        _note_second(task, table)
    table, sources = task.group_rows(table) if gold else (table, one_row_each(table))
    sources = [tuple(int(places[position]) for position in source) for source in sources] if headers else sources
    for option in task.columns(gold) if len(table) else ():
        tables.column(table, getattr(settings, option), option)
    made = Examples([], [], Counter({HEADER_AGAIN: len(headers)} if headers else ()), about=about)
    made.left_out |= dict.fromkeys(headers, HEADER_AGAIN)
    for row, source in zip(records(table), sources, strict=True):
        with in_row(table, source[0]):
            example = task.read_row(row, gold)
        if isinstance(example, Skip):
            made.skipped[example.reason] += len(source)
            made.left_out |= dict.fromkeys(source, example.reason)
        else:
            made.rows.append(example)
            made.sources.append(source)
            problems = row.get(PROBLEMS) if gold else None
            made.notes.update(problems if isinstance(problems, list) else ())
    return made


def headers_again(rows: "pd.DataFrame") -> list[int]:
    """Returns the positions of rows that repeat the header line, as in files that were appended to one another.

    In such a row every cell equals the name of its column. In a table with one column no row counts as a header, because
    a text may be any word.
    """
    if rows.shape[1] < 2 or not rows.attrs.get("header", True):
        return []
    first = rows.columns[0]
    found = [position for position, cell in enumerate(items(rows[first])) if _is_name(cell, first)]
    return [position for position in found if all(map(_is_name, rows.iloc[position], rows.columns))]


def _is_name(cell: object, name: object) -> bool:
    if not isinstance(cell, str):
        return False
    if "\ufeff" in cell:  # of the second file; it keeps quotation marks behind it from being read as such
        cell = cell.replace("\ufeff", "").strip('"')
    return cell.strip() == name


def _note_second(task: "Task[Any]", rows: "pd.DataFrame") -> None:
    """Logs a warning if the table has a column of second texts, or of types, that is not read."""
    name = getattr(task.settings, task.SECOND) if task.SECOND else None
    if name is not None and name in rows and not all(map(blank, texts_of(rows, name))):
        file = rows.attrs.get("file", "the table")
        log.warning("%s: column %r is not read, as this model reads single texts", file, name)


def one_row_each(table: "pd.DataFrame") -> list[tuple[int, ...]]:
    """Returns the sources of a table in which each row is one example."""
    return [(position,) for position in range(len(table))]


def join_rows(
    table: "pd.DataFrame", keys: Sequence[str], cells: Sequence[str], into: str
) -> "tuple[pd.DataFrame, list[tuple[int, ...]]]":
    """Joins a table with one answer per row into a table with one example per row.

    The new column `into` holds the list of the answers of an example. A row whose answer cells are all empty means that
    the text has no answer. Rows with an empty first key are not joined.

    Args:
        table: a DataFrame.
        keys: names of the columns that are equal in all rows of an example; the first one holds the text.
        cells: names of the columns that form an answer; each answer is a list in this order.
        into: name of the new column.

    Returns:
        (the new table, for each of its rows the positions of the rows that it was made from).
    """
    sources: dict[int | tuple[str, ...], list[int]] = {}
    found: dict[int | tuple[str, ...], list[list[Any]]] = {}
    columns = [items(table[name]) for name in (*keys, *cells)]
    for position, row in enumerate(zip(*columns, strict=True)):
        with in_row(table, table.index[position]):
            texts = tuple(text_of(cell, name) for cell, name in zip(row, keys, strict=False))
        answer = list(row[len(keys) :])
        key: int | tuple[str, ...] = position if blank(texts[0]) else texts
        sources.setdefault(key, []).append(position)
        found.setdefault(key, [])
        if any(map(filled, answer)):
            found[key].append(answer)
    rows = table.iloc[[source[0] for source in sources.values()]].drop(columns=list(cells))
    rows[into] = list(found.values())
    return rows, [*map(tuple, sources.values())]
