"""What a model is trained on: one device, several GPUs, several machines, a TPU. The only file that knows of strategies.

Where there are several devices each has the whole model and computes its part of every batch; the gradients are summed,
so that a step is that of the whole batch on one device. `batch_size` is of all devices together, and the learning rate
stays as it is.
"""

import functools
import json
import logging
import os
import re
import zlib
from pathlib import Path
from typing import Any

from ._keras import tensorflow
from .batches import Deal
from .errors import InputError
from .workers import chief, cluster, me

DEVICE = re.compile(r"auto|cpu|gpu|tpu|cpu:[1-9]\d?")
KINDS = "auto, cpu, gpu, tpu, or cpu:N for N devices that share this machine's processor"

log = logging.getLogger("kbert_tasks")


def checked(device):
    """The name of a device, or InputError."""
    if not DEVICE.fullmatch(device):
        raise InputError(f"device should be one of {KINDS}, not {device!r}")
    return device


def strategy(device: str = "auto") -> Any:
    """TensorFlow's strategy for what there is to train on; the log says what that is, and why.

    Several machines each give the same command, with their cluster in the environment variable TF_CONFIG (see TensorFlow's
    guide to MultiWorkerMirroredStrategy); they must see the same files. Where a TPU or a GPU is asked for and
    there is none, the log says so and the next best is taken.

    Args:
        device: "auto" (machines of TF_CONFIG, else a TPU, else all GPUs, else the processor), "cpu", "gpu", "tpu", or "cpu:N":
            N devices that share the processor, no faster than one, to try things with.

    Returns:
        A `tf.distribute.Strategy`: inside the scope of one, that one; on one device the default one, which changes nothing.

    Raises:
        InputError: TF_CONFIG is not what TensorFlow wants, or TensorFlow has begun to compute, and what is asked for must
            be told before.

    Examples:
        >>> with kb.strategy("auto").scope():
        ...     encoder = kb.load_trained_model_from_checkpoint(config_file, checkpoint_file)
    """
    tf = tensorflow()
    if tf.distribute.has_strategy():
        return tf.distribute.get_strategy()
    found, told = _found(checked(device))
    log.info("training on %s", told)
    return found


@functools.cache  # a TPU, logical devices and a cluster are set up once in a process
def _found(device):
    """(strategy, what it is)."""
    tf = tensorflow()
    if len(cluster()) > 1:
        return _machines(device)
    if device.startswith("cpu"):
        return _processor(int(device[4:] or 1))
    if device == "tpu" or (device == "auto" and _may_have_tpu()):
        tpu, problem = _tpu()
        if tpu:
            return tpu, f"a TPU of {tpu.num_replicas_in_sync} cores: TensorFlow found it"
        log.warning("there is no TPU that can be used: %s", problem)
    gpus = tf.config.list_physical_devices("GPU")
    if len(gpus) > 1:
        return tf.distribute.MirroredStrategy(), f"{len(gpus)} GPUs: TensorFlow found them"
    if device == "gpu" and not gpus:
        log.warning("there is no GPU that TensorFlow can use (its guide to installing says what that takes)")
    return tf.distribute.get_strategy(), "the GPU: TensorFlow found it" if gpus else "the CPU: there is nothing faster"


def _may_have_tpu():
    told = {"COLAB_TPU_ADDR", "TPU_NAME"} & os.environ.keys()
    return bool(told or any(Path("/dev").glob("accel[0-9]*")) or tensorflow().config.list_physical_devices("TPU"))


@functools.cache
def _tpu():
    """(the strategy of this machine's TPU, None), or (None, why there is none)."""
    distribute = tensorflow().distribute
    try:
        return distribute.TPUStrategy(distribute.cluster_resolver.TPUClusterResolver.connect("local")), None
    except Exception as problem:  # a driver, the device, a permission or TensorFlow's part for it is missing
        told = (str(problem) or type(problem).__name__).splitlines()[0].split(". ")[0]
        remote = "; the older TPUs of Colab, which are another machine, are not supported" * (
            "COLAB_TPU_ADDR" in os.environ
        )
        return None, told + remote


