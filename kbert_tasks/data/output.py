"""Files of rows that programs can read back, and files that are replaced whole or not at all."""

import contextlib
import csv
import json
import re
from pathlib import Path

from ..disk import FULL, no_room
from ..lock import locked
from .delimited import MARKS

HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair: UTF-8 cannot hold it
NUL = "\0", r"\x00"  # Python 3.10 cannot write it to CSV, and pandas 2 ends the cell there


def json_line(row):
    """A row as a line of JSONL.

    Half of a surrogate pair is written as the text of its escape, such as \\ud83d: many readers, pandas among them, refuse
    a whole file for the escape itself.
    """
    text = json.dumps(row, ensure_ascii=False, default=str)
    return HALF.sub(lambda half: rf"\\u{ord(half[0]):04x}", text) + "\n"


class Delimited:
    """Writes dicts as CSV or TSV with a header line; lists and dicts in cells become JSON, and NUL its escape.

    Args:
        stream: a text file opened with newline="" and errors="backslashreplace".
        kind: "csv", or "tsv", in which all cells stand in quotation marks: `separated.bare` then knows that they are no text.
        names: of the columns.
    """

    def __init__(self, stream, kind, names):
        self.stream = stream
        self.writer = csv.DictWriter(
            self,
            names,
            delimiter=MARKS[f".{kind}"],
            quoting=csv.QUOTE_ALL if kind == "tsv" else csv.QUOTE_MINIMAL,
            # Python before 3.11.9 and 3.12.3 quotes a carriage return only where it belongs to the end of a line.
            lineterminator="\r\n",
        )
        self.writer.writeheader()

    def add(self, row):
        self.writer.writerow({name: self._cell(value) for name, value in row.items()})

    @staticmethod
    def _cell(value):
        if type(value) in (list, dict):
            return json.dumps(value, ensure_ascii=False)  # in which NUL is an escape already
        return value.replace(*NUL) if isinstance(value, str) else value

    def write(self, line):
        """Receives one line from `csv`."""
        self.stream.write(line.removesuffix("\r\n") + "\n")


@contextlib.contextmanager
def replacing(path):
    """A text file to write; it becomes `path` when the block ends well.

    Raises:
        InputError: another run is writing `path`, or the disk is full.
        OSError: on Windows, `path` is open in another program; the new file is kept beside it, as `aside_of(path)`.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        special = path.exists() and not path.is_file()  # such as /dev/null
        if not special:
            stack.enter_context(locked(path))
        aside = path if special else aside_of(path)
        try:
            with open(aside, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
                yield stream
        except BaseException as error:
            if not special:
                aside.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno in FULL:
                raise no_room(path, error, "and give the same command again") from None
            raise
        if not special:
            aside.replace(path)


def aside_of(path):
    return path.with_name(f".{path.name}.writing")
