"""Run the model of a task with Keras, for many texts on a CPU with the weights of the encoder as constants.

For constant weights, oneDNN arranges each matrix in memory once, and computes a product, its bias and gelu in one kernel.
For variables it does neither. Tracing the model again with constants takes about a second, so it pays only for many texts.
"""

import contextlib
import threading
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import is_on_cpu, tensorflow
from ..encoder.layers import FeedForward, LayerNormalization, SelfAttention, constants

if TYPE_CHECKING:
    import tensorflow as tf

    from .._keras import Model
    from ..tasks.base import Task
    from .predict import Arrays

tf = tensorflow()

ENOUGH = 8  # number of batches from which constants save more time than tracing takes
LIMIT = 1 << 30  # maximum size of the constants in bytes: a TensorFlow graph cannot exceed 2 GiB


class KerasEngine:
    """Computes the outputs of the model of a task. Several threads can use it at the same time.

    Attributes:
        model: the part of the model that prediction uses, a `keras.Model`.
    """

    def __init__(self, task: "Task[Any]") -> None:
        self.model = task.prediction_model(task.model)
        self._graph: Any = None
        self.constant: Any = None  # the graph with constants, or None
        self.checksum = 0  # of the constants
        self._lock = threading.Lock()
        self._thread = threading.local()  # its attribute `chosen` is the graph that `prepared` chose for a thread

    @property
    def graph(self) -> "tf.types.experimental.ConcreteFunction":
        """The model as a function of inputs with any batch shape, which reads the variables."""
        with self._lock:
            if self._graph is None:
                self._graph = _traced(self.model)
            return self._graph

    @contextlib.contextmanager
    def prepared(self, batches: int) -> Iterator[None]:
        """Inside the block, this thread uses constants if there are enough batches. Outside, the engine uses variables.

        The constants are made again if a weight of the encoder has changed since they were made.

        Args:
            batches: number of batches of the prediction.
        """
        pays = batches >= ENOUGH and is_on_cpu() and 0 < _size(self.model) < LIMIT
        self._thread.chosen = self._with_constants() if pays else self.graph
        try:
            yield
        finally:
            del self._thread.chosen

    def __call__(self, x: "Arrays") -> "Arrays":
        """Returns the outputs for the inputs of a batch, both dicts of name to array."""
        read = getattr(self._thread, "chosen", None) or self.graph
        return {name: value.numpy() for name, value in read(x).items()}

    def _with_constants(self) -> "tf.types.experimental.ConcreteFunction":
        with self._lock:
            now = _checksum(self.model)
            if self.constant is None or now != self.checksum:
                self.constant = None  # frees its memory
                with constants(_arrays(self.model)):
                    self.constant = _traced(self.model)
                self.checksum = now
            return self.constant


def _traced(model: "Model") -> "tf.types.experimental.ConcreteFunction":
    # A concrete function, because TensorFlow warns if a program makes several `tf.function` objects in the same place.
    signature = {name: tf.TensorSpec((None, None), tf.int32, name) for name in ("Input-Token", "Input-Segment")}
    return tf.function(lambda x: model(x, training=False), input_signature=[signature]).get_concrete_function()


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


def _arrays(model: "Model") -> dict[int, dict[str, np.ndarray]]:
    """Returns the weights of the transformer layers in the form that `constants` expects."""
    found: dict[int, dict[str, np.ndarray]] = {}
    for layer, name, each in _encoder_weights(model):
        found.setdefault(id(layer), {})[name] = tf.cast(each.read_value(), _dtype(layer)).numpy()
    return found


def _checksum(model: "Model") -> int:
    """Returns a number that changes if any value of the weights of the transformer layers changes."""
    found = 0
    for *_, each in _encoder_weights(model):
        found = zlib.crc32(each.numpy(), found)
    return found
