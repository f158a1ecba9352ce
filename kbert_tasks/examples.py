"""What becomes of rows: examples, with every row accounted for."""

import collections
from dataclasses import dataclass
from typing import Any

from . import data
from .data import text_of
from .errors import InputError, RowError


@dataclass(frozen=True)
class Skip:
    """Why a row or an example is not used; counted under that reason."""

    reason: str


@dataclass
class Examples:
    """Examples of one table, their rows' numbers in it, and the count of all that was read."""

    rows: list[Any]
    positions: list[int]
    read: int
    skipped: collections.Counter[str]
    notes: collections.Counter[str]
    joined: int = 0  # rows that are part of an earlier row's example

    def copy(self) -> "Examples":
        """Training moves rows and counts; a copy is not touched by it."""
        return Examples([*self.rows], [*self.positions], self.read, self.skipped.copy(), self.notes.copy(), self.joined)

    def part(self, places, note=None):
        """Some of the examples, as if they had been read alone."""
        empty = collections.Counter()
        rows, positions = ([part[i] for i in places] for part in (self.rows, self.positions))
        return Examples(rows, positions, len(rows), empty, collections.Counter({note: len(rows)} if note else ()))

    def told(self):
        """For a sentence: "2 rows read, none used (empty text 2)"."""
        skipped = ", ".join(f"{reason} {count}" for reason, count in self.skipped.items())
        return f"{self.read} rows read, {len(self.rows) or 'none'} used" + (f" ({skipped})" if skipped else "")

    def count(self):
        """As in report.json: read = used + joined + the sum of skipped. Notes are about examples that are used."""
        joined = {"joined": self.joined} if self.joined else {}
        used = {"read": self.read, "used": len(self.rows)} | joined
        return used | {"skipped": dict(self.skipped), "notes": dict(self.notes)}

    def note(self, task, encoded):
        """Counts what the task has to say of the examples as they are encoded."""
        remarks = (task.remarks(example, windows) for example, windows in zip(self.rows, encoded, strict=True))
        self.notes.update(remark for each in remarks for remark in each)


def examples_of(task, rows, labels=None, gold=True):
    """A task's Examples of a table, file or list (see `kbert_tasks.data.table`), every row of it accounted for."""
    settings = task.settings
    second = getattr(settings, task.SECOND) if task.SECOND else "text_b"
    names = settings.text_column, settings.label_column, second
    rows = task.named(data.table(rows, labels, names).reset_index(drop=True))
    read, rows = len(rows), task.grouped(rows) if gold else rows
    for option in task.columns(gold) if len(rows) else ():
        data.column(rows, getattr(settings, option), option)
    made = Examples([], [], read, collections.Counter(), collections.Counter(), read - len(rows))
    for position, row in enumerate(rows.to_dict("records")):
        try:
            example = task.example(row, gold)
        except RowError as error:
            raise InputError(
                f"{rows.attrs.get('file', 'the table')}, row {rows.index[position] + 1}: {error}"
            ) from None
        if isinstance(example, Skip):
            made.skipped[example.reason] += 1
        else:
            made.rows.append(example)
            made.positions.append(position)
    return made


def joined(table, keys, cells, into):
    """A table with one answer a row, as one row an example with the column `into`: a list of its answers.

    A row whose cells are all empty says that there is no answer. Rows with an empty first key stay apart.

    Args:
        table: a DataFrame.
        keys: names of the columns that are alike in all rows of an example, the text first.
        cells: names of the columns of an answer; they are lists in the new column, in that order.
        into: name of the column that is made.
    """
    made, found = {}, {}
    columns = [table[name] for name in (*keys, *cells)]
    for position, row in enumerate(zip(*columns, strict=True)):
        key, answer = tuple(map(text_of, row[: len(keys)])), list(row[len(keys) :])
        key = key if key[0].strip() else position
        made.setdefault(key, position)
        found.setdefault(key, [])
        if any(text_of(cell).strip() for cell in answer):
            found[key].append(answer)
    rows = table.iloc[list(made.values())].drop(columns=list(cells))
    rows[into] = list(found.values())
    return rows
