"""Converts errors of writing to disk to an InputError."""

import contextlib
import errno
import re
import shutil
import sys
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from .errors import InputError

FULL = errno.ENOSPC, errno.EDQUOT, errno.EFBIG


@contextlib.contextmanager
def written(path: str | PathLike[str], then: str, wanted: int | None = None) -> Iterator[None]:
    """Converts errors of Python or TensorFlow while writing `path` to an InputError.

    Args:
        path: the file or folder that the block writes; the block should do nothing else.
        then: what the user should do after freeing disk space.
        wanted: number of bytes needed, or None if unknown.
    """
    try:
        yield
    except _write_errors() as error:
        raise no_room(path, error, then, wanted) from None


def no_room(path: str | PathLike[str], error: Exception, then: str, wanted: int | None = None) -> InputError:
    """Returns the InputError for an error while writing `path`; see `written` for the arguments."""
    reason = str(getattr(error, "strerror", None) or getattr(error, "message", None) or error)
    reason = re.sub(r"\{\{.*?\}\} *", "", reason).splitlines()[0][:160]  # remove TensorFlow's name of the operation
    needed = "" if wanted is None else f"; {_megabytes(wanted)} needed, {_megabytes(_free(path))} free"
    return InputError(f"{path} could not be written ({reason}{needed}): free disk space, {then}")


def unwritable(path: str | PathLike[str], error: OSError) -> InputError:
    """Returns the InputError for an OSError while creating a folder."""
    return InputError(
        f"{path} could not be written ({error.strerror}): free disk space, or choose another folder "
        "(for downloads, set KBERT_CHECKPOINTS)"
    )


def _write_errors() -> tuple[type[Exception], ...]:
    """Returns the exceptions that Python and, if it is imported, TensorFlow raise while writing."""
    tensorflow = sys.modules.get("tensorflow")
    return (OSError, tensorflow.errors.OpError) if tensorflow else (OSError,)


def _free(path: str | PathLike[str]) -> int:
    return shutil.disk_usage(next(each for each in Path(path).absolute().parents if each.exists())).free


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"
