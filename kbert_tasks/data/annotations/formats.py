"""Finds the format of a file of annotated texts, reads it as a table, and writes a table in a format."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ...errors import InputError, RowError
from ...files import replacing
from ..cells import records, text_of
from ..json_files import objects
from ..output import HALF
from . import cluener, doccano, jsonl, label_studio, token_files
from .entities import ENTITIES, LABEL, PROBLEMS, TEXT, TRIPLES, Annotated, Row, entities_of, list_in
from .tags import SCHEMES

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("kbert_tasks")

JSON_READERS: dict[str, Callable[[Path, Sequence[Row]], Annotated]] = {
    "jsonl": jsonl.read,
    "cluener": cluener.read,
    "doccano": doccano.read,
    "label-studio": label_studio.read,
}
FORMATS = (*JSON_READERS, *SCHEMES)
WITH_ALL = ("jsonl", "doccano", "label-studio")  # the others have no place for triples and for labels of texts
NAMES = {ENTITIES: "entities", TRIPLES: "triples", LABEL: "labels of whole texts"}
HALVES = "characters that are half of a surrogate pair, written as U+FFFD"


def is_token_file(path: Path, format: str | None) -> bool:
    """Returns whether a file has one token per line, by its format or else by its extension."""
    return format in SCHEMES if format is not None else path.suffix.lower() in token_files.EXTENSIONS


def check(format: str | None) -> None:
    """Raises InputError if there is no such format."""
    if format not in (None, *FORMATS):
        raise InputError(f"unknown format {format!r}; formats: {', '.join(FORMATS)}")


def check_column(format: str, column: str | None) -> None:
    """Raises InputError if a format has no place for a column of annotations; None stands for answers without a column."""
    if column is None:
        raise InputError("the answers of this task are no annotations: use the format csv, tsv or jsonl")
    if column != ENTITIES and format not in WITH_ALL:
        raise InputError(f"the format {format} has no place for {NAMES[column]}: use {', '.join(WITH_ALL)}")


def read(
    path: Path, text: str, format: str | None, token_column: int | None = None, tag_column: int | None = None
) -> "pd.DataFrame":
    """Reads a token file or a JSON file as a table; the columns of a JSON file without entities are the keys of its objects.

    Args:
        path: path of the file.
        text: its content.
        format: one of FORMATS; None detects the format.
        token_column, tag_column: numbers of columns of a token file, from 1; by default the first and the last.
    """
    if is_token_file(path, format):
        return frame(path, token_files.read(path, text, 1 if token_column is None else token_column, tag_column))
    rows = objects(path, text)
    name = format or detect(path, rows)
    if name is None:
        import pandas as pd

        return pd.DataFrame(rows, dtype=object)
    return frame(path, JSON_READERS[name](path, rows), name)


def detect(path: Path, rows: Sequence[Row]) -> str | None:
    """Returns the format of JSON objects, or None if they have no entities.

    Raises:
        InputError: rows have different formats.
    """
    found: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        if name := _format_of(row):
            found.setdefault(name, number)
    if len(found) > 1:
        listed = ", ".join(f"{name} (row {number})" for name, number in found.items())
        raise InputError(
            f"{path} has rows in several formats: {listed}: use one format, or name it with --input-format (format=)"
        )
    return next(iter(found), None)


def _format_of(row: Row) -> str | None:
    if label_studio.is_row(row):
        return "label-studio"
    if TEXT not in row:
        return None
    if cluener.is_row(row):
        return "cluener"
    if doccano.is_row(row):
        return "doccano"
    return "jsonl" if jsonl.column_of(row) == ENTITIES else None


def frame(path: Path, made: Annotated, name: str | None = None) -> "pd.DataFrame":
    """Makes the table of what was read, and logs how it was read and the number of problems."""
    import pandas as pd

    table = pd.DataFrame(made.rows, dtype=object)
    about = [*([f"read as {name}"] if name not in (None, "jsonl") else []), *made.about]
    if about:
        table.attrs["about"] = f"{path}: {'; '.join(about)}"
    if any(made.problems):
        table[PROBLEMS] = pd.Series(made.problems, dtype=object)
        for problem, number in Counter(each for problems in made.problems for each in problems).items():
            log.warning("%s: %d %s", path, number, problem)
    return table


def write(
    rows: "pd.DataFrame | Iterable[Row]",
    path: str | PathLike[str],
    format: str | None = None,
    *,
    model_version: str | None = None,
    scores: Iterable[float | None] | None = None,
) -> Counter[str]:
    """Writes annotated texts in a format.

    Args:
        rows: a table as `kb.read` returns it, or dicts, with the columns `text` and `entities`, and `spo_list` for relations.
            Other columns are written if the format has a place for them.
        path: the file.
        format: one of FORMATS; by default the one of the extension: `.bio`, `.conll`, `.bioes`, `.bmes` or `.jsonl`.
        model_version: for Label Studio, the name of the model; the entities are then written as predictions.
        scores: for predictions in Label Studio, the score of each row.

    Returns:
        The number of things that the format cannot express, by reason; they are logged too.

    Raises:
        InputError: the format is unknown, or a row has no text.
    """
    path = Path(path)
    check(format)
    name = format or {".jsonl": "jsonl", **token_files.EXTENSIONS}.get(path.suffix.lower())
    if name is None:
        raise InputError(f"{path}: the extension does not name a format, name one with format=: {', '.join(FORMATS)}")
    problems: Counter[str] = Counter()
    with replacing(path) as stream:
        for part in lines(rows, name, problems, model_version=model_version, scores=scores):
            stream.write(part)
    for problem, number in problems.items():
        log.warning("%s: %d %s", path, number, problem)
    return problems


def lines(
    rows: "pd.DataFrame | Iterable[Row]",
    format: str,
    problems: Counter[str],
    *,
    model_version: str | None = None,
    scores: Iterable[float | None] | None = None,
) -> Iterator[str]:
    """Yields the parts of a file in a format, and counts in `problems` what the format cannot express."""
    checked = _checked(records(cast("pd.DataFrame", rows)) if hasattr(rows, "columns") else rows, problems)
    if format in SCHEMES:
        yield from token_files.lines(checked, problems, format)
    elif format == "label-studio":
        yield from label_studio.lines(checked, problems, model_version, scores)
    else:
        yield from {"jsonl": jsonl, "cluener": cluener, "doccano": doccano}[format].lines(checked, problems)
    for problem in [each for each, number in problems.items() if not number]:
        del problems[problem]


def _checked(rows: Iterable[Mapping[Any, Any]], problems: Counter[str]) -> Iterator[dict[str, Any]]:
    """Yields rows with their text; half of a surrogate pair is replaced, because its escape would move the offsets."""
    for number, row in enumerate(rows, 1):
        if TEXT not in row:
            raise InputError(f"row {number} has no {TEXT!r}: a text is needed to write entities")
        try:
            text, halves = HALF.subn("\ufffd", text_of(row[TEXT], TEXT))
            entities, triples = entities_of({**row, TEXT: text}), list_in(row, TRIPLES)
        except RowError as error:
            raise InputError(f"row {number}: {error}") from None
        problems[HALVES] += halves
        yield {**row, TEXT: text, ENTITIES: entities, TRIPLES: triples}
