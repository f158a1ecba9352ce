"""The layers of the transformer: self-attention, feed-forward, layer normalisation, dropout."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import keras2, tensorflow
from . import attention, bfloat16, compiled, ops
from .ops import dropped, normalised, register

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

tf = tensorflow()
keras = keras2()

Constants = Mapping[int, Mapping[str, Any]]  # id of a layer to names of its weights, with their arrays or tensors
_CONSTANTS: ContextVar[Constants] = ContextVar("constants", default=MappingProxyType({}))
_UNFILLED: ContextVar[bool] = ContextVar("unfilled", default=False)


@contextlib.contextmanager
def constants(values: Constants) -> Iterator[None]:
    """Inside the block, `Layer.read` returns these values in place of their variables, in this thread only."""
    token = _CONSTANTS.set(values)
    try:
        yield
    finally:
        _CONSTANTS.reset(token)


@contextlib.contextmanager
def unfilled() -> Iterator[None]:
    """Inside the block, layers start with zeros: random numbers take time, and saved weights replace them at once."""
    token = _UNFILLED.set(True)
    try:
        yield
    finally:
        _UNFILLED.reset(token)


@register
class Traced(keras.layers.Layer):
    """A layer whose `call` TensorFlow traces as it is.

    Keras would let AutoGraph translate the source code of `call`, for conditions on tensors. No layer of this package needs
    that, and it takes most of the time in which a model is built.
    """

    @tf.autograph.experimental.do_not_convert
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs)

    def add_weight(self, name: str, shape: Any, initializer: Any = None, **kwargs: Any) -> Any:
        if _UNFILLED.get() and initializer != "ones":
            initializer = "zeros"
        return super().add_weight(name, shape, initializer=initializer, **kwargs)


@register
class Layer(Traced):
    """A layer with weights that is built only when it is called, even if Keras loads it from a saved model."""

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Does nothing.

        Keras would build the layer twice, and the first time without its name in the variable names, which `optimizers`
        reads.
        """

    def read(self, *names: str) -> list[Any]:
        """Returns the weights with these names as tensors, or the values of `constants`."""
        values = _CONSTANTS.get().get(id(self), {})
        return [values[name] if name in values else tf.convert_to_tensor(getattr(self, name)) for name in names]

    def variables_by_name(self) -> dict[str, "tf.Variable"]:
        """Returns the weights of the layer with the names for `read`."""
        return {name: each for name, each in vars(self).items() if isinstance(each, tf.Variable)}


class Random:
    """Base class of the layers with dropout, which makes TensorFlow save its generator in a SavedModel.

    A SavedModel contains the graph of the training, and its format requires each variable that the graph uses. Checkpoints of
    weights do not contain the generator.
    """

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        children = super()._trackable_children(save_type, **kwargs)  # type: ignore[misc]  # of keras.layers.Layer
        if save_type == "savedmodel":
            children = children | {"generator": tf.random.get_global_generator()}
        return children


@register
class Dropout(Random, Traced, keras.layers.Dropout):
    """The same as Keras's Dropout, but with fewer random bits."""

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return dropped(x, self.rate) if training and self.rate else x


