"""Locks an output while a run writes it. The operating system releases the lock of a killed run."""

import contextlib
import errno
import logging
import os
import socket
import threading
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from .cluster import chief
from .disk import unwritable
from .errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("kbert_tasks")

FAR = 1 << 20  # Windows makes locked bytes unreadable, so the locked byte is after the name of the process
HELD = errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK
_held: dict[Path, tuple[int, int]] = {}  # output to the (process, thread) that holds its lock


@contextlib.contextmanager
def locked(output: str | PathLike[str]) -> Iterator[None]:
    """Holds the lock of an output file or folder: the file `.NAME.lock` next to it, which is deleted at the end.

    A thread that holds the lock can acquire it again, and also holds the locks of everything in the folder.

    Raises:
        InputError: another run holds the lock, or the parent folder is not writable.
    """
    output = Path(output).resolve()
    me = os.getpid(), threading.get_ident()
    if any(_held.get(path) == me for path in (output, *output.parents)):
        yield
        return
    missing = [path for path in output.parents if not path.exists()]
    existing = next(path for path in output.parents if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputError(f"{output} cannot be created: {existing} is not a writable folder")
    file = output.with_name(f".{output.name}.lock")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _opened(file)
    except OSError as error:
        raise unwritable(output, error) from None
    if descriptor is None:
        raise InputError(
            f"{output} is being written by another run{_holder(file)}: wait until it ends, or choose another output"
        )
    _held[output] = me
    try:
        yield
    finally:
        del _held[output]
        _release(descriptor, file)
        for path in missing:  # the deepest first
            with contextlib.suppress(OSError):  # the folder is not empty
                path.rmdir()


@contextlib.contextmanager
def locked_by_chief(output: str | PathLike[str] | None) -> Iterator[None]:
    """Holds the lock of an output if `output` is not None and this process writes it, see `chief`."""
    with locked(output) if output is not None and chief() else contextlib.nullcontext():
        yield


def _opened(file: Path) -> int | None:
    """Returns the descriptor of the locked file, or None if another run has locked it."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _lock(descriptor):
                os.close(descriptor)
                return None
            # The run that held the lock before may have deleted the file after this process opened it.
            if os.path.samestat(os.fstat(descriptor), os.stat(file)):
                with contextlib.suppress(OSError):  # on a full disk, the lock file stays empty
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Tries to lock the file and returns whether this succeeded; also True on a disk that does not support locks."""
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            os.lseek(descriptor, FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError as error:
        if error.errno in HELD:
            return False
        log.warning(
            "this file system does not support locks (%s): do not start a second run with the same output",
            error.strerror,
        )
    return True


def _release(descriptor: int, file: Path) -> None:
    """Deletes the file while it is still locked; on Windows, a file must be closed before it can be deleted."""
    if fcntl is None:
        os.close(descriptor)  # also unlocks the file
    with contextlib.suppress(OSError):
        file.unlink()
    if fcntl is not None:
        os.close(descriptor)


def _holder(file: Path) -> str:
    """Returns the process that holds the lock as text in parentheses, or "" if it is unknown."""
    try:
        name = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return f" ({name})" if name else ""
