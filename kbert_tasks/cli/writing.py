"""Writes answers to a file or to standard output: rows in CSV, TSV or JSONL, or annotated texts."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..data.output import Delimited, input_names, json_line, plain
from ..errors import InputError
from ..files import replacing, temporary_of

if TYPE_CHECKING:
    from ..inference.predict import Answer
    from ..tasks.base import Task

KINDS = ("csv", "tsv", "jsonl")


def joined(
    task: "Task[Any]", answers: "Iterable[tuple[dict[str, Any], Answer | None]]", with_certainty: bool
) -> Iterator[dict[str, Any]]:
    """Yields each row with the columns of its answer; an input column with the same name is renamed input_NAME.

    Args:
        task: the task.
        answers: rows of a table, and the Answer of each row or None.
        with_certainty: whether the column `certainty` is added.
    """
    from ..data.annotations.entities import CERTAINTY
    from ..data.cells import missing

    columns = (*task.ANSWER, *[CERTAINTY] * with_certainty)
    names = None
    for row, answer in answers:
        names = input_names(row, columns) if names is None else names
        given = {names.get(name, name): None if missing(value) else plain(value) for name, value in row.items()}
        found = dict.fromkeys(columns) if answer is None else task.to_dict(answer.prediction)
        if with_certainty and answer is not None and answer.certainty is not None:
            found[CERTAINTY] = round(answer.certainty, 6)
        yield given | found


def write_rows(rows: Iterable[dict[str, Any]], kind: str, path: str | Path | None) -> None:
    """Writes rows in one of KINDS; see `write`."""
    write(lambda stream: _to(stream, rows, kind), path)


def write_parts(parts: Iterable[str], path: str | Path | None) -> None:
    """Writes the parts of a file; see `write`."""
    write(lambda stream: stream.writelines(parts), path)


def write(to: Callable[[TextIO], None], path: str | Path | None) -> None:
    """Calls `to` with standard output, with a device, or with a temporary file that is renamed to `path`."""
    if path is None:
        return to(sys.stdout)
    path = Path(path)
    try:
        with replacing(path) as stream:
            to(stream)
    except PermissionError as error:  # on Windows, if the file is open in another program
        raise InputError(
            f"{path} cannot be replaced ({error.strerror}): the answers are in {temporary_of(path)}"
        ) from None


def _to(stream: TextIO, rows: Iterable[dict[str, Any]], kind: str) -> None:
    writer = None
    for row in rows:
        if kind == "jsonl":
            stream.write(json_line(row))
            if stream is sys.stdout:
                stream.flush()
            continue
        if writer is None:
            writer = Delimited(stream, kind, list(row))
        writer.add(row)
