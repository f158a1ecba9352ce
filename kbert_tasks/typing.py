"""Defines types of user input for type hints; they are not used at run time."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

# Input of `data.tables.table`: a DataFrame, the path of a file, texts, pairs of texts, or dicts; and the gold answers.
Rows: TypeAlias = (
    pd.DataFrame
    | Path
    | str
    | Iterable[str]
    | Iterable[tuple[str, str]]
    | Iterable[list[str]]
    | Iterable[dict[str, Any]]
)
Labels: TypeAlias = Iterable[Any]
