"""Files and folders that appear whole or not at all, and checksums."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from .disk import unwritable
from .errors import InputError
from .lock import locked


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
        InputError: as `make_room`, another run is making `folder`, or the parent cannot be written to.
    """
    make_room(folder)
    with locked(folder):
        make_room(folder)  # the run that had the lock may have made it meanwhile
        try:
            place = tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent)
        except OSError as error:
            raise unwritable(folder.parent, error) from None
        with place:
            yield Path(place.name) / folder.name


def sha256(file):
    """The SHA-256 checksum of a file, as a hexadecimal string."""
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def write_text(file, text, beside=None):
    """Writes a text file that appears whole or not at all; an earlier file is replaced. Half an emoji is escaped.

    Args:
        file: its Path.
        text: its contents.
        beside: the folder of the temporary file (default that of `file`), on the same disk.
    """
    temporary = (beside or file.parent) / f".{file.name}.{os.getpid()}.writing"
    try:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
