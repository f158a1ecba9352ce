"""Converts cells and column names by the same rules for files, DataFrames and lists."""

import contextlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, RowError

if TYPE_CHECKING:
    import pandas as pd

# Invisible characters that are not white space, control or format characters: fillers, the empty braille cell, and the
# replacement character for undecodable bytes, which Google's tokenizer also drops.
INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffd\U000e0100-\U000e01ef]"
)


def each_once(names: Iterable[Any], where: object) -> list[Any]:
    """Returns column names without surrounding white space.

    Raises:
        InputError: two names are the same.
    """
    names = [name.strip() if isinstance(name, str) else name for name in names]
    for name, number in Counter(name for name in names if not missing(name) and name != "").items():
        if number > 1:
            raise InputError(f"{where} has two columns named {name!r}: rename one")
    return names


def each_key_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Builds a dict from the pairs of a JSON object, for `json.loads(..., object_pairs_hook=each_key_once)`.

    Raises:
        RowError: two values have the same key; `dict` would keep the last one only.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
        raise RowError(f"an object has the key {twice!r} twice: rename one")
    return made


def missing(value: object) -> bool:
    """Returns whether a cell is None, NaN, NaT or pandas's NA."""
    if type(value) is str:
        return False
    import pandas as pd

    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def text_of(value: Any, column: str | None = None) -> str:
    """Converts a cell to text.

    Strings are unchanged. A missing value becomes "", 3.0 becomes "3" and True becomes "True". Bytes are decoded as
    UTF-8. Scalars of NumPy and TensorFlow are converted like the Python value that they hold.

    Args:
        value: value of the cell.
        column: name of the column for the error message, or None.

    Raises:
        RowError: the value is a list, a dict, a date or another object, or bytes that are not UTF-8.
    """
    if type(value) is str:
        return value
    value = _scalar(value)
    if missing(value):
        return ""
    if isinstance(value, str):
        return str.__str__(value)  # the value of a string Enum, not its name
    if isinstance(value, bytes | bytearray | memoryview):
        return _decoded(bytes(value), column)
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, Decimal):
        return str(value)
    found = " ".join(str(value).split())[:60]
    raise RowError(f"{_where(column)}expected a text or a number, found {type(value).__name__} {found}")


def one_text(data: Any) -> str | bytes | None:
    """Returns the text if `data` is a single one (a string, bytes, or a scalar tensor or array of these), else None."""
    one = _scalar(data)
    if isinstance(one, bytearray | memoryview):
        return bytes(one)
    return one if isinstance(one, str | bytes) else None


def items(values: Any) -> list[Any]:
    """Converts a list, an array, a tensor, a Series or another iterable to a list.

    Raises:
        TypeError: `values` is not iterable.
    """
    if not isinstance(values, np.ndarray) and hasattr(values, "numpy"):
        values = values.numpy()  # a tensor of TensorFlow or PyTorch
    axes, kind = getattr(values, "ndim", 1), getattr(getattr(values, "dtype", None), "kind", "")
    if axes == 1 and kind == "f" and not isinstance(values, np.ma.MaskedArray):
        return list(np.asarray(values))  # NumPy scalars, because float() turns float32 0.1 into 0.10000000149011612
    return values.tolist() if axes and hasattr(values, "tolist") else list(values)


def records(table: "pd.DataFrame") -> list[dict[Any, Any]]:
    """Returns the rows of a DataFrame as dicts from column name to value."""
    columns = [items(table[name]) for name in table.columns]
    return [dict(zip(table.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def texts_of(rows: "pd.DataFrame", column: str) -> list[str]:
    """Returns the cells of a column as texts; an error of `text_of` names the row."""
    found = []
    for place, value in zip(rows.index, items(rows[column]), strict=True):
        with in_row(rows, place):
            found.append(text_of(value, column))
    return found


@contextlib.contextmanager
def in_row(rows: "pd.DataFrame", place: int) -> Iterator[None]:
    """Adds the file and the row number to the message of a RowError.

    Args:
        rows: a table; the optional `attrs["before"]` is the number of rows of the file that precede it.
        place: index of the row in the table, from 0.
    """
    try:
        yield
    except RowError as error:
        number = rows.attrs.get("before", 0) + place + 1
        raise InputError(f"{rows.attrs.get('file', 'the table')}, row {number}: {error}") from None


def filled(value: Any) -> bool:
    """Returns whether a cell has content; any list or other object counts, even an empty one."""
    return not blank(text_of(value)) if isinstance(value, str | bytes) else not missing(value)


def blank(text: str) -> bool:
    """Returns whether a text is empty or consists only of white space, control and invisible characters."""
    return not any(map(_visible, text))


def without_invisible(text: str) -> str:
    """Removes invisible characters and replaces each run of white space with one space."""
    return " ".join("".join(letter for letter in text if letter.isspace() or _visible(letter)).split())


def _visible(letter: str) -> bool:
    return not (letter.isspace() or unicodedata.category(letter) in ("Cc", "Cf") or INVISIBLE.match(letter))


def _scalar(value: Any) -> Any:
    """Converts a zero-dimensional array or tensor to its value; other values are unchanged."""
    if not isinstance(value, np.generic | np.ndarray) and hasattr(value, "numpy"):
        with contextlib.suppress(Exception):  # a symbolic tensor has no value; the caller rejects it
            value = value.numpy() if tuple(value.shape) == () else value
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _decoded(raw: bytes, column: str | None) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise RowError(f"{_where(column)}expected UTF-8, found other bytes, decode them first: {raw[:40]!r}") from None


def _where(column: str | None) -> str:
    return "" if column is None else f"column {column!r}: "
