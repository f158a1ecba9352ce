"""In what numbers the encoder computes: float32, or 16 bits where the hardware multiplies those faster.

Weights, embeddings, softmax, the statistics of layer normalisation, the scores of heads and losses are float32 in any
case. The 16 bits reach into two heads: the optional pooler, and in pretraining the products of the masked-word head.
"""

import contextlib
from pathlib import Path

from .._keras import keras2, tensorflow
from ..errors import InputError

CPU = Path("/proc/cpuinfo")


def fast_bfloat16():
    """Whether this processor multiplies bfloat16 faster than float32: it does with Intel's AMX.

    AVX-512's bfloat16 instructions alone are no gain: on such a machine products of bfloat16 took twice as long.
    """
    try:
        return "amx_bf16" in CPU.read_text(encoding="utf-8", errors="replace").split()
    except OSError:  # another system than Linux
        return False


def choose(precision, encoder="fast"):
    """(float32, bfloat16 or float16; why) for a setting that may be "auto".

    Raises:
        InputError: keras-bert's graph with 16 bits, which its attention cannot compute in.
    """
    if encoder != "fast":
        if precision not in ("auto", "float32"):
            raise InputError(f"keras-bert's graph computes in float32 only, not {precision}: use encoder fast")
        return "float32", "keras-bert's graph knows no other"
    if precision != "auto":
        return precision, "as told"
    tf = tensorflow()
    if tf.config.list_logical_devices("TPU"):
        return "bfloat16", "a TPU multiplies it"
    if gpus := tf.config.get_visible_devices("GPU"):
        ability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability") or (0, 0)
        if ability >= (8, 0):
            return "bfloat16", "the GPU multiplies it"
        return ("float16", "the GPU multiplies it") if ability >= (7, 0) else ("float32", "the GPU has no faster one")
    if fast_bfloat16():
        return "bfloat16", "the processor multiplies it (AMX)"
    return "float32", "the processor has no faster one"


@contextlib.contextmanager
def computing(precision):
    """Layers that are built inside the block compute so."""
    mixed = keras2().mixed_precision
    before = mixed.global_policy()
    mixed.set_global_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        mixed.set_global_policy(before)


def scaled(optimizer, precision):
    """The optimizer; for float16 with a scaled loss, as its small gradients would be 0 otherwise."""
    return keras2().mixed_precision.LossScaleOptimizer(optimizer) if precision == "float16" else optimizer
