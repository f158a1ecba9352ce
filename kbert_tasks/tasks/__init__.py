"""The tasks. Each has its own folder, and the name of the folder is the name of the task."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from .base import Task


def names() -> list[str]:
    """Returns the names of all tasks, sorted."""
    return sorted(file.parent.name for file in Path(__file__).parent.glob("*/task.py"))


def find(name: str) -> type["Task[Any]"]:
    """Returns the Task class with this name.

    Raises:
        InputError: there is no such task.
    """
    if name not in names():
        raise InputError(f"there is no task {name!r}; tasks: {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}.task").TASK
