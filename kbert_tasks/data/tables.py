"""Files and Python lists to one table of rows, with every value kept as it was written.

A label "NA", a text "null" or a number "007" stays that text: pandas is told to interpret nothing.
"""

import json
import logging
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from . import delimited

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("kbert_tasks")

KINDS = (".csv", ".tsv", ".jsonl", ".xlsx", ".parquet", ".txt")


def read(path: str | PathLike[str], *, header: bool = True, encoding: str | None = None) -> "pd.DataFrame":
    """A table from a CSV, TSV, JSONL, Excel, Parquet or plain text file (a text a line).

    Args:
        path: the file; its ending tells the kind.
        header: False where the first line is data already; columns are then called "1", "2", ...
        encoding: of text files; by default UTF-8 (with or without BOM), UTF-16 with BOM, or GBK where the bytes
            are not UTF-8 and plainly read as Chinese.

    Returns:
        A DataFrame; `attrs["file"]` is the path.

    Raises:
        InputError: no such file, another kind, a wrong encoding, or a line that does not fit.
    """
    import pandas as pd

    path = Path(path)
    kind = path.suffix.lower()
    if not path.is_file():
        raise InputError(
            f"{path} is {'a folder, not a file' if path.is_dir() else 'not there'}: name a file of labelled texts"
        )
    if kind not in KINDS:
        raise InputError(f"{path} should end in one of {', '.join(KINDS)}: by its ending its kind is known")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")
    try:
        if kind == ".parquet":
            table = pd.read_parquet(path)
        elif kind == ".xlsx":
            table = pd.read_excel(path, dtype=object, header=0 if header else None, keep_default_na=False)
        else:
            text = decoded(path.read_bytes(), str(path), encoding)
            if kind == ".jsonl":
                table = _jsonl(path, text)
            elif kind == ".txt":
                table = pd.DataFrame({"text": text.split("\n")[: -1 if text.endswith("\n") else None]})
            else:
                table = delimited.table(path, text, delimited.MARKS[kind], header)
    except ImportError:
        raise InputError(f"{path} needs a package that is not installed: pip install 'kbert-tasks[tables]'") from None
    except InputError:
        raise
    except Exception as error:  # each of pandas's engines has its own errors
        raise InputError(
            f"{path} cannot be read as {kind}: {(str(error) or type(error).__name__).splitlines()[0]}"
        ) from None
    table = named(table, path, header)
    if not len(table):
        raise InputError(f"{path} has a header line and no rows" if table.attrs["header"] else f"{path} has no rows")
    return table


def named(table, path, header=True):
    """The table with plain names of columns, each once, and where it comes from."""
    headed = path.suffix.lower() in (".csv", ".tsv", ".xlsx")
    if headed and not header:
        table.columns = range(1, table.shape[1] + 1)
    table.columns = [str(name).strip() for name in table.columns]
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise InputError(f"{path} has two columns called {twice[0]!r}: rename one")
    table.attrs |= {"file": str(path), "header": header and headed}
    return table


