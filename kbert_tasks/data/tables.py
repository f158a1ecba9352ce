"""Converts files and Python lists to one table of rows and keeps every value as it was written.

The texts "NA", "null" and "007" stay unchanged, because pandas does not interpret any value.
"""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from . import delimited, sheets
from .annotations import formats
from .annotations.token_files import EXTENSIONS
from .cells import each_once, items, missing, one_text
from .encodings import decoded, lines
from .sources import mark

if TYPE_CHECKING:
    import pandas as pd

    from ..typing import Rows

log = logging.getLogger("kbert_tasks")

EXCEL, JSON = ".xlsx", (".jsonl", ".json")
KINDS = (".csv", ".tsv", *JSON, EXCEL, ".parquet", ".txt", *EXTENSIONS)


def read(
    path: str | PathLike[str],
    *,
    header: bool = True,
    encoding: str | None = None,
    sheet: str | int | None = None,
    format: str | None = None,
    token_column: int | None = None,
    tag_column: int | None = None,
) -> "pd.DataFrame":
    """Reads a table from a CSV, TSV, JSON, JSONL, Excel, Parquet or plain text file (one text per line), or a token file.

    If a CSV or TSV file uses another common separator, the function detects it. A `.txt` file that has exactly one tab in
    each line is read as a table with two columns. The log contains a message in both cases.

    Annotated texts in a format of doccano, Label Studio or CLUENER, in JSONL with entities, or in a file with one token and
    its tag per line (`.bio`, `.conll`, `.bioes`, `.bmes`) get the columns `text` and `entities`, a list of dicts with
    `start`, `end` (exclusive, in characters) and `type`. With relations, the column `spo_list` holds triples with positions.

    Args:
        path: path of the file; its extension determines the file type.
        header: False if the first line contains data; the columns are then called "1", "2", ...
        encoding: encoding of a text file; by default it is detected: UTF-8 (with or without BOM), UTF-16 with BOM, or
            GBK if the file is not valid UTF-8 and its text decoded as GBK is Chinese.
        sheet: name of the Excel sheet, or its number from 1; by default the first sheet.
        format: format of annotated texts: "jsonl", "cluener", "doccano", "label-studio", "bio", "bioes" or "bmes"; by default
            it is detected.
        token_column, tag_column: numbers of the columns of a token file, from 1; by default the first and the last.

    Returns:
        A DataFrame. `table.attrs["file"]` is the path. `table.attrs["about"]`, if it exists, is a sentence about how the file
        was read, such as which sheet of an Excel file. If something in annotated texts was left out or changed, the column
        `annotation_problems` lists it for each row.

    Raises:
        InputError: the file or the sheet does not exist, the type or the encoding is wrong, or a line is malformed.
    """
    import pandas as pd

    path = Path(path)
    kind = path.suffix.lower()
    tokens = formats.is_token_file(path, format)
    _check(path, sheet, format, has_token_columns=(token_column, tag_column) != (None, None))
    try:
        if kind == ".parquet":
            table = pd.read_parquet(path)
        elif kind == EXCEL:
            table = sheets.table(path, header, sheet)
        else:
            text = decoded(path.read_bytes(), str(path), encoding)
            if format is None and kind == ".txt" and delimited.tabbed(lines(text)):
                log.info("%s: each line has exactly one tab, so the file is read as .tsv with two columns", path)
                kind = ".tsv"
            if tokens or format is not None or kind in JSON:
                table = formats.read(path, text, format, token_column, tag_column)
            elif kind == ".txt":
                table = pd.DataFrame({"text": lines(text)})
            else:
                table = delimited.table(path, text, delimited.MARKS[kind], header)
    except ImportError:
        raise InputError(f"{path} needs a package that is not installed: pip install 'kbert-tasks[tables]'") from None
    except InputError:
        raise
    except Exception as error:  # each engine of pandas raises its own errors
        raise InputError(
            f"{path} cannot be read as {kind}: {(str(error) or type(error).__name__).splitlines()[0]}"
        ) from None
    table = named(table, path, header, kind)
    if "about" in table.attrs:
        log.info("%s", table.attrs["about"])
    if not len(table):
        raise InputError(f"{path} has a header line and no rows" if table.attrs["header"] else f"{path} has no rows")
    options = {"header": header, "encoding": encoding, "sheet": sheet, "format": format}
    mark(table, options | {"token_column": token_column, "tag_column": tag_column})
    return table


def _check(path: Path, sheet: str | int | None, format: str | None, has_token_columns: bool) -> None:
    """Raises InputError if there is no such file, or if an option does not suit it."""
    kind = path.suffix.lower()
    if not path.is_file():
        raise InputError(
            f"{path} {'is a folder' if path.is_dir() else 'does not exist'}: give a file of labelled texts"
        )
    formats.check(format)
    if kind not in KINDS and format is None:
        raise InputError(f"{path} should end in one of {', '.join(KINDS)}: the extension determines the format")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")
    if sheet is not None and kind != EXCEL:
        raise InputError(f"{path} has no sheets: sheet (--sheet) is only for Excel files, which end in {EXCEL}")
    if format is not None and kind in (EXCEL, ".parquet"):
        raise InputError(
            f"{path} is a table, and {format!r} is a format of text files: leave out --input-format (format=)"
        )
    if has_token_columns and not formats.is_token_file(path, format):
        raise InputError(
            f"{path} is no token file: token_column and tag_column (--token-column, --tag-column) are only for token files"
        )


