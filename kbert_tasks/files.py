"""Creates files and folders atomically, and computes checksums."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from .disk import unwritable
from .errors import InputError
from .lock import locked


def make_room(folder):
    """Creates the parent of `folder`.

    Raises:
        InputError: `folder` already exists, or its parent cannot be created.
    """
    if folder.exists():
        raise InputError(f"{folder} is there already and is not replaced: move it away, or take another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder.parent, error) from None


@contextlib.contextmanager
def aside(folder):
    """Yields a temporary path with the same name as `folder`, on the same disk, and deletes what is left there at the end.

    The caller writes to this path and then renames it to `folder`.

    Raises:
        InputError: `make_room` failed, another run is creating `folder`, or the parent is not writable.
    """
    make_room(folder)
    with locked(folder):
        make_room(folder)  # the run that held the lock before may have created it
        try:
            place = tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent)
        except OSError as error:
            raise unwritable(folder.parent, error) from None
        with place:
            yield Path(place.name) / folder.name


def sha256(file):
    """Returns the SHA-256 checksum of a file as a hexadecimal string."""
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def write_text(file, text, beside=None):
    """Writes a text file atomically, replacing an existing file. Lone surrogates are escaped.

    Args:
        file: Path of the file.
        text: content of the file.
        beside: folder of the temporary file, on the same disk (default: the folder of `file`).
    """
    temporary = (beside or file.parent) / f".{file.name}.{os.getpid()}.writing"
    try:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
