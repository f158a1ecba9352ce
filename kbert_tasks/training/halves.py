"""Decide whether a step computes the two halves of its batch at the same time, each with half of the processor's cores.

The operations of a small encoder are so short that dividing each of them among the cores takes a large part of the time.
Two halves of a batch do not wait for each other. `benchmarks/speed.md` has the measurements.
"""

import logging
import os
from typing import TYPE_CHECKING, Any

from .._keras import is_on_cpu, tensorflow

if TYPE_CHECKING:
    from tensorflow.distribute import Strategy

    from ..settings import Settings

SMALL = 512  # largest hidden size; at 768, halves were not faster, and their gradients need more memory
BY_USER = "TF_NUM_INTRAOP_THREADS"  # environment variable of TensorFlow

log = logging.getLogger("kbert_tasks")


def cores() -> int:
    """Returns the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pays(settings: "Settings", config: dict[str, Any], strategy: "Strategy") -> bool:
    """Returns whether a training computes halves, and sets the number of threads of each operation if it does.

    TensorFlow accepts the number of threads only before it has started to compute. A training after that computes halves
    only if an earlier one has set the number.

    Args:
        settings: the Settings of the task.
        config: the parsed `bert_config.json`.
        strategy: the strategy that `distribution.strategy` returned.
    """
    if settings.micro_batches > 1 or settings.auto_micro_batches or cores() < 2:
        return False
    # With the threads of an earlier training, a whole batch of a large encoder would use half of the cores only.
    if config["hidden_size"] > SMALL and not _threads_are(cores() // 2):
        return False
    if strategy.num_replicas_in_sync > 1 or BY_USER in os.environ or tensorflow().config.list_physical_devices("GPU"):
        return False
    if not (_set_threads(cores() // 2) and is_on_cpu()):
        return False
    log.info("computing the two halves of each batch at the same time, with %d of %d cores each", cores() // 2, cores())
    return True


def _set_threads(number: int) -> bool:
    """Sets the number of threads of one operation; returns whether it is set."""
    if not _threads_are(0):  # 0 is TensorFlow's default
        return _threads_are(number)
    try:
        tensorflow().config.threading.set_intra_op_parallelism_threads(number)
    except RuntimeError:  # TensorFlow has already started
        return False
    return True


def _threads_are(number: int) -> bool:
    return bool(tensorflow().config.threading.get_intra_op_parallelism_threads() == number)