@register
class FirstToken(Traced):
    """Selects the first token: (batch, time, hidden) to (batch, 1, hidden)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x[:, :1]


@register
class LayerNormalization(Layer):
    """Normalises each vector of (batch, time, hidden), then multiplies it by gamma and adds beta."""

    def build(self, shape: tf.TensorShape) -> None:
        # float32 also under mixed precision
        self.gamma = self.add_weight("gamma", shape[-1:], initializer="ones", experimental_autocast=False)
        self.beta = self.add_weight("beta", shape[-1:], initializer="zeros", experimental_autocast=False)

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        gamma, beta = self.read("gamma", "beta")
        if training:
            return normalised(x, gamma, beta)
        wide = tf.cast(x, tf.float32)
        if isinstance(gamma, np.ndarray):
            return tf.cast(ops.normalised_by_onednn(wide, gamma, beta), x.dtype)
        # OpenVINO recognises this form and computes it as one operation.
        mean, variance = tf.nn.moments(wide, [-1], keepdims=True)
        return tf.cast(tf.nn.batch_normalization(wide, mean, variance, beta, gamma, 1e-12), x.dtype)


@register
class SumNormalization(Random, LayerNormalization):
    """Applies layer normalisation to x + dropout(y), for the inputs [x, y], both (batch, time, hidden)."""

    compiled = False  # whether training uses XLA, see `compiling.py`

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def build(self, shapes: Sequence[tf.TensorShape]) -> None:
        super().build(shapes[0])

    def call(self, inputs: Sequence[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        x, y = inputs
        if training and self.compiled and x.shape[1] != 1:  # compiling saves little for one token in each text
            gamma, beta = self.read("gamma", "beta")
            flat_x, flat_y = (tf.reshape(each, (-1, each.shape[-1])) for each in inputs)
            return tf.reshape(compiled.sum_norm(flat_x, flat_y, gamma, beta, self.rate), tf.shape(x))
        return super().call(x + (dropped(y, self.rate) if training and self.rate else y), training)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate}


@register
class SelfAttention(Random, Layer):
    """Multi-head self-attention on [(batch, time, hidden), padding bias], with dropout on the probabilities.

    With `first_only`, only the first token has a query, and the output is (batch, 1, hidden).
    """

    longest: int | None = None  # largest number of tokens in a training, if it is known

    def __init__(self, heads: int, dropout_rate: float, first_only: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads, self.dropout_rate, self.first_only = heads, dropout_rate, first_only

    def build(self, shapes: Sequence[tf.TensorShape]) -> None:
        size = shapes[0][-1]
        for part in "qkvo":
            setattr(self, f"W{part}", self.add_weight(f"W{part}", (size, size), initializer="glorot_normal"))
            setattr(self, f"b{part}", self.add_weight(f"b{part}", (size,), initializer="zeros"))

    def call(self, inputs: Sequence[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        x, bias = inputs
        size = x.shape[-1]
        if self.first_only:
            (queries,), (keys, values) = self.heads_of(x[:, :1], "q", training), self.heads_of(x, "kv", training)
        else:
            queries, keys, values = self.heads_of(x, "qkv", training)
        bias = tf.cast(bias, tf.float32)
        if training:
            y = attention.attend(queries, keys, values, bias, self.dropout_rate, self.longest)
        else:
            scores = tf.matmul(queries, keys, transpose_b=True) * (size // self.heads) ** -0.5
            # The softmax is always float32.
            probabilities = tf.cast(tf.nn.softmax(tf.cast(scores, tf.float32) + bias), x.dtype)
            y = tf.transpose(tf.matmul(probabilities, values), (0, 2, 1, 3))
        time = 1 if self.first_only else tf.shape(x)[1]
        W, bias = self.read("Wo", "bo")
        y = tf.reshape(y, (-1, size)) @ W
        y = bfloat16.biased(y, bias) if training and bfloat16.applies(x) else tf.nn.bias_add(y, bias)
        return tf.reshape(y, (tf.shape(x)[0], time, size))

    def heads_of(self, x: tf.Tensor, parts: str, training: bool | None = None) -> list[tf.Tensor]:
        """Computes queries, keys and values with one matrix product.

        Args:
            x: (batch, time, hidden).
            parts: letters of the results: "q" for queries, "k" for keys, "v" for values.
            training: whether the model is training.

        Returns:
            A list with one tensor (batch, heads, time, hidden / heads) for each letter.
        """
        size = x.shape[-1]
        batch, time = tf.unstack(tf.shape(x)[:2])
        flat = tf.reshape(x, (-1, size))
        weights = self.read(*(kind + part for kind in "Wb" for part in parts))
        if isinstance(weights[0], np.ndarray):  # constants, see `inference/keras_engine.py`
            W, b = (np.concatenate(each, -1) for each in (weights[: len(parts)], weights[len(parts) :]))
            y = tf.nn.bias_add(flat @ W, b)
        else:
            y = (bfloat16 if training and bfloat16.applies(x) else ops).one_product(flat, *weights)
        y = tf.reshape(y, (batch, time, len(parts), self.heads, size // self.heads))
        return tf.unstack(tf.transpose(y, (2, 0, 3, 1, 4)))

    def get_config(self) -> dict[str, Any]:
        own = {"heads": self.heads, "dropout_rate": self.dropout_rate, "first_only": self.first_only}
        return super().get_config() | own


@register
class FeedForward(Layer):
    """Applies two dense layers to each token: hidden to intermediate size, activation, and back to hidden."""

    compiled = False  # whether training uses XLA, see `compiling.py`

    def __init__(self, units: int, activation: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.activation = units, activation

    def build(self, shape: tf.TensorShape) -> None:
        size = shape[-1]
        self.W1 = self.add_weight("W1", (size, self.units), initializer="glorot_normal")
        self.b1 = self.add_weight("b1", (self.units,), initializer="zeros")
        self.W2 = self.add_weight("W2", (self.units, size), initializer="glorot_normal")
        self.b2 = self.add_weight("b2", (size,), initializer="zeros")

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        flat = tf.reshape(x, (-1, x.shape[-1]))
        if training and self.activation == "gelu":
            return tf.reshape(self.with_gelu(x)(flat, *self.read("W1", "b1", "W2", "b2")), tf.shape(x))
        W1, b1, W2, b2 = self.read("W1", "b1", "W2", "b2")
        y = tf.nn.bias_add(flat @ W1, b1)
        if self.activation == "gelu":  # TensorFlow can fuse this form with the product
            y = tf.nn.gelu(y, approximate=True)
        else:
            y = keras.activations.get(self.activation)(y)
        return tf.reshape(tf.nn.bias_add(y @ W2, b2), tf.shape(x))

    def with_gelu(self, x: tf.Tensor) -> Callable[..., tf.Tensor]:
        """Returns the function to use for training on x (batch, time, hidden)."""
        if self.compiled and x.shape[1] != 1:
            return compiled.feed_forward
        return bfloat16.feed_forward if bfloat16.applies(x) else ops.feed_forward

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"units": self.units, "activation": self.activation}
