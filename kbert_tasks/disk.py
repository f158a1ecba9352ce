"""Errors of a disk that takes no more, as one sentence."""

import contextlib
import errno
import re
import shutil
import sys
from pathlib import Path

from .errors import InputError

FULL = errno.ENOSPC, errno.EDQUOT, errno.EFBIG


@contextlib.contextmanager
def written(path, then, wanted=None):
    """Turns what fails in writing `path`, by Python or by TensorFlow, into an InputError.

    Args:
        path: the file or folder that is written; the block does nothing else.
        then: what to do once there is room.
        wanted: bytes that are needed, where that is known.
    """
    try:
        yield
    except (OSError, *_of_tensorflow()) as error:
        raise no_room(path, error, then, wanted) from None


def no_room(path, error, then, wanted=None):
    """The InputError for an error of writing `path`; see `written`."""
    reason = str(getattr(error, "strerror", None) or getattr(error, "message", None) or error)
    reason = re.sub(r"\{\{.*?\}\} *", "", reason).splitlines()[0][:160]  # TensorFlow's name of the operation
    room = "" if wanted is None else f"; {_megabytes(wanted)} are needed, {_megabytes(_free(path))} are free"
    return InputError(f"{path} could not be written ({reason}{room}): make room, {then}")


def unwritable(path, error):
    """The InputError for an OSError of a folder that is made."""
    return InputError(
        f"{path} could not be written ({error.strerror}): make room, or name another folder "
        "(for downloads with KBERT_CHECKPOINTS in the environment)"
    )


def _of_tensorflow():
    tensorflow = sys.modules.get("tensorflow")
    return (tensorflow.errors.OpError,) if tensorflow else ()


def _free(path):
    return shutil.disk_usage(next(each for each in Path(path).absolute().parents if each.exists())).free


def _megabytes(number):
    return f"{number / 1e6:,.1f} MB"
