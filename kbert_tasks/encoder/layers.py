"""Layers that heads share."""

from typing import Any

from .._keras import keras2, tensorflow
from ..errors import InputError
from .bert import TOKENS, register

tf = tensorflow()
keras: Any = keras2()

POOLER = "Pooler"


def pooled(encoder, pooling):
    """One vector a text, (batch, hidden), from the encoder's token vectors.

    Args:
        encoder: a keras.Model to (batch, time, hidden).
        pooling: "cls", "pooler", "mean" or "max"; padding is left out of the last two.
    """
    if pooling in ("cls", "pooler"):
        vector = First(name="Extract")(encoder.output)
        if pooling == "cls":
            return vector
        return keras.layers.Dense(vector.shape[-1], activation="tanh", name=POOLER)(vector)
    tokens = encoder.input[encoder.input_names.index(TOKENS)]
    return OverTokens(pooling, name=f"Pool-{pooling.title()}")([encoder.output, tokens])


def fill_pooler(model, weights):
    """Gives the layer of `pooling="pooler"` the checkpoint's weights; a model without that layer is left alone."""
    if POOLER in [layer.name for layer in model.layers]:
        if weights is None:
            raise InputError(
                "pooling 'pooler' wants bert/pooler/dense, which this checkpoint has not: use cls, mean or max"
            )
        model.get_layer(POOLER).set_weights(weights)


@register
class First(keras.layers.Layer):
    """(batch, time, hidden) to the first token's vector (batch, hidden)."""

    def call(self, x):
        return x[:, 0]


@register
class OverTokens(keras.layers.Layer):
    """[(batch, time, hidden), token ids] to their mean or maximum over the tokens that are not padding."""

    def __init__(self, how, **kwargs):
        super().__init__(**kwargs)
        self.how = how

    def call(self, inputs):
        x, tokens = inputs
        real = tf.not_equal(tokens, 0)[:, :, None]
        if self.how == "max":
            return tf.reduce_max(tf.where(real, x, x.dtype.min), axis=1)
        real = tf.cast(real, x.dtype)
        return tf.reduce_sum(x * real, axis=1) / tf.reduce_sum(real, axis=1)

    def get_config(self):
        return super().get_config() | {"how": self.how}
