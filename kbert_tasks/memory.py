"""Measures the memory that this process uses and the memory that it may use in total.

A process that exceeds a limit (`ulimit -v`, or a cgroup such as that of a container) ends with a signal or with an error
inside TensorFlow's libraries. Python code cannot catch either, so this module determines the limits in advance.

Sources: Linux, man 5 proc, man 2 getrlimit, admin-guide/cgroup-v1/memory.rst and admin-guide/cgroup-v2.rst.
"""

import contextlib
import ctypes
import gc
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ._keras import tensorflow

GIB = 2**30
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
LIBRARIES = 0.7 * GIB  # estimated memory of Python, TensorFlow and Keras, if the system does not report it
ADDRESSES = 0.6 * GIB  # address space that threads and malloc reserve but do not use during a training
VERSIONS = {  # cgroup version to files of limit and usage, and the key in memory.stat of reclaimable memory
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


@dataclass(frozen=True)
class Available:
    """The memory that this process may use.

    Attributes:
        bytes: number of bytes that this process may use in total; infinity if unknown.
        held: number of bytes that it already uses.
        of: what defines the amount, for messages.
        limit: whether the amount is a strict limit of the process.
    """

    bytes: float
    held: int
    of: str
    limit: bool = False


def available() -> Available:
    """Returns the smallest Available of all limits that apply to this process."""
    if on_gpu := _gpu():
        return on_gpu
    gc.collect()
    # glibc returns freed memory to the system; other C libraries lack this function.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        pages = (PROC / "self/statm").read_text(encoding="ascii").split()
        addresses, held = (int(number) * os.sysconf("SC_PAGE_SIZE") for number in pages[:2])
        found = [Available(_fields(PROC / "meminfo")["MemAvailable:"] * 1024 + held, held, "this machine")]
    except (OSError, KeyError):  # not Linux, or a kernel without these files
        return Available(math.inf, int(LIBRARIES), "this system")
    found += [Available(left + held, held, "the limit of the cgroup", True) for left in _left_in_cgroups()]
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        found.append(Available(max(0, limit - addresses + held - int(ADDRESSES)), held, "the limit of ulimit -v", True))
    return min(found, key=lambda each: each.bytes)


def ran_out(error: BaseException) -> bool:
    """Returns whether an exception of Python or TensorFlow means that memory ran out."""
    # The name is compared because TensorFlow may not be imported.
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _gpu() -> Available | None:
    """Returns the Available of the smallest GPU that TensorFlow uses, or None without a GPU."""
    if not tensorflow().config.list_logical_devices("GPU"):
        return None
    from tensorflow.python.client import device_lib  # TensorFlow has no public function for this

    sizes = [each.memory_limit for each in device_lib.list_local_devices() if each.device_type == "GPU"]
    return Available(min(sizes), 0, "the GPU") if sizes else None


def _left_in_cgroups() -> Iterator[int]:
    """Yields the free bytes of each limited cgroup of this process, from the innermost to the outermost."""
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
        # A container may see its own group as the outermost one, under a path that does not exist.
        for folder in (own, *own.parents):
            if not folder.is_relative_to(root):
                break
            with contextlib.suppress(OSError, ValueError):  # the file is missing, or contains "max"
                left = int((folder / limit).read_text()) - int((folder / use).read_text())
                yield max(0, left + _fields(folder / "memory.stat").get(freed, 0))


def _fields(file: Path) -> dict[str, int]:
    """Parses a file with a name and a number in each line to a dict."""
    lines = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
    return {name: int(number) for name, number, *_ in lines}
