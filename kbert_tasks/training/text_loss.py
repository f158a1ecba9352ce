"""The loss of each text: losses for texts are used as they are, losses for tokens are averaged without padding."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .._keras import tensorflow

if TYPE_CHECKING:
    import tensorflow as tf
    from tf_keras.losses import Loss

tf = tensorflow()
PADDING = -1  # fills up the targets of shorter texts, see `data/batches.py`


def text_loss(
    loss: "Loss | Callable[[tf.Tensor, tf.Tensor], tf.Tensor]", target: tf.Tensor | np.ndarray, output: tf.Tensor
) -> tf.Tensor:
    """Returns the loss of each text, float32 (batch,).

    A loss that returns one value for each token, such as Keras's `SparseCategoricalCrossentropy`, is averaged over the
    tokens of a text whose target is not -1.

    Args:
        loss: a `keras.losses.Loss`, or a function of (target, output).
        target: (batch, ...), padded with -1.
        output: (batch, ...).
    """
    compute, target, output = getattr(loss, "call", loss), tf.convert_to_tensor(target), tf.convert_to_tensor(output)
    # Keras's losses do not know -1. Compute them for 0 in its place; those values are not counted.
    counted = target != PADDING
    each = compute(tf.where(counted, target, tf.zeros_like(target)), output)
    if each.shape.rank in (0, 1):
        return compute(target, output)  # in a graph, TensorFlow removes the unused computation above
    while counted.shape.rank > each.shape.rank:  # one target of several numbers for a token, such as one-hot
        counted = tf.reduce_any(counted, -1)
    counted = tf.cast(counted, each.dtype)
    axes = list(range(1, each.shape.rank))
    return tf.math.divide_no_nan(tf.reduce_sum(each * counted, axes), tf.reduce_sum(counted, axes))
