"""Reads CSV and TSV files as tables, whole or in parts, and keeps every cell as it is written."""

import contextlib
import csv
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .cells import each_once

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("kbert_tasks")

MARKS = {".csv": ",", ".tsv": "\t"}
NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}  # names of the separators in messages
ROWS = 10_000  # maximum number of rows in a part
DECLARED = re.compile(r'"?sep=([^\w\s"]|\t)"?[ ,;\t]*(?:\r\n|\r|\n)', re.I)  # first line of CSV files for Excel
QUOTED = re.compile(r'"(?:[^"]|"")*"')
CLOSED = re.compile(QUOTED.pattern + '(?!")')
LINE_END = re.compile(r"\r\n|\r|\n")


class _Odd(ValueError):
    """A line that cannot be read; the message is part of a sentence."""


def table(path: str | PathLike[str], text: str, mark: str, header: bool) -> "pd.DataFrame":
    """Parses the text of a whole file into a DataFrame.

    Args:
        path: name of the file in messages.
        text: content of the file.
        mark: the expected separator, one of MARKS.
        header: whether the first line names the columns.

    Raises:
        InputError: a line has the wrong number of cells.
    """
    whole, text = text, text.lstrip("\r\n")
    if declared := DECLARED.match(text):
        mark, text = _declared(path, declared), text[declared.end() :]
    skipped = whole[: len(whole) - len(text)]
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    mark = mark if declared else _found(path, mark, lines[:1] if header else lines)
    if mark in QUOTED.sub("", lines[0]):  # with one column alone, blank lines at the end are rows
        text = text.rstrip("\r\n")
        while not lines[-1]:
            lines.pop()
    quoted = mark != "\t" or not bare(lines)
    try:
        with _strictly(lambda: _line_of_open_mark(skipped, text, mark)):
            # `text` keeps its carriage returns, which belong to the cell inside quotation marks.
            found = _with_nul(text, lambda source: _whole(path, source, mark, quoted, header))
        if not quoted or mark != "\t" or _in_marks(lines[0]) or not _run_together(found):
            return found
        problem: str | _Odd = "several lines were read as one"
    except _Odd as odd:
        problem = odd
    if mark != "\t":
        raise InputError(f"{path}: {problem}")
    tabs = [line.count("\t") for line in lines]
    place = next(i for i, count in enumerate(tabs) if count != tabs[0])
    raise InputError(
        f"{path}, line {place + 1} has {tabs[place]} tabs, the first line has {tabs[0]}, and the file cannot be read with quotation "
        "marks as in CSV either: correct this line"
    )


def parts(path: str | PathLike[str], encoding: str, mark: str) -> "Iterator[pd.DataFrame]":
    """Yields DataFrames of at most ROWS rows from a file with a header line: CSV, or TSV that is `bare`.

    Raises:
        InputError: a line has the wrong number of cells.
        UnicodeDecodeError: a byte is not valid in the encoding.
    """
    with open(path, encoding=encoding) as file:
        first = file.readline()
        declared = DECLARED.fullmatch(first)
        start = file.tell() if declared else 0
        mark = _declared(path, declared) if declared else _found(path, mark, [first])
        file.seek(start)
        source, reader = _WithoutNul(file, start), None
        while True:
            try:
                with _strictly():
                    if reader is None:
                        _check_names(path, source, mark, mark != "\t")
                        reader = _parsed(source, mark, mark != "\t", chunksize=ROWS, skip_blank_lines=True)
                    part = next(reader, None)
            except _Odd as odd:
                raise InputError(f"{path}: {odd}") from None
            if part is None:
                return
            yield part


def _declared(path: str | PathLike[str], declared: re.Match[str]) -> str:
    """Returns the separator that Excel's first line `sep=;` declares."""
    log.info("%s: the first line, %r, sets the separator of the cells", path, declared[0].rstrip("\r\n"))
    return declared[1]


def _found(path: str | PathLike[str], mark: str, lines: Sequence[str]) -> str:
    """Returns the separator of these lines: `mark`, or another one if that is more probable.

    Another separator is used if it occurs equally often in all lines, and no line contains `mark`, or `mark` is a comma, which
    texts contain too, and the lines contain it unequally often. For a file with a header, `lines` is the header line only.
    """
    outside = [QUOTED.sub("", line) for line in lines if line.strip()]
    found = {line.count(mark) for line in outside}
    if found != {0} and (mark != "," or len(found) == 1):
        return mark
    for other, name in NAMES.items():
        counts = {line.count(other) for line in outside}
        if len(counts) == 1 and counts != {0}:
            log.info("%s: the cells are separated by %s, not by %s", path, name, NAMES[mark])
            return other
    return mark


def tabbed(lines: Iterable[str]) -> bool:
    """Returns whether each non-blank line has exactly one tab and at least two lines are not blank."""
    counts = [line.count("\t") for line in lines if line.strip()]
    return len(counts) > 1 and set(counts) == {1}


