"""How much memory this process holds, and how much it may hold in all.

A limit that was set (`ulimit -v`, a cgroup such as a container's) ends the process that goes beyond it, by a signal or by
an error inside of TensorFlow's libraries, and no Python code can catch either. So it is looked for beforehand.
Sources: Linux, man 5 proc, man 2 getrlimit, admin-guide/cgroup-v1/memory.rst and admin-guide/cgroup-v2.rst.
"""

import contextlib
import ctypes
import gc
import math
import os
from dataclasses import dataclass
from pathlib import Path

from ._keras import tensorflow

GIB = 2**30
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
LIBRARIES = 0.7 * GIB  # that Python, TensorFlow and Keras hold, where the system does not tell
ADDRESSES = 0.6 * GIB  # that threads and malloc reserve and do not fill, from the plan to the end of a training
VERSIONS = {  # of cgroups: limit, use, and in memory.stat the part of it that the system takes back when it needs it
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


@dataclass(frozen=True)
class Room:
    """How much memory there is.

    Attributes:
        bytes: that this process may hold in all; infinity where the system does not tell.
        held: bytes of them that it holds already.
        of: what sets it, for a sentence.
        limit: whether it was set for processes, so that there is no way beyond it.
    """

    bytes: float
    held: int
    of: str
    limit: bool = False


def room():
    """The least Room of all that bound this process."""
    if on_gpu := _gpu():
        return on_gpu
    gc.collect()
    # glibc gives back what was freed; others have no such call.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        pages = (PROC / "self/statm").read_text(encoding="ascii").split()
        addresses, held = (int(number) * os.sysconf("SC_PAGE_SIZE") for number in pages[:2])
        found = [Room(_fields(PROC / "meminfo")["MemAvailable:"] * 1024 + held, held, "this machine")]
    except (OSError, KeyError):  # another system than Linux, or a kernel that does not tell
        return Room(math.inf, int(LIBRARIES), "this system")
    found += [Room(left + held, held, "the limit of the cgroup", True) for left in _left_in_cgroups()]
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        found.append(Room(max(0, limit - addresses + held - int(ADDRESSES)), held, "the limit of ulimit -v", True))
    return min(found, key=lambda each: each.bytes)


def ran_out(error):
    """Whether an exception is that of memory that ran out: Python's, or TensorFlow's, by name, for it may not be imported."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _gpu():
    """Of the smallest GPU that TensorFlow computes on; None where there is none."""
    if not tensorflow().config.list_logical_devices("GPU"):
        return None
    from tensorflow.python.client import device_lib  # TensorFlow tells it nowhere else

    sizes = [each.memory_limit for each in device_lib.list_local_devices() if each.device_type == "GPU"]
    return Room(min(sizes), 0, "the GPU") if sizes else None


def _left_in_cgroups():
    """Bytes that are left in each cgroup with a limit that this process is in, from its own to the outermost."""
    file = PROC / "self/cgroup"
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            version, root = 1, CGROUPS / "memory"
        elif number == "0":
            version, root = 2, CGROUPS
        else:
            continue
        limit, use, freed = VERSIONS[version]
        own = root / path.lstrip("/")
        # A container may see its own group as the outermost one, and a path to it that is not there.
        for folder in (own, *own.parents):
            if not folder.is_relative_to(root):
                break
            with contextlib.suppress(OSError, ValueError):  # no such file; the word max
                left = int((folder / limit).read_text()) - int((folder / use).read_text())
                yield max(0, left + _fields(folder / "memory.stat").get(freed, 0))


def _fields(file):
    """A file's lines of a name and a number, as a dict."""
    lines = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
    return {name: int(number) for name, number, *_ in lines}
