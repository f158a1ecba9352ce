"""A lock on an output while a run writes it. The operating system holds it, so a killed run does not leave it behind."""

import contextlib
import errno
import logging
import os
import socket
import threading
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

FAR = 1 << 20  # Windows locks bytes, and nobody can read them meanwhile: one behind the name of the process
HELD = errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK
_held: dict[Path, tuple[int, int]] = {}  # output to the (process, thread) that has its lock


@contextlib.contextmanager
def locked(output):
    """Holds the lock of an output file or folder: `.NAME.lock` beside it, which is deleted at the end.

    A thread that has the lock can take it again, and has that of everything in the folder too.

    Raises:
        InputError: another run has the lock, or nothing can be written there.
    """
    output = Path(output).resolve()
    me = os.getpid(), threading.get_ident()
    if any(_held.get(path) == me for path in (output, *output.parents)):
        yield
        return
    missing = [path for path in output.parents if not path.exists()]
    existing = next(path for path in output.parents if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputError(f"{output} cannot be made: {existing} is not a folder that you may write to")
    file = output.with_name(f".{output.name}.lock")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _opened(file)
    except OSError as error:
        raise unwritable(output, error) from None
    if descriptor is None:
        raise InputError(
            f"{output} is being written by another run{_holder(file)}: wait until it has ended, or name another output"
        )
    _held[output] = me
    try:
        yield
    finally:
        del _held[output]
        _release(descriptor, file)
        for path in missing:  # the deepest first
            with contextlib.suppress(OSError):  # it holds what was written
                path.rmdir()


@contextlib.contextmanager
def locked_by_chief(output):
    """`locked`, where there is an output and it is this process that writes it: of several machines the first does."""
    with locked(output) if output is not None and chief() else contextlib.nullcontext():
        yield


def _opened(file):
    """The descriptor of the locked file, or None where another run has locked it."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _lock(descriptor):
                os.close(descriptor)
                return None
            # The run that had it may have deleted the file after it was opened here.
            if os.path.samestat(os.fstat(descriptor), os.stat(file)):
                with contextlib.suppress(OSError):  # on a full disk the lock has no name
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor):
    """Whether this process could lock it; True also on a disk that knows no locks."""
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
        log.warning("this disk has no locks (%s): do not start a second run with the same output", error.strerror)
    return True


def _release(descriptor, file):
    """Deletes the file while it is still locked; Windows deletes only what is closed."""
    if fcntl is None:
        os.close(descriptor)  # which unlocks it
    with contextlib.suppress(OSError):
        file.unlink()
    if fcntl is not None:
        os.close(descriptor)


def _holder(file):
    """Who has the lock, in brackets, where it could be read."""
    try:
        name = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return f" ({name})" if name else ""
