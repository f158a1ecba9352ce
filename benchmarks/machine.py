"""Describe the machine that a benchmark runs on, and measure how busy it is."""

import os
import platform
import time
from pathlib import Path

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8")  # they determine the speed of matrix products


def described():
    """Returns a list of sentences about the machine, without full stops."""
    facts = _processor()
    name = facts.get("model name", platform.processor() or platform.machine())
    if "cpu family" in facts:
        name += f" (family {facts['cpu family']}, model {facts['model']})"
    flags = facts.get("flags", "").split()
    known = ", ".join(f"{flag} {'yes' if flag in flags else 'no'}" for flag in FLAGS) if flags else "flags unknown"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"{time.strftime('%Y-%m-%d')}, {platform.system()} {platform.machine()}",
        f"{name}, {os.cpu_count()} cores, of which {cores()} are used; {known}",
        f"{memory:.0f} GiB of memory",
    ]


def cores():
    """Returns the number of cores that this process and its child processes may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def busy():
    """Returns the busy seconds of all cores together since the machine started; nan if the system does not report them."""
    file = Path("/proc/stat")
    if not file.is_file():
        return float("nan")
    user, nice, system, _, _, *interrupts = map(int, file.read_text(encoding="utf-8").split("\n")[0].split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def _processor():
    """Returns the entries of the first processor in /proc/cpuinfo as a dict; an empty dict if the file is missing."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").split("\n\n")[0].split("\n") if file.is_file() else []
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
