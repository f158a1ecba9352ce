"""Train on one device, several GPUs, several machines, or a TPU. Only this module handles strategies.

With several devices, each device has the whole model and computes its part of every batch. The gradients are summed, so a
step gives the same result as the whole batch on one device. `batch_size` counts the texts of all devices together, and
the learning rate does not change.
"""

import functools
import json
import logging
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from .._keras import is_tpu, tensorflow
from ..cluster import chief, cluster, me
from ..data.batches import Replicas
from ..encoder.gradients import held_by_graph
from ..errors import InputError
from ..settings import check_device

if TYPE_CHECKING:
    from tensorflow import Tensor, Variable
    from tensorflow.data import Dataset
    from tensorflow.distribute import DistributedDataset, InputContext, Strategy

    from .._keras import Model

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("kbert_tasks")


def strategy(device: str = "auto") -> "Strategy":
    """Returns the TensorFlow strategy for the available devices and logs which devices it uses and why.

    To train on several machines, run the same command on each of them, with the cluster in the environment variable
    TF_CONFIG (see TensorFlow's guide to MultiWorkerMirroredStrategy). All machines must see the same files. If the
    requested TPU or GPU does not exist, the function logs a warning and uses the next best device.

    Args:
        device: "auto" (the machines in TF_CONFIG, otherwise a TPU, otherwise all GPUs, otherwise the CPU), "cpu", "gpu",
            "tpu", or "cpu:N": N devices that share the CPU. These are for testing and no faster than one device.

    Returns:
        A `tf.distribute.Strategy`. Inside the scope of a strategy, the function returns that strategy. On one device it
        returns TensorFlow's default strategy, which has no effect.

    Raises:
        InputError: TF_CONFIG is not valid for TensorFlow, or the requested devices must be configured before TensorFlow
            starts to compute, and it has already started.

    Examples:
        >>> with kb.strategy("auto").scope():
        ...     encoder = kb.load_trained_model_from_checkpoint(config_file, checkpoint_file)
    """
    tf = tensorflow()
    if tf.distribute.has_strategy():
        return tf.distribute.get_strategy()
    found, description = _found(check_device(device))
    log.info("training on %s", description)
    return found


@functools.cache  # a process can set up a TPU, logical devices or a cluster only once
def _found(device: str) -> "tuple[Strategy, str]":
    """Returns (strategy, description)."""
    tf = tensorflow()
    if len(cluster()) > 1:
        return _machines(device)
    if device.startswith("cpu"):
        return _processor(int(device[4:] or 1))
    if device == "tpu" or (device == "auto" and _may_have_tpu()):
        tpu, problem = _tpu()
        if tpu:
            return tpu, f"a TPU of {tpu.num_replicas_in_sync} cores: found by TensorFlow"
        log.warning("no usable TPU: %s", problem)
    gpus = tf.config.list_physical_devices("GPU")
    if len(gpus) > 1:
        return tf.distribute.MirroredStrategy(), f"{len(gpus)} GPUs: found by TensorFlow"
    if device == "gpu" and not gpus:
        log.warning("TensorFlow finds no GPU: see its installation guide for the drivers that it needs")
    return tf.distribute.get_strategy(), "the GPU: found by TensorFlow" if gpus else "the CPU: no faster device found"


def _may_have_tpu() -> bool:
    variables = {"COLAB_TPU_ADDR", "TPU_NAME"} & os.environ.keys()
    return bool(variables or any(Path("/dev").glob("accel[0-9]*")) or tensorflow().config.list_physical_devices("TPU"))


@functools.cache
def _tpu() -> "tuple[Strategy, None] | tuple[None, str]":
    """Returns (strategy for the TPU of this machine, None), or (None, reason why there is no TPU)."""
    distribute = tensorflow().distribute
    try:
        return distribute.TPUStrategy(distribute.cluster_resolver.TPUClusterResolver.connect("local")), None
    except Exception as problem:  # the driver, the device, a permission or TensorFlow's TPU support is missing
        reason = (str(problem) or type(problem).__name__).splitlines()[0].split(". ")[0]
        remote = "; the older TPUs of Colab, which run on another machine, are not supported" * (
            "COLAB_TPU_ADDR" in os.environ
        )
        return None, reason + remote


def _processor(number: int) -> "tuple[Strategy, str]":
    tf = tensorflow()
    cpus = tf.config.list_physical_devices("CPU")
    try:
        if tf.config.list_physical_devices("GPU"):
            tf.config.set_visible_devices([], "GPU")
        if number > 1:
            tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * number)
    except RuntimeError:
        name = f"cpu:{number}" if number > 1 else "cpu"
        raise InputError(
            f"device {name} cannot be set, because TensorFlow has already started: restart Python and set it first, "
            f"with kbert_tasks.strategy({name!r})"
        ) from None
    if number == 1:
        return tf.distribute.get_strategy(), "the CPU: as requested"
    return tf.distribute.MirroredStrategy(
        [f"/cpu:{i}" for i in range(number)]
    ), f"{number} devices of the CPU: as requested"


