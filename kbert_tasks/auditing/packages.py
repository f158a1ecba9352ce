"""The optional packages of an audit (the extra `audit`)."""

import importlib
from typing import Any

from ..errors import InputError


def needed(name: str, why: str) -> Any:
    """Imports an optional module.

    Args:
        name: name of the module, such as "cleanlab.filter".
        why: what it does here, for the message.

    Raises:
        InputError: the package is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise InputError(
            f"an audit needs the package {package}, which {why}: pip install 'kbert-tasks[audit]'"
        ) from None
