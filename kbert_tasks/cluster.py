"""The machines that train one model together, as the environment variable TF_CONFIG tells them.

Each is told the same cluster, {"chief": [ADDRESS], "worker": [ADDRESS, ...]} or workers alone, and which of them it is, its
task: {"type": "worker", "index": 1}.
"""

import json
import os

from .errors import InputError


def cluster():
    """The workers' names that TF_CONFIG tells, the chief first: [("chief" or "worker", number)]; [] where it tells none."""
    told = os.environ.get("TF_CONFIG") or "{}"
    try:
        jobs = json.loads(told).get("cluster") or {}
        return [(job, number) for job in ("chief", "worker") for number in range(len(jobs.get(job, ())))]
    except (ValueError, TypeError, AttributeError):
        raise InputError(f"TF_CONFIG should be JSON with a cluster and a task, not {told[:80]!r}") from None


def chief():
    """Whether this process writes what all of them have trained: of several machines the first does."""
    return len(cluster()) < 2 or me() == 0


def me():
    """The place of this process among them."""
    task = json.loads(os.environ["TF_CONFIG"]).get("task") or {}
    try:
        return cluster().index((task["type"], int(task["index"])))
    except (KeyError, ValueError, TypeError):
        raise InputError(
            f"the task of TF_CONFIG should be the type and index of one of its workers, not {task}"
        ) from None
