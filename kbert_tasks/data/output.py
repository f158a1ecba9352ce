"""Writes rows in forms that other programs can read."""

import csv
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TextIO

from .delimited import MARKS

HALF = re.compile("[\ud800-\udfff]")  # lone surrogates, which UTF-8 cannot encode
NUL = "\0", r"\x00"  # Python 3.10 cannot write NUL to CSV, and pandas 2 ends the cell there


def json_line(row: Mapping[str, Any]) -> str:
    """Returns a row as one line of JSONL.

    A lone surrogate is written as literal text, such as \\ud83d. Many readers, including pandas, reject a file that
    contains the JSON escape of a lone surrogate.
    """
    text = json.dumps(row, ensure_ascii=False, default=str)
    return HALF.sub(lambda half: rf"\\u{ord(half[0]):04x}", text) + "\n"


def input_names(columns: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """Returns new names for those columns of an input that have a name of the output: input_NAME, input_input_NAME, ..."""
    columns = [*columns]
    made = {}
    for name in columns:
        if name in taken:
            made[name] = f"input_{name}"
            while made[name] in columns or made[name] in taken:
                made[name] = f"input_{made[name]}"
    return made


def plain(value: Any) -> Any:
    """Converts NumPy arrays and bytes, which occur in Parquet files, to lists and text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


class Delimited:
    """Writes dicts as CSV or TSV with a header line; lists and dicts become JSON, and NUL becomes its escape.

    Args:
        stream: a text file opened with newline="" and errors="backslashreplace".
        kind: "csv" or "tsv". A TSV file has quotation marks around all cells, so that `delimited.bare` detects the quoting.
        names: names of the columns.
        header: whether to write a header line.
    """

    def __init__(self, stream: TextIO, kind: str, names: Sequence[str], header: bool = True) -> None:
        self.stream = stream
        self.writer: csv.DictWriter[str] = csv.DictWriter(
            self,
            names,
            delimiter=MARKS[f".{kind}"],
            quoting=csv.QUOTE_ALL if kind == "tsv" else csv.QUOTE_MINIMAL,
            # Python before 3.11.9 and 3.12.3 quotes a carriage return only if it is part of the line terminator.
            lineterminator="\r\n",
        )
        if header:
            self.writer.writeheader()

    def add(self, row: Mapping[str, Any]) -> None:
        self.writer.writerow({name: self._cell(value) for name, value in row.items()})

    @staticmethod
    def _cell(value: Any) -> Any:
        if type(value) in (list, dict):
            return json.dumps(value, ensure_ascii=False)  # JSON escapes NUL itself
        return value.replace(*NUL) if isinstance(value, str) else value

    def write(self, line: str) -> None:
        """Writes one line that `csv` has formatted."""
        self.stream.write(line.removesuffix("\r\n") + "\n")
