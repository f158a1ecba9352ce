"""Excel files: one of their sheets as a table."""

from ..errors import InputError
from .cells import each_once


def table(path, header, sheet=None):
    """A DataFrame of one sheet; where there are others, `attrs["about"]` says which one was read and which were not.

    Args:
        path: Path of the file.
        header: whether the first row names the columns.
        sheet: its name, or its number from 1; None for the first one.

    Raises:
        InputError: no such sheet; or none was named, and the first one has no rows while others have.
    """
    import pandas as pd

    with pd.ExcelFile(path) as book:

        def rows(name):
            if header:  # pandas would rename the second of two columns with one name
                first = pd.read_excel(book, sheet_name=name, dtype=object, header=None, nrows=1)
                each_once(first.iloc[0] if len(first) else (), path)
            return pd.read_excel(
                book, sheet_name=name, dtype=object, header=0 if header else None, keep_default_na=False
            )

        names = list(map(str, book.sheet_names))
        name = _named(path, names, sheet)
        found = rows(name)
        if sheet is None and not len(found):
            filled = [other for other in names[1:] if len(rows(other))]
            if filled:
                raise InputError(
                    f"{path}: the first sheet, {name!r}, has no rows; sheets with rows: {', '.join(filled)}: "
                    "put one of them first, or name it with --sheet (in Python sheet=)"
                )
    unread = [other for other in names if other != name]
    if unread:
        found.attrs["about"] = (
            f"{path}: sheet {name!r} is read, {len(unread)} other{'s are' if len(unread) > 1 else ' is'} not "
            f"({', '.join(unread[:8])}{', ...' * (len(unread) > 8)})"
        )
    return found


def _named(path, names, sheet):
    """The name of the sheet that is meant; a name that is a number counts as a name."""
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