def table(data, labels=None, columns=("text", "label", "text_b")):
    """A DataFrame of whatever holds rows: a DataFrame, a path, dicts, tuples, or texts (with `labels`).

    Args:
        data: a DataFrame; the path of a file; a list of dicts; a list of texts, or of pairs of texts.
        labels: the gold answers, as many as texts, where `data` is a list of texts; without them a list of pairs
            holds (text, text_b).
        columns: the names that the table gets for text, label and second text.
    """
    import pandas as pd

    text, label, second = columns
    if isinstance(data, pd.DataFrame):
        return data if labels is None else _labelled(data.copy(deep=False), labels, label)
    if isinstance(data, Path) or (isinstance(data, str) and Path(data).suffix.lower() in KINDS):
        return read(data)
    if isinstance(data, str):
        raise InputError(f"wanted a list of texts, got one text: put it in square brackets, [{data[:20]!r}]")
    if isinstance(data, Mapping):
        raise InputError(
            "wanted a list of texts, of pairs or of dicts, got one dict: pandas.DataFrame(...) makes a table of it"
        )
    # NumPy's arrays of two columns and of one
    rows = data.tolist() if hasattr(data, "tolist") else list(data)
    kinds = {dict if isinstance(row, dict) else list if isinstance(row, tuple | list) else str for row in rows}
    if len(kinds) > 1:
        raise InputError("wanted a list of texts, of pairs or of dicts: this one mixes them")
    if rows and isinstance(rows[0], dict):
        made = pd.DataFrame(rows, dtype=object)
    elif rows and isinstance(rows[0], tuple | list):
        if {len(row) for row in rows} != {2}:
            raise InputError("a list of tuples should hold pairs (text, second text); labels are given apart")
        made = pd.DataFrame([tuple(row) for row in rows], columns=[text, second], dtype=object)
    else:
        made = pd.DataFrame({text: pd.Series(rows, dtype=object)})
    return made if labels is None else _labelled(made, labels, label)


def _labelled(rows, labels, name):
    import pandas as pd

    if len(labels) != len(rows):
        raise InputError(f"there are {len(rows)} texts and {len(labels)} labels: give as many of one as of the other")
    rows[name] = pd.Series(list(labels), index=rows.index, dtype=object)
    return rows


def missing(value):
    """Whether a cell holds nothing: None, NaN, NaT, pandas's NA."""
    import pandas as pd

    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def text_of(value):
    """A cell as text: a missing value is "", 3 and 3.0 are "3"."""
    if missing(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def column(rows, name, option):
    """The column called `name`, or InputError that lists the columns and names the option that chooses one."""
    if name not in rows.columns:
        file = rows.attrs.get("file", "the table")
        numbered = " (or --no-header, where the first line is data already, and a column's number)"
        numbered = numbered if rows.attrs.get("header") else ""
        raise InputError(
            f"{file} has no column {name!r}; its columns: {', '.join(map(str, rows.columns[:12]))}; "
            f"name the right one with --{option.replace('_', '-')}{numbered}"
        )
    return rows[name]


def _jsonl(path, text):
    import pandas as pd

    return pd.DataFrame([row for _, row in json_rows(path, enumerate(text.split("\n"), 1))], dtype=object)


def json_rows(path, lines):
    """Yields (number, dict) for each (number, line) that is not blank; InputError names the file and line of any other."""
    for number, line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number} is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(
                f'{path}, line {number}: wanted an object such as {{"text": ...}}, found {line.strip()[:40]}'
            )
        yield number, row


def decoded(raw, name, encoding=None):
    """Bytes as text, its lines ended by a line feed.

    Args:
        raw: bytes.
        name: what they are called in sentences.
        encoding: or None: UTF-8 (a BOM is accepted), UTF-16 with BOM, or GBK where it plainly is Chinese.
    """
    if encoding is None and raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    try:
        text = raw.decode(encoding or "utf-8-sig")
    except LookupError:
        raise InputError(f"there is no encoding {encoding!r}; usual ones: utf-8, gb18030, big5, latin-1") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        where = f"{name}, line {line}: byte 0x{error.object[error.start]:02x} is not {error.encoding}"
        if encoding is None and (text := _as_gbk(raw)) is not None:
            log.info("%s; read as GBK (gb18030); if it is not Chinese, name its encoding with --encoding", where)
        else:
            raise InputError(
                f"{where}: name the file's encoding, such as --encoding gb18030, big5 or latin-1"
            ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _as_gbk(raw):
    """The bytes read as GB18030, or None where what comes out is not Chinese text."""
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        return None
    foreign = [c for c in text if ord(c) > 127]
    # Common Chinese characters and punctuation; other encodings read as GBK give rare characters.
    common = sum(c in "，。！？、：；（）“”《》…　—" or len(c.encode("gb2312", "ignore")) == 2 for c in foreign)
    return text if common >= 0.95 * len(foreign) else None
