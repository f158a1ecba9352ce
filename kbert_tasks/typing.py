"""What users give, for those who read or check hints; nothing here is used when a program runs."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

# What `data.table` takes: a DataFrame, the path of a file, texts, pairs of texts, or dicts; and the gold answers of texts.
Rows: TypeAlias = (
    pd.DataFrame
    | Path
    | str
    | Iterable[str]
    | Iterable[tuple[str, str]]
    | Iterable[list[str]]
    | Iterable[dict[str, Any]]
)
Labels: TypeAlias = Collection[Any]
