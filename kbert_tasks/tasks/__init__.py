"""The tasks: a task's name is its file's name, and a name that is not a file here is refused."""

import importlib
from pathlib import Path

from ..errors import InputError


def names():
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in ("__init__", "base"))


def find(name):
    """The Task class of that name."""
    if name not in names():
        raise InputError(f"there is no task {name!r}; tasks: {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}").TASK
