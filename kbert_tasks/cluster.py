"""Reads the environment variable TF_CONFIG, which describes the machines that train one model together.

On each machine, TF_CONFIG contains the same cluster, {"chief": [ADDRESS], "worker": [ADDRESS, ...]} or only workers, and
the task of this machine, such as {"type": "worker", "index": 1}.
"""

import json
import os

from .errors import InputError


def cluster() -> list[tuple[str, int]]:
    """Returns the workers in TF_CONFIG as [("chief" or "worker", number)], the chief first; [] without a cluster."""
    value = os.environ.get("TF_CONFIG") or "{}"
    try:
        jobs = json.loads(value).get("cluster") or {}
        return [(job, number) for job in ("chief", "worker") for number in range(len(jobs.get(job, ())))]
    except (ValueError, TypeError, AttributeError):
        raise InputError(f"TF_CONFIG should be JSON with a cluster and a task, found {value[:80]!r}") from None


def chief() -> bool:
    """Returns whether this process writes the results: true for a single machine and for the first one of a cluster."""
    return len(cluster()) < 2 or me() == 0


def me() -> int:
    """Returns the index of this process in `cluster()`."""
    task = json.loads(os.environ["TF_CONFIG"]).get("task") or {}
    try:
        return cluster().index((task["type"], int(task["index"])))
    except (KeyError, ValueError, TypeError):
        raise InputError(
            f"the task of TF_CONFIG should be the type and index of one of its workers, found {task}"
        ) from None
