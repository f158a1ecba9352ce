"""The tasks: one folder each, whose name is the name of the task."""

import importlib
from pathlib import Path

from ..errors import InputError


def names():
    return sorted(file.parent.name for file in Path(__file__).parent.glob("*/task.py"))


def find(name):
    """The Task class of that name."""
    if name not in names():
        raise InputError(f"there is no task {name!r}; tasks: {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}.task").TASK
