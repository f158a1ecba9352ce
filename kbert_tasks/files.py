"""Creates files and folders atomically, and computes checksums."""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import TextIO

from .disk import FULL, no_room, unwritable
from .errors import InputError
from .lock import locked


def make_room(folder: Path) -> None:
    """Creates the parent of `folder`.

    Raises:
        InputError: `folder` already exists, or its parent cannot be created.
    """
    if folder.exists():
        raise InputError(f"{folder} already exists and is not overwritten: move it, or choose another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder.parent, error) from None


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
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


def sha256(file: str | PathLike[str]) -> str:
    """Returns the SHA-256 checksum of a file as a hexadecimal string."""
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def replacing(
    file: str | PathLike[str], temporary_folder: Path | None = None, then: str = "and run the same command again"
) -> Iterator[TextIO]:
    """Opens a temporary text file that replaces `file` if the block succeeds. Lone surrogates are escaped.

    Args:
        file: path of the file; a device such as /dev/null is written directly.
        temporary_folder: folder of the temporary file, on the same disk (default: the folder of `file`).
        then: what the user should do after freeing disk space, for the message about a full disk.

    Raises:
        InputError: another run is writing `file`, or the disk is full.
        OSError: on Windows, another program has `file` open; the new file is then kept as `temporary_of(file)`.
    """
    file = Path(file)
    device = file.exists() and not file.is_file()
    temporary = file if device else temporary_of(file, temporary_folder)
    with contextlib.nullcontext() if device else locked(file):
        try:
            with open(temporary, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
                yield stream
        except BaseException as error:
            if not device:
                temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno in FULL:
                raise no_room(file, error, then) from None
            raise
        if not device:
            temporary.replace(file)


def temporary_of(file: Path, temporary_folder: Path | None = None) -> Path:
    """Returns the path of the temporary file of `replacing`."""
    if temporary_folder is None:
        return file.with_name(f".{file.name}.writing")
    return temporary_folder / f".{file.parent.name}.{file.name}.writing"
