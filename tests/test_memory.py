"""Amount of available memory: of the machine, a cgroup, `ulimit -v` or a GPU."""

import math
import os
import resource
import types

import pytest

from kbert_tasks import memory

PAGE = os.sysconf("SC_PAGE_SIZE")
HELD = 1000 * PAGE


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Create the files of a system with 8 GiB, where the process uses HELD without a limit; call it to write more files."""
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("memory_", "memory.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    write(proc__self__statm="5000 1000 10 1 0 100 0\n", proc__self__cgroup="0::/\n")
    write(proc__meminfo="MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\nHugePages_Total: 0\n")
    return write


def test_available_memory_includes_the_memory_of_this_process(system):
    assert memory.available() == memory.Available(4 * memory.GIB + HELD, HELD, "this machine")


def test_lowest_limit_of_nested_cgroups_applies(system):
    system(proc__self__cgroup="0::/jobs/mine\n")
    for folder, limit, use, freed in (("jobs", "900000000", 500000000, 100000000), ("jobs__mine", "max", 400000000, 0)):
        values = {"max": limit, "current": use, "stat": f"anon 5\ninactive_file {freed}\n"}
        system(**{f"cgroup__{folder}__memory_{name}": f"{value}" for name, value in values.items()})
    assert memory.available() == memory.Available(500000000 + HELD, HELD, "the limit of the cgroup", True)


def test_container_that_does_not_see_its_own_cgroup_path(system):
    """cgroup 1: the path is the one on the host, but the files are in the root folder."""
    system(proc__self__cgroup="5:devices:/docker/12\n4:cpu,memory:/docker/12\n0::/docker/12\n")
    system(cgroup__memory__memory_limit_in_bytes="1000000000\n", cgroup__memory__memory_usage_in_bytes="700000000\n")
    system(cgroup__memory__memory_stat="inactive_file 1\ntotal_inactive_file 200000000\n")
    assert memory.available() == memory.Available(500000000 + HELD, HELD, "the limit of the cgroup", True)


def test_limit_of_the_address_space(system, monkeypatch):
    """`ulimit -v` also counts memory that is mapped but not used."""
    limit = 5000 * PAGE + int(memory.ADDRESSES) + 123 * PAGE
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    assert memory.available() == memory.Available(123 * PAGE + HELD, HELD, "the limit of ulimit -v", True)


def test_unknown_system_has_no_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "PROC", tmp_path)
    assert memory.available() == memory.Available(math.inf, int(memory.LIBRARIES), "this system")


def test_gpu_memory_has_priority(monkeypatch):
    from tensorflow.python.client import device_lib

    config = types.SimpleNamespace(list_logical_devices=lambda kind: [kind] * 2)
    monkeypatch.setattr(memory, "tensorflow", lambda: types.SimpleNamespace(config=config))
    sizes = ("CPU", 1), ("GPU", 9), ("GPU", 7)
    devices = [types.SimpleNamespace(device_type=kind, memory_limit=size) for kind, size in sizes]
    monkeypatch.setattr(device_lib, "list_local_devices", lambda: devices)
    assert memory.available() == memory.Available(7, 0, "the GPU")


def test_available_memory_of_this_machine():
    available = memory.available()
    assert 0 < available.held < available.bytes


def test_out_of_memory_errors_are_recognised():
    from kbert_tasks._keras import tensorflow

    errors = tensorflow().errors
    assert memory.ran_out(MemoryError()) and memory.ran_out(errors.ResourceExhaustedError(None, None, "OOM"))
    assert not memory.ran_out(errors.InternalError(None, None, "other"))
