"""Choose the precision of the encoder: float32, or a 16-bit type if the hardware multiplies it faster.

Weights, embeddings, softmax, the statistics of layer normalisation, the scores of heads, and losses are always float32.
Only two parts of heads use 16 bits: the optional pooler and, in pretraining, the products of the masked-word head.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .._keras import keras2, tensorflow
from ..errors import InputError

if TYPE_CHECKING:
    from tf_keras.optimizers.legacy import Optimizer

CPU = Path("/proc/cpuinfo")
AMX = "AMX"
_BUILDING = threading.RLock()  # Keras has one policy for all threads


def fast_bfloat16() -> str:
    """Returns why the CPU multiplies bfloat16 faster than float32, or "" if it does not.

    Two kinds of processors do: those with Intel's AMX, and those by AMD with the bfloat16 instructions of AVX-512 (Zen 4
    and later). An Intel processor that has these instructions but not AMX took twice as long for bfloat16
    (benchmarks/speed.md).
    """
    try:
        words = set(CPU.read_text(encoding="utf-8", errors="replace").split())
    except OSError:  # not Linux
        return ""
    if "amx_bf16" in words:
        return AMX
    return "AVX-512 of AMD" if {"AuthenticAMD", "avx512_bf16"} <= words else ""


def choose(precision: str, encoder: str = "fast") -> tuple[str, str]:
    """Chooses the precision of the encoder.

    Args:
        precision: "auto", "float32", "bfloat16" or "float16".
        encoder: "fast" or "keras-bert".

    Returns:
        ("float32", "bfloat16" or "float16"; the reason as a string).

    Raises:
        InputError: a 16-bit type for keras-bert's graph, whose attention does not support it.
    """
    if encoder != "fast":
        if precision not in ("auto", "float32"):
            raise InputError(f"keras-bert's graph computes in float32 only, not {precision}: use encoder fast")
        return "float32", "keras-bert's graph supports nothing else"
    if precision != "auto":
        return precision, "as requested"
    tf = tensorflow()
    if tf.config.list_logical_devices("TPU"):
        return "bfloat16", "the TPU supports it"
    if gpus := tf.config.get_visible_devices("GPU"):
        ability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability") or (0, 0)
        if ability >= (8, 0):
            return "bfloat16", "the GPU supports it"
        return (
            ("float16", "the GPU supports it")
            if ability >= (7, 0)
            else ("float32", "the GPU supports no faster format")
        )
    if instructions := fast_bfloat16():
        return "bfloat16", f"the processor supports it ({instructions})"
    return "float32", "the processor supports no faster format"


@contextlib.contextmanager
def computing(precision: str) -> Iterator[None]:
    """Builds the layers inside the block with the given precision; other threads wait at the beginning of their block."""
    mixed = keras2().mixed_precision
    with _BUILDING:
        before = mixed.global_policy()
        mixed.set_global_policy("float32" if precision == "float32" else f"mixed_{precision}")
        try:
            yield
        finally:
            mixed.set_global_policy(before)


def scaled(optimizer: "Optimizer", precision: str) -> "Optimizer":
    """Returns the optimizer, with loss scaling for float16, because small gradients would become 0 without it."""
    return keras2().mixed_precision.LossScaleOptimizer(optimizer) if precision == "float16" else optimizer
