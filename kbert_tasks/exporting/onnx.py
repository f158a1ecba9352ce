"""Exports ONNX files with tf2onnx."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError

OPSET = 17
LARGEST = 2**31 - 1  # maximum size of a file in the format of protocol buffers


def write(functions: Mapping[str, Any], folder: Path) -> None:
    """Writes one file for each function.

    Raises:
        InputError: the model is too large for one ONNX file.
    """
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)  # it warns about its own use of TensorFlow
    for part, function in functions.items():
        size = sum(each.dtype.size * each.shape.num_elements() for each in function.get_concrete_function().variables)
        if size > LARGEST:
            raise InputError(
                f"an ONNX file has at most 2 GB, and this model has {size / 1e9:.1f} GB: use --format openvino"
            )
        with _without_wrong_optimizer():
            model, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=OPSET)
        (folder / f"{part}.onnx").write_bytes(model.SerializeToString())


@contextlib.contextmanager
def _without_wrong_optimizer() -> Iterator[None]:
    """Inside the block, tf2onnx does not merge neighbouring operations.

    tf2onnx 1.17 replaces a transposition of an axis of size 1 by a reshape and merges it with the next reshape, which gave
    (tokens, 1, 1, 1) instead of (1, 1, tokens, tokens) for the scores of a single kind of spans.
    """
    from tf2onnx import optimizer

    known = optimizer._optimizers
    optimizer._optimizers = {name: each for name, each in known.items() if name != "remove_back_to_back"}
    try:
        yield
    finally:
        optimizer._optimizers = known
