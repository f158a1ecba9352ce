"""Where rows come from: the file that a table was read from, if the table has not been changed since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import sha256 as sha256_of_file

if TYPE_CHECKING:
    import pandas as pd

READ = "read"  # entry of `attrs`, which pandas copies to tables made from this one: hence the checksum


@dataclass(frozen=True)
class Source:
    """A file of rows.

    Attributes:
        file: absolute path.
        sha256: checksum of the file.
        options: the options of `tables.read` that are not default values, such as {"encoding": "big5"}.
    """

    file: str
    sha256: str
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, file: str | PathLike[str], **options: Any) -> "Source":
        return cls(str(Path(file).absolute()), sha256_of_file(file), options)

    @classmethod
    def of_all(cls, files: Sequence[str | PathLike[str]]) -> "Source":
        """Returns a Source of several files together, whose checksum is that of the file if there is only one."""
        each = [cls.of(file) for file in files]
        together = sha256("".join(source.sha256 for source in each).encode()).hexdigest()
        return cls(", ".join(source.file for source in each), each[0].sha256 if len(each) == 1 else together)


def mark(table: "pd.DataFrame", options: Mapping[str, Any]) -> None:
    """Stores in a table how it was read, and a checksum that shows whether it has been changed since.

    Args:
        table: the table; its `attrs["file"]` is the path.
        options: the options of `tables.read`.
    """
    given = {name: value for name, value in options.items() if value is not None and value is not True}
    table.attrs[READ] = {"options": given, "checksum": _checksum(table)}


def source_of(rows: Any, labels: Any = None) -> Source | None:
    """Returns the Source of rows in one of the forms that `fit` accepts, or None if they are not the rows of a file."""
    import pandas as pd

    if labels is None and isinstance(rows, str | Path):
        return Source.of(rows)
    if labels is None and isinstance(rows, pd.DataFrame) and READ in rows.attrs:
        file, read = Path(rows.attrs["file"]), rows.attrs[READ]
        if read["checksum"] == _checksum(rows) and file.is_file():
            return Source.of(file, **read["options"])
    return None


def _checksum(table: "pd.DataFrame") -> str:
    found = sha256(repr(list(table.columns)).encode())
    for _, column in table.items():
        found.update(repr(column.tolist()).encode(errors="replace"))
    return found.hexdigest()
