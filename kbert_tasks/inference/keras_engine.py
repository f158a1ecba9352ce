"""Run the model of a task with Keras, for many texts on a CPU with the weights of the encoder as constants.

For constant weights, oneDNN arranges each matrix in memory once, and computes a product, its bias and gelu in one kernel.
For variables it does neither. Tracing the model again with constants takes about a second, so it pays only for many texts.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import is_on_cpu, tensorflow
from ..encoder.layers import FeedForward, LayerNormalization, SelfAttention

if TYPE_CHECKING:
    import tensorflow as tf

    from .._keras import Model
    from ..tasks.base import Task
    from .predict import Arrays

tf = tensorflow()

ENOUGH = 8  # number of batches from which constants save more time than tracing takes
LIMIT = 1 << 30  # maximum size of the constants in bytes: a TensorFlow graph cannot exceed 2 GiB
SAMPLE = 4  # number of values of each weight that show whether it has changed


class KerasEngine:
    """Computes the outputs of the model of a task.

    Attributes:
        model: the part of the model that prediction uses, a `keras.Model`.
        graph: the same as a `tf.function` of inputs with any batch shape, which reads the variables.
    """

    def __init__(self, task: "Task[Any]") -> None:
        self.model = task.prediction_model(task.model)
        self.graph = _traced(self.model)
        self.constant: Any = None  # the graph with constants, or None
        self.sample = tf.function(lambda: tf.concat([_first(each) for each in self.model.weights], 0))
        self.known = np.zeros(0, "float32")

    def prepare(self, batches: int) -> None:
        """Chooses between variables and constants; call it before a prediction of several batches.

        Constants are discarded if the weights of the model have changed since they were made.

        Args:
            batches: number of batches of the prediction.
        """
        if self.constant is None and (batches < ENOUGH or not is_on_cpu() or not 0 < _size(self.model) < LIMIT):
            return
        now = self.sample().numpy()
        if self.constant is None or not np.array_equal(now, self.known, equal_nan=True):
            self.known, self.constant = now, None
            if batches >= ENOUGH:
                with _constant_weights(self.model):
                    self.constant = _traced(self.model)
                    self.constant.get_concrete_function()

    def __call__(self, x: "Arrays") -> "Arrays":
        """Returns the outputs for the inputs of a batch, both dicts of name to array."""
        read = self.graph if self.constant is None else self.constant
        return {name: value.numpy() for name, value in read(x).items()}


def _traced(model: "Model") -> "tf.types.experimental.PolymorphicFunction":
    signature = {name: tf.TensorSpec((None, None), tf.int32, name) for name in ("Input-Token", "Input-Segment")}
    return tf.function(lambda x: model(x, training=False), input_signature=[signature])


def _first(weight: "tf.Variable") -> "tf.Tensor":
    return tf.cast(tf.reshape(weight, (-1,))[:SAMPLE], tf.float32)


def _encoder_weights(model: "Model") -> Iterator[tuple[Any, str, "tf.Variable"]]:
    """Yields (layer, name of the attribute, variable) for the weights of the transformer layers."""
    for layer in model.layers:
        if isinstance(layer, SelfAttention | FeedForward | LayerNormalization):
            yield from ((layer, name, each) for name, each in vars(layer).items() if isinstance(each, tf.Variable))


def _dtype(layer: Any) -> str:
    """Returns the type in which a layer reads its weights; layer normalisation always computes in float32."""
    return "float32" if isinstance(layer, LayerNormalization) else layer.compute_dtype


def _size(model: "Model") -> int:
    return sum(np.prod(each.shape) * tf.as_dtype(_dtype(layer)).size for layer, _, each in _encoder_weights(model))


@contextlib.contextmanager
def _constant_weights(model: "Model") -> Iterator[None]:
    """Inside the block, the transformer layers of the model have constants in place of their variables."""
    found = [*_encoder_weights(model)]
    arrays = [tf.cast(tf.convert_to_tensor(each), _dtype(layer)).numpy() for layer, _, each in found]
    try:
        for (layer, name, _), array in zip(found, arrays, strict=True):
            vars(layer)[name] = array  # not setattr, by which Keras would forget the variable
        yield
    finally:
        for layer, name, variable in found:
            vars(layer)[name] = variable
