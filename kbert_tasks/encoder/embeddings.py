"""The layers before the transformer: embeddings of tokens, segments and positions, and the bias that hides padding."""

from typing import TYPE_CHECKING, Any

from .._keras import keras2, tensorflow
from .layers import Layer, Traced
from .ops import register, rows_of

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

tf = tensorflow()
keras = keras2()

MASKED = -10000.0  # added to the attention score of a padded position before the softmax, as in Google's code


@register
class Embedding(Layer):
    """Looks up ids (batch, time) in an embedding table and returns vectors (batch, time, hidden).

    With `whole`, the layer returns the table (number, hidden) itself. A head that shares the table receives it as an
    input, so the graph and a saved copy of it include the sharing.
    """

    def __init__(
        self,
        number: int,
        size: int,
        initializer: str | dict[str, Any] | keras.initializers.Initializer = "uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.number, self.size, self.initializer = number, size, keras.initializers.get(initializer)

    def build(self, shape: tf.TensorShape) -> None:
        self.table = self.add_weight("embeddings", (self.number, self.size), initializer=self.initializer)

    def call(self, numbers: tf.Tensor, whole: bool = False) -> tf.Tensor:
        (table,) = self.read("table")
        return table if whole else rows_of(table, numbers)

    def get_config(self) -> dict[str, Any]:
        own = {"number": self.number, "size": self.size}
        return super().get_config() | own | {"initializer": keras.initializers.serialize(self.initializer)}


@register
class PositionEmbedding(Layer):
    """Adds a learned vector for each position to (batch, time, hidden)."""

    def __init__(self, positions: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positions = positions

    def build(self, shape: tf.TensorShape) -> None:
        self.table = self.add_weight("embeddings", (self.positions, shape[-1]), initializer="uniform")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.table[: tf.shape(x)[1]]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"positions": self.positions}


@register
class PaddingBias(Traced):
    """Returns the bias for attention scores from token ids (batch, time): float32 (batch, 1, 1, time), 0 or -10000."""

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        return tf.where(tokens[:, None, None, :] == 0, MASKED, 0.0)