def bare(lines: Iterable[str]) -> bool:
    """Returns whether the quotation marks of a TSV file are part of the text.

    This is true for most published files. A file was written with quoting if its lines differ in their number of tabs
    (cells contain line breaks or tabs), if all cells of its first line are quoted, or if all cells with quotation marks
    are quoted and the quotation marks inside them are doubled.
    """
    counts: set[int] = set()
    doubled, quoted = False, True
    for line in lines:
        if not counts and _in_marks(line.strip("\n")):
            return False
        if line := line.strip("\n"):
            counts.add(line.count("\t"))
            for cell in line.split("\t") if quoted and '"' in line else ():
                if '"' in cell:
                    quoted = QUOTED.fullmatch(cell) is not None
                    doubled |= '""' in cell[1:-1]
    return len(counts) == 1 and not (quoted and doubled)


def _whole(path: str | PathLike[str], source: io.TextIOBase, mark: str, quoted: bool, header: bool) -> "pd.DataFrame":
    if header:
        _check_names(path, source, mark, quoted)
    return _parsed(source, mark, quoted, header=0 if header else None, skip_blank_lines=False)


def _check_names(path: str | PathLike[str], source: io.TextIOBase, mark: str, quoted: bool) -> None:
    """Rejects duplicate column names, because pandas would rename the second one; then rewinds the source."""
    each_once(_parsed(source, mark, quoted, header=None, nrows=1, skip_blank_lines=True).iloc[0], path)
    source.seek(0)


def _with_nul(text: str, parse: "Callable[[io.StringIO], pd.DataFrame]") -> "pd.DataFrame":
    """Returns `parse(file)` for a text and keeps NUL in the cells, where pandas 2 would end the cell."""
    if "\0" not in text:
        return parse(io.StringIO(text))
    placeholder = next(letter for letter in map(chr, range(0xE000, 0xF8FF)) if letter not in text)  # private use area
    table = parse(io.StringIO(text.replace("\0", placeholder)))

    def back(cell: Any) -> Any:
        return cell.replace(placeholder, "\0") if isinstance(cell, str) else cell

    return table.apply(lambda column: column.map(back)).rename(columns=back)


class _WithoutNul(io.TextIOBase):
    """A file wrapper for reading in blocks that removes NUL, which no tokenizer keeps."""

    def __init__(self, file: io.TextIOBase, start: int = 0) -> None:
        self.file, self.start = file, start

    def seek(self, place: int = 0, whence: int = 0) -> int:
        return self.file.seek(place or self.start, whence)

    def read(self, size: int | None = -1) -> str:
        while (block := self.file.read(size)) and not (kept := block.replace("\0", "")):
            pass
        return kept if block else ""


def _in_marks(line: str) -> bool:
    return all(map(QUOTED.fullmatch, line.split("\t")))


def _parsed(source: io.TextIOBase, mark: str, quoted: bool, **how: Any) -> Any:
    import pandas as pd

    return pd.read_csv(
        source,
        sep=mark,
        dtype=str,
        keep_default_na=False,
        na_filter=False,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        index_col=False,
        **how,
    )


@contextlib.contextmanager
def _strictly(opened: Callable[[], int | None] | None = None) -> Iterator[None]:
    """Raises _Odd for cells that pandas would drop or use as an index, and for lines that it cannot parse.

    Args:
        opened: function that returns the number of the line with an unclosed quotation mark, or None if it is not known.
    """
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield
    except pd.errors.ParserWarning:
        raise _Odd(
            "the first line has fewer cells than later lines: put texts that contain commas in quotation marks"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        if "EOF inside string" in str(error):
            line = opened and opened()
            where = f" in line {line}" if line else ""
            raise _Odd(
                f"a quotation mark that opens a cell{where} is never closed: check the quotation marks there"
            ) from None
        reason = str(error).replace("Error tokenizing data. C error: ", "").strip()
        raise _Odd(f"{reason}: check the quotation marks and commas of this line") from None


def _line_of_open_mark(skipped: str, text: str, mark: str) -> int | None:
    """Returns the number of the line in which the quotation mark opens that no other one closes, or None.

    Args:
        skipped: the start of the file, which is not parsed.
        text: the rest of the file.
        mark: the separator of the cells.
    """
    end_of_cell, place = re.compile(f"{re.escape(mark)}|\r\n|\r|\n"), 0
    while True:
        if text.startswith('"', place):
            if not (cell := CLOSED.match(text, place)):
                return len(LINE_END.findall(skipped + text[:place])) + 1
            place = cell.end()
        if not (found := end_of_cell.search(text, place)):
            return None
        place = found.end()


def _run_together(table: "pd.DataFrame") -> bool:
    return any(type(cell) is str and "\t" in cell and "\n" in cell for cell in table.to_numpy().ravel())
