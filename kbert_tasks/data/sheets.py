"""Reads one sheet of an Excel file as a table."""

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .cells import each_once

if TYPE_CHECKING:
    import pandas as pd


def table(path: Path, header: bool, sheet: str | int | None = None) -> "pd.DataFrame":
    """Reads one sheet as a DataFrame; if the file has other sheets, `attrs["about"]` names the read and unread ones.

    Args:
        path: Path of the file.
        header: whether the first row names the columns.
        sheet: name of the sheet, or its number from 1; None reads the first sheet.

    Raises:
        InputError: the sheet does not exist or is a chart, or `sheet` is None and only other sheets than the first have rows.
    """
    import pandas as pd

    with _opened(path) as book:

        def rows(name: str) -> "pd.DataFrame":
            if header:  # pandas would rename the second of two columns with the same name
                first = pd.read_excel(book, sheet_name=name, dtype=object, header=None, nrows=1)
                each_once(first.iloc[0] if len(first) else (), path)
            return pd.read_excel(
                book, sheet_name=name, dtype=object, header=0 if header else None, keep_default_na=False
            )

        names = list(map(str, book.sheet_names))
        charts = [str(each.title) for each in getattr(book.book, "chartsheets", ())]  # pandas does not list these
        if charts and (not names or (sheet in charts and sheet not in names)):
            raise InputError(
                f"{path}: sheet {(sheet if sheet in charts else charts[0])!r} has only a chart; sheets with cells: "
                f"{', '.join(names) or 'none'}: choose a sheet with cells by --sheet (in Python sheet=)"
            )
        name = _named(path, names, sheet)
        found = rows(name)
        if sheet is None and not len(found):
            filled = [other for other in names[1:] if len(rows(other))]
            if filled:
                raise InputError(
                    f"{path}: the first sheet, {name!r}, has no rows; sheets with rows: {', '.join(filled)}: "
                    "move one of them to the front, or choose it with --sheet (in Python sheet=)"
                )
    unread = [other for other in names if other != name]
    if unread:
        found.attrs["about"] = (
            f"{path}: sheet {name!r} is read, {len(unread)} other{'s are' if len(unread) > 1 else ' is'} not "
            f"({', '.join(unread[:8])}{', ...' * (len(unread) > 8)})"
        )
    return found


def _opened(path: Path) -> "pd.ExcelFile":
    """Opens the file with pandas; openpyxl raises an AttributeError for a chart sheet without a chart."""
    import pandas as pd

    try:
        return pd.ExcelFile(path)
    except AttributeError:
        with zipfile.ZipFile(path) as parts:
            if not any(name.startswith("xl/chartsheets/") for name in parts.namelist()):
                raise
    raise InputError(f"{path} has a chart sheet that cannot be read: delete this sheet, and save the file again")


def _named(path: Path, names: list[str], sheet: str | int | None) -> str:
    """Returns the name of the requested sheet; a string that is both a name and a number is used as a name."""
    if sheet is None:
        return names[0]
    if str(sheet) in names and not isinstance(sheet, int):
        return str(sheet)
    number = int(sheet) if str(sheet).isdecimal() else 0
    if not 1 <= number <= len(names):
        raise InputError(
            f"{path} has no sheet {sheet!r}; its sheets: {', '.join(f'{i} {name}' for i, name in enumerate(names, 1))}"
        )
    return names[number - 1]
