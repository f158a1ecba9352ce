"""The versions that are part of each report."""

import contextlib
import importlib.metadata
import platform

NAMES = ("kbert-tasks", "tensorflow", "tf_keras", "keras-bert", "tokenizers", "numpy")


def versions() -> dict[str, str]:
    """Returns the versions of this package, of Python and of the libraries that affect the results."""
    found = {"python": platform.python_version()}
    for name in NAMES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