def named(table: "pd.DataFrame", path: Path, header: bool = True, kind: str | None = None) -> "pd.DataFrame":
    """Normalizes the column names, rejects duplicates, and stores the source of the table in `attrs`."""
    headed = (kind or path.suffix.lower()) in (*delimited.MARKS, EXCEL)
    if headed and not header:
        table.columns = range(1, table.shape[1] + 1)
    table.columns = each_once(map(str, table.columns), path)
    table.attrs |= {"file": str(path), "header": header and headed}
    return table


def table(
    data: "Rows",
    labels: Sequence[Any] | None = None,
    columns: tuple[str, str | None, str | None] = ("text", "label", "text_b"),
) -> "pd.DataFrame":
    """Converts a DataFrame, a path, dicts, tuples, or texts (with `labels`) to a DataFrame.

    Args:
        data: a DataFrame, the path of a file, a list of dicts, a list of texts, or a list of pairs (text, text_b).
        labels: the gold answers, one per row, or None.
        columns: column names of the text, the label and the second text; the last is None for a task without pairs.
    """
    import pandas as pd

    text, label, second = columns
    if isinstance(data, pd.DataFrame):
        data = _plain_names(data)
        return data if labels is None else _labelled(data.copy(deep=False), labels, label)
    if isinstance(data, Path) or (isinstance(data, str) and Path(data).suffix.lower() in KINDS):
        return read(data)
    if (one := one_text(data)) is not None:
        raise InputError(f"expected a list of texts, found one text: put it in square brackets, [{one[:20]!r}]")
    if isinstance(data, Mapping):
        raise InputError(
            "expected a list of texts, of pairs or of dicts, found one dict: convert it with pandas.DataFrame(...)"
        )
    rows = _listed(data)
    kinds = {dict if isinstance(row, dict) else list if isinstance(row, tuple | list) else str for row in rows}
    if len(kinds) > 1:
        raise InputError("expected a list of texts, of pairs or of dicts, found a mixture of them")
    if rows and isinstance(rows[0], dict):
        made = _plain_names(pd.DataFrame(rows, dtype=object))
    elif rows and isinstance(rows[0], tuple | list):
        if second is None:
            raise InputError(
                "a list of pairs needs a model that was trained on pairs, this one reads single texts: give a list of "
                "texts, and the labels as a separate argument"
            )
        if {len(row) for row in rows} != {2}:
            raise InputError(
                "a list of tuples should contain pairs (text, second text); give the labels as a separate argument"
            )
        made = pd.DataFrame([tuple(row) for row in rows], columns=[text, second], dtype=object)
    else:
        made = pd.DataFrame({text: pd.Series(rows, dtype=object)})
    return made if labels is None else _labelled(made, labels, label)


def _listed(data: Any) -> list[Any]:
    with contextlib.suppress(TypeError):
        if not isinstance(data, set | frozenset):  # sets have no order
            return items(data)
    raise InputError(f"expected a list of texts, of pairs or of dicts, found {type(data).__name__}")


def _plain_names(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Normalizes the column names of a user's DataFrame like those of a file."""
    where = rows.attrs.get("file", "the table")
    if rows.columns.nlevels > 1:
        raise InputError(
            f"{where} has {rows.columns.nlevels} levels of column names: keep one, for example with rows.droplevel(0, axis=1)"
        )
    numbered = not all(isinstance(name, str) or missing(name) for name in rows.columns)
    names = each_once([name if missing(name) else str(name) for name in rows.columns], where)
    if names == list(rows.columns):
        return rows
    rows = rows.set_axis(names, axis=1)
    rows.attrs = rows.attrs | ({"header": False} if numbered else {})  # a row 0, 1 is not the header line again
    return rows


def _labelled(rows: "pd.DataFrame", labels: Sequence[Any], name: str | None) -> "pd.DataFrame":
    import pandas as pd

    if len(labels) != len(rows):
        raise InputError(f"there are {len(rows)} texts and {len(labels)} labels: give one label for each text")
    rows[name] = pd.Series(labels, index=rows.index, dtype=object)
    return rows


def column(rows: "pd.DataFrame", name: str, option: str) -> "pd.Series":
    """Returns the column `name`.

    Raises:
        InputError: the column does not exist; the message lists the columns and names the option that selects one.
    """
    if name not in rows.columns:
        file = rows.attrs.get("file", "the table")
        if file.lower().endswith(".txt") and list(rows.columns) == ["text"]:
            raise InputError(
                f"{file} has no column {name!r}: a .txt file has one text per line; if it is a table, rename it to .csv "
                "(cells separated by commas) or .tsv (by tabs)"
            )
        numbered = " (or --no-header and the number of a column, if the first line is data)"
        numbered = numbered if rows.attrs.get("header") else ""
        raise InputError(
            f"{file} has no column {name!r}; its columns: {', '.join(map(str, rows.columns[:12]))}; "
            f"choose one with --{option.replace('_', '-')}{numbered}"
        )
    for other in rows.columns:
        if other != name and str(other).casefold() == name.casefold():
            _not_split(rows, name, other)
    return rows[name]


def _not_split(rows: "pd.DataFrame", name: str, other: Any) -> None:
    """Raises InputError if some rows hold the value of the column under another spelling of its name."""
    split = rows[name].map(missing) & ~rows[other].map(missing)
    if split.any():
        where = rows.attrs.get("file", "the table")
        raise InputError(
            f"{where}, row {split.idxmax() + 1} has {other!r}, other rows have {name!r}: use one name in all rows"
        )
