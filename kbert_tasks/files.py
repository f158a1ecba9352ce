"""Folders that appear whole or not at all: made aside, on the same disk, then renamed."""

import contextlib
import tempfile
from pathlib import Path

from .checkpoint import google_format
from .errors import InputError


def is_checkpoint(folder):
    """Whether `bert_config.json` is in the folder, or one level down, as some archives have it."""
    return (folder / google_format.CONFIG).is_file() or any(folder.glob(f"*/{google_format.CONFIG}"))


def make_room(folder):
    """Makes the parent of `folder`.

    Raises:
        InputError: `folder` is there already, or its parent cannot be made.
    """
    if folder.exists():
        raise InputError(f"{folder} is there already and is not replaced: move it away, or take another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder.parent, error) from None


@contextlib.contextmanager
def aside(folder):
    """A path beside `folder`, of the same name, for what is to become `folder`; what is left there is deleted.

    Raises:
        InputError: as `make_room`, or the parent cannot be written to.
    """
    make_room(folder)
    try:
        place = tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent)
    except OSError as error:
        raise unwritable(folder.parent, error) from None
    with place:
        yield Path(place.name) / folder.name


def unwritable(path, error):
    return InputError(
        f"{path} could not be written ({error.strerror}): make room, or name another folder "
        "(for downloads with KBERT_CHECKPOINTS in the environment)"
    )