def _machines(device: str) -> "tuple[Strategy, str]":
    tf, workers = tensorflow(), cluster()
    number = me() + 1
    if device not in ("auto", "cpu", "gpu"):
        raise InputError(
            f"TF_CONFIG names {len(workers)} workers, but device {device} is for one worker: use auto, cpu or gpu"
        )
    if device == "cpu":
        _processor(1)
    log.info("worker %d of %d, from TF_CONFIG: waiting for the others", number, len(workers))
    try:
        found = tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as problem:
        if "program startup" not in str(problem):
            raise
        raise InputError(
            "TF_CONFIG names several workers, but TensorFlow has already started: restart Python and call "
            "kbert_tasks.strategy() first"
        ) from None
    return (
        found,
        f"{found.num_replicas_in_sync} devices of {len(workers)} machines, from TF_CONFIG; this is machine {number}",
    )


def check_agreement(strategy: "Strategy", identity: Mapping[str, Any]) -> None:
    """Checks that all workers train the same model with the same data.

    Args:
        strategy: the strategy of this worker.
        identity: dict (JSON) whose values must be equal on all workers.

    Raises:
        InputError: the values differ; the message contains the first name with different values.
    """
    if len(cluster()) < 2:
        return
    sums = [zlib.crc32(json.dumps(value, sort_keys=True).encode()) for value in identity.values()]
    for name, found in zip(identity, _everywhere(strategy, sums).T, strict=True):
        if len(set(found.tolist())) > 1:
            raise InputError(f"the workers do not have the same {name}: give each the same command, and the same files")


def as_chief(model: "Model", answer: bool) -> bool:
    """Returns the answer of the first machine as a bool, so that all machines act the same."""
    if len(cluster()) < 2:
        return bool(answer)
    return bool(_everywhere(model.distribute_strategy, [answer and chief()]).any())


def _everywhere(strategy: "Strategy", numbers: Sequence[int]) -> np.ndarray:
    """Gathers a list of integers from each device of each worker: int64 array (devices, numbers)."""
    tf = tensorflow()

    @tf.function(autograph=False)
    def gathered() -> "Tensor":
        return strategy.gather(strategy.run(lambda: tf.constant([numbers], tf.int64)), axis=0)

    return gathered().numpy()


def explain_lost_worker(run: Callable[P, T]) -> Callable[P, T]:
    """Decorator: raises an InputError with one sentence if another worker disappears."""

    @functools.wraps(run)
    def running(*args: P.args, **kwargs: P.kwargs) -> T:
        errors = tensorflow().errors
        try:
            return run(*args, **kwargs)
        except (errors.UnavailableError, errors.AbortedError, errors.CancelledError, errors.InternalError) as problem:
            if len(cluster()) < 2:
                raise
            log.debug("%s", problem)
            raise InputError(
                "another worker stopped: run the command again on every worker; training resumes from the last save"
            ) from None

    return running


@explain_lost_worker
def wait_for_workers(device: str) -> None:
    """Waits until all workers reach this call, because the first worker to exit breaks the connection of the others."""
    check_agreement(_found(device)[0], {"end": True})


def distributed(
    strategy: "Strategy", batches: "Callable[..., tuple[Dataset, int]]", size: int, parts: int, length: int
) -> "Dataset | DistributedDataset":
    """Returns the dataset for `fit`, distributed over the devices of the strategy.

    Args:
        strategy: the strategy that trains the model.
        batches: a function; `batches(replicas=None or a batches.Replicas)` returns (a `tf.data.Dataset`, steps).
        size: number of texts in a batch, over all devices.
        parts: number of micro-batches on each device.
        length: maximum number of tokens in a text.
    """
    copies = strategy.num_replicas_in_sync
    if copies == 1 and not is_tpu(strategy):
        return batches()[0]
    # A TPU needs batches of one fixed shape, split into equal micro-batches.
    shape = (-(-size // (copies * parts)) * parts, length) if is_tpu(strategy) else (1, None)

    def of_worker(context: "InputContext") -> "Dataset":
        here = copies // context.num_input_pipelines
        first = context.input_pipeline_id * here
        return batches(replicas=Replicas(copies, range(first, first + here), *shape))[0]

    return strategy.distribute_datasets_from_function(of_worker)


def summed(values: T) -> T:
    """Returns the sum over all devices of a tensor or a list of tensors. Call it inside a training step."""
    distribute = tensorflow().distribute
    context = distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return values
    result = context.all_reduce(distribute.ReduceOp.SUM, values)
    first = result[0] if isinstance(result, list) else result
    if first.op.type == "IdentityN":  # all_reduce adds a custom gradient, except for sparse tensors
        held_by_graph(first)
    return result


def assigned(variable: "Variable", value: "Tensor") -> None:
    """Assigns a value that is the same on all devices to a variable. Call it inside a training step."""

    def together(strategy: "Strategy", value: "Tensor") -> None:
        strategy.extended.update(variable, lambda each, one: each.assign(one), args=(value,))

    tensorflow().distribute.get_replica_context().merge_call(together, args=(value,))
