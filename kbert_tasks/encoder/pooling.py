"""Layers that several heads use."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import keras2, tensorflow
from ..errors import InputError
from .bert import TOKENS
from .layers import Traced
from .ops import register

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

tf = tensorflow()
keras = keras2()

POOLER = "Pooler"


def pooled(encoder: keras.Model, pooling: str) -> tf.Tensor:
    """Pools the token vectors of the encoder into one vector for each text, (batch, hidden).

    Args:
        encoder: a keras.Model with the output (batch, time, hidden).
        pooling: "cls", "pooler", "mean" or "max". The last two ignore padding.
    """
    if pooling in ("cls", "pooler"):
        vector = First(name="Extract")(encoder.output)
        if pooling == "cls":
            return vector
        return keras.layers.Dense(vector.shape[-1], activation="tanh", name=POOLER)(vector)
    tokens = encoder.input[encoder.input_names.index(TOKENS)]
    return OverTokens(pooling, name=f"Pool-{pooling.title()}")([encoder.output, tokens])


def fill_pooler(model: keras.Model, weights: Sequence[np.ndarray] | None) -> None:
    """Sets the weights of the pooler layer to those of the checkpoint.

    A model without a pooler layer is not changed.

    Args:
        model: a keras.Model.
        weights: list of arrays from the checkpoint, or None if it has no pooler.

    Raises:
        InputError: the model has a pooler layer, but the checkpoint has no pooler.
    """
    if POOLER in [layer.name for layer in model.layers]:
        if weights is None:
            raise InputError(
                "pooling 'pooler' needs bert/pooler/dense, which this checkpoint does not have: use cls, mean or max"
            )
        model.get_layer(POOLER).set_weights(weights)


@register
class First(Traced):
    """Selects the vector of the first token: (batch, time, hidden) to (batch, hidden)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x[:, 0]


@register
class OverTokens(Traced):
    """Returns the mean or maximum over the tokens that are not padding, for [(batch, time, hidden), token ids]."""

    def __init__(self, how: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.how = how

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        x, tokens = inputs
        real = tf.not_equal(tokens, 0)[:, :, None]
        if self.how == "max":
            return tf.reduce_max(tf.where(real, x, x.dtype.min), axis=1)
        real = tf.cast(real, x.dtype)
        return tf.reduce_sum(x * real, axis=1) / tf.reduce_sum(real, axis=1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"how": self.how}
