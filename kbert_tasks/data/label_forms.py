"""Reads or rejects the different forms of labels: columns, lists in cells, rows of 0 and 1."""

import ast
import contextlib
import io
import itertools
import json
import re
import tokenize
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, RowError
from .cells import in_row, items, missing

if TYPE_CHECKING:
    import pandas as pd

LISTS = list | tuple | set | frozenset | np.ndarray
NUMBERS = re.compile(r"\[\s*[-+]?[\d.]+(\s+[-+]?[\d.]+)*\s*\]")  # a printed NumPy array


def label_list(labels: Any) -> list[Any]:
    """Converts labels that are passed separately from the texts to a list with one entry per text.

    A table or array with a single column is converted to the entries of that column.

    Raises:
        InputError: the labels are a table of several columns, or not an ordered collection.
    """
    import pandas as pd

    if isinstance(labels, pd.DataFrame):
        if labels.shape[1] != 1:
            names = ", ".join(map(str, labels.columns[:12]))
            raise InputError(
                f"the labels are a table of {labels.shape[1]} columns ({names}): give one column, or, for several labels "
                "per text, a list of names for each text"
            )
        labels = labels.iloc[:, 0]
    array = labels.numpy() if hasattr(labels, "numpy") else labels
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] == 1:
        array = np.asarray(array)[:, 0]
    if not isinstance(array, str | bytes | bytearray | memoryview | Mapping | set | frozenset):
        with contextlib.suppress(TypeError):
            return items(array)
    raise InputError(f"expected a list of labels, one for each text, found {type(labels).__name__}: {str(labels)[:40]}")


def column_of_one(cells: list[Any]) -> list[Any] | None:
    """Returns the entries of cells that are all lists of one entry; None for other cells or no cells."""
    if cells and all(isinstance(cell, list | tuple | np.ndarray) and len(cell) == 1 for cell in cells):
        return [cell[0] for cell in cells]
    return None


def listed(text: str) -> list[Any] | None:
    """Parses a text that is a JSON list, a Python list or a printed NumPy array; returns None for any other text."""
    text = text.strip()
    if text[:1] + text[-1:] not in ("[]", "()", "{}"):
        return None
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(text)
        return found if isinstance(found, list) else None
    if NUMBERS.fullmatch(text):
        return [float(number) for number in text[1:-1].split()]
    with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError):
        found = ast.literal_eval(text)
        if isinstance(found, list | tuple | set):
            strings = _strings(text)
            # NumPy prints an array as ['a' 'b'], and Python would join the two strings.
            return strings if len(strings) > sum(isinstance(each, str) for each in found) else [*found]
    return None


def with_lists(table: "pd.DataFrame", column: str) -> "pd.DataFrame":
    """Returns the table with parsed lists in a column whose cells are written as lists."""
    import pandas as pd

    read = [(cell, listed(cell) if isinstance(cell, str) else None) for cell in items(table[column])]
    cells = [cell if found is None else found for cell, found in read]
    return table.assign(**{column: pd.Series(cells, index=table.index, dtype=object)})


def _strings(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [ast.literal_eval(token.string) for token in tokens if token.type == tokenize.STRING]


def refuse_vectors(table: "pd.DataFrame", column: str) -> None:
    """Rejects labels that are vectors with one number per label instead of names.

    Lists of numbers count as vectors if all have the same length of at least 2, and if they contain only 0 and 1 (or -1
    and 1), fractions, or repeated numbers. A list of strings always counts as a list of names.

    Args:
        table: a DataFrame.
        column: name of the label column.

    Raises:
        InputError: the labels are vectors.
    """
    cells = [(place, cell) for place, cell in zip(table.index, items(table[column]), strict=True) if not missing(cell)]
    if not cells or not all(isinstance(cell, list | tuple | np.ndarray) for _, cell in cells):
        return
    first = cells[0][0]
    rows = [np.ravel(cell) if isinstance(cell, np.ndarray) else cell for _, cell in cells]
    lengths = {len(row) for row in rows}
    if len(lengths) > 1 or min(lengths) < 2 or not all(map(_is_number, itertools.chain(*rows))):
        return
    values = {float(each) for row in rows for each in row}
    if values <= {0, 1} or values <= {-1, 1} or any(len(set(row)) < len(row) or not _whole(row) for row in rows):
        with in_row(table, first):
            raise RowError(
                f"column {column!r} contains a row of numbers, one for each label: {str([*rows[0]])[:40]}. Give names instead: "
                "[names[i] for i in numpy.argmax(labels, axis=1)] if each text has one label, "
                "[[name for name, has in zip(names, row) if has] for row in labels] if it may have several"
            )


def _is_number(value: object) -> bool:
    return isinstance(value, Real | np.bool_)


def _whole(row: Any) -> bool:
    return all(float(each).is_integer() for each in row)