def _processor(number):
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
            f"device {name} comes too late, TensorFlow has begun to compute: start Python again and say it first, "
            f"by kbert_tasks.strategy({name!r})"
        ) from None
    if number == 1:
        return tf.distribute.get_strategy(), "the CPU: as told"
    return tf.distribute.MirroredStrategy([f"/cpu:{i}" for i in range(number)]), f"{number} devices of the CPU: as told"


def _machines(device):
    tf, workers = tensorflow(), cluster()
    number = me() + 1
    if device not in ("auto", "cpu", "gpu"):
        raise InputError(
            f"TF_CONFIG names {len(workers)} workers, and device {device} is for one: say auto, cpu or gpu"
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
            "TF_CONFIG names several workers, and TensorFlow has begun to compute: start Python again and call "
            "kbert_tasks.strategy() first"
        ) from None
    return (
        found,
        f"{found.num_replicas_in_sync} devices of {len(workers)} machines, from TF_CONFIG; this is machine {number}",
    )


def agreed(strategy, told):
    """InputError, where the workers would not train the same: the first name in a dict (JSON) of which their values differ."""
    if len(cluster()) < 2:
        return
    sums = [zlib.crc32(json.dumps(value, sort_keys=True).encode()) for value in told.values()]
    for name, found in zip(told, _everywhere(strategy, sums).T, strict=True):
        if len(set(found.tolist())) > 1:
            raise InputError(f"the workers do not have the same {name}: give each the same command, and the same files")


def as_chief(model, answer):
    """Of several machines, what the first one answers, yes or no; else the answer."""
    if len(cluster()) < 2:
        return bool(answer)
    return bool(_everywhere(model.distribute_strategy, [answer and chief()]).any())


def _everywhere(strategy, numbers):
    """A list of whole numbers, from each device of each worker: int64 array (devices, numbers)."""
    tf = tensorflow()

    @tf.function(autograph=False)
    def gathered():
        return strategy.gather(strategy.run(lambda: tf.constant([numbers], tf.int64)), axis=0)

    return gathered().numpy()


def telling(run):
    """Makes one sentence of a worker that is gone."""

    @functools.wraps(run)
    def running(*args, **kwargs):
        errors = tensorflow().errors
        try:
            return run(*args, **kwargs)
        except (errors.UnavailableError, errors.AbortedError, errors.CancelledError, errors.InternalError) as problem:
            if len(cluster()) < 2:
                raise
            log.debug("%s", problem)
            raise InputError(
                "another worker is gone: give every worker its command again; they go on from the last save"
            ) from None

    return running


@telling
def meet(device):
    """Waits until all workers have come here: the first to end takes the others' connection with it."""
    agreed(_found(device)[0], {"end": True})


def fixed(strategy):
    """Whether all batches must have one shape: a TPU compiles each new one."""
    return isinstance(strategy, tensorflow().distribute.TPUStrategy)


def on_tpu():
    """Whether what is being traced is for a TPU."""
    return fixed(tensorflow().distribute.get_strategy())


def on_cpu():
    """Whether what is being traced is for the processor."""
    return not on_tpu() and not tensorflow().config.list_logical_devices("GPU")


def dealt(strategy, batches, size, parts, length):
    """What `fit` takes.

    Args:
        batches: `batches(deal=None or a batches.Deal)` gives (a `tf.data.Dataset`, steps).
        size: texts in a batch, of all devices together.
        parts: that each device computes its part in.
        length: tokens of a text at most.
    """
    copies = strategy.num_replicas_in_sync
    if copies == 1 and not fixed(strategy):
        return batches()[0]
    # Of one shape, where that is wanted, and then in equal parts.
    shape = (-(-size // (copies * parts)) * parts, length) if fixed(strategy) else (1, None)

    def of_worker(context):
        here = copies // context.num_input_pipelines
        first = context.input_pipeline_id * here
        return batches(deal=Deal(copies, range(first, first + here), *shape))[0]

    return strategy.distribute_datasets_from_function(of_worker)


def summed(tensor):
    """In a step: the sum over all devices of what each has computed."""
    distribute = tensorflow().distribute
    return distribute.get_replica_context().all_reduce(distribute.ReduceOp.SUM, tensor)


def assigned(variable, value):
    """In a step: gives a variable a value that is the same on all devices."""

    def together(strategy, value):
        strategy.extended.update(variable, lambda each, one: each.assign(one), args=(value,))

    tensorflow().distribute.get_replica_context().merge_call(together, args=(value,))
