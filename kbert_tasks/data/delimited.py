"""CSV and TSV as tables, whole or in parts, with every cell as it is written."""

import contextlib
import csv
import io
import re
import warnings

from ..errors import InputError

MARKS = {".csv": ",", ".tsv": "\t"}
ROWS = 10_000  # of a part
QUOTED = re.compile(r'"(?:[^"]|"")*"')


class _Odd(ValueError):
    """What is odd about a line, as a part of a sentence."""


def table(path, text, mark, header):
    """A DataFrame of a whole file.

    Args:
        path: what it is called in sentences.
        text: str, its lines ended by a line feed.
        mark: what stands between cells, of MARKS.
        header: whether the first line names the columns.

    Raises:
        InputError: a line that does not fit.
    """
    lines = text.strip("\n").split("\n")
    quoted = mark == "," or not bare(lines)
    try:
        with _strictly():
            source = io.StringIO("\n".join(lines))
            found = _parsed(source, mark, quoted, header=0 if header else None, skip_blank_lines=False)
        if not quoted or mark == "," or not _run_together(found):
            return found
        said = "lines run together"
    except _Odd as odd:
        said = odd
    if mark == ",":
        raise InputError(f"{path}: {said}")
    tabs = [line.count("\t") for line in lines]
    place = next(i for i, count in enumerate(tabs) if count != tabs[0])
    raise InputError(
        f"{path}, line {place + 1} has {tabs[place]} tabs, the first line {tabs[0]}, and read with quotation marks as in CSV "
        "its lines do not fit either: mend that line"
    )


def parts(path, encoding, mark):
    """Yields DataFrames of ROWS rows, at most, of a file with a header line: CSV, or TSV that is `bare`.

    Raises:
        InputError: a line that does not fit.
        UnicodeDecodeError: a byte that is not of the encoding.
    """
    with open(path, encoding=encoding) as file:
        reader = None
        while True:
            try:
                with _strictly():
                    reader = reader or _parsed(file, mark, mark == ",", chunksize=ROWS, skip_blank_lines=True)
                    part = next(reader, None)
            except _Odd as odd:
                raise InputError(f"{path}: {odd}") from None
            if part is None:
                return
            yield part


def bare(lines):
    """Whether the quotation marks of a TSV file are text.

    Published files mostly hold such. One that was written with quoting has cells with line breaks or tabs in them, and so
    lines with another number of tabs; or all cells that have quotation marks stand in some, and those within are doubled.
    """
    counts, doubled, quoted = set(), False, True
    for line in lines:
        if line := line.strip("\n"):
            counts.add(line.count("\t"))
            for cell in line.split("\t") if quoted and '"' in line else ():
                if '"' in cell:
                    quoted = QUOTED.fullmatch(cell) is not None
                    doubled |= '""' in cell[1:-1]
    return len(counts) == 1 and not (quoted and doubled)


def _parsed(source, mark, quoted, **how):
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
def _strictly():
    """_Odd for what pandas would cut off or take for an index, and for what it cannot read."""
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield
    except pd.errors.ParserWarning:
        raise _Odd(
            "the first line has fewer cells than the lines below it: put texts with commas in quotation marks"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        said = str(error).replace("Error tokenizing data. C error: ", "").strip()
        raise _Odd(f"{said}: check the quotation marks and commas there") from None


def _run_together(table):
    return any(type(cell) is str and "\t" in cell and "\n" in cell for cell in table.to_numpy().ravel())
