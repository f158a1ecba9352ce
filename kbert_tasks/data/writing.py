"""Writes a table that `read` has read, with all its rows and cells, to a file of another name."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files import replacing
from .annotations import formats
from .annotations.entities import PROBLEMS
from .annotations.token_files import EXTENSIONS
from .cells import missing, records
from .output import Delimited, json_line

if TYPE_CHECKING:
    import pandas as pd

DELIMITED, JSONL = (".csv", ".tsv"), ".jsonl"
KINDS = (*DELIMITED, JSONL, *EXTENSIONS)
INSTEAD = {".xlsx": ".csv", ".txt": ".tsv"}  # the kind that is written for files of other kinds; .jsonl for all others


def kind_for(file: Path) -> str:
    """Returns the extension of a file that can hold the table of `file`."""
    kind = file.suffix.lower()
    return kind if kind in KINDS else INSTEAD.get(kind, JSONL)


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Writes a table. CSV and TSV files have a header line if the table was read from a file with one.

    Raises:
        InputError: the extension does not name one of these formats.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise InputError(f"{path} should end in one of {', '.join(KINDS)}: the extension determines the format")
    table = table.drop(columns=[PROBLEMS], errors="ignore")
    if kind in EXTENSIONS:
        formats.write(table, path)
        return
    with replacing(path) as stream:
        if kind == JSONL:
            # NaN stands for a key that a row does not have, None for null.
            rows = ({name: cell for name, cell in row.items() if not _absent(cell)} for row in records(table))
            stream.writelines(map(json_line, rows))
            return
        writer = Delimited(stream, kind[1:], list(table.columns), header=table.attrs.get("header", True))
        for row in records(table):
            writer.add({name: None if _absent(cell) or cell is None else cell for name, cell in row.items()})


def _absent(cell: Any) -> bool:
    return cell is not None and missing(cell)
