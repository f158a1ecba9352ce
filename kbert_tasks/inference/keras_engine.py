"""Run the model of a task with Keras, for many texts on a CPU with the weights of the encoder as constants.

For constant weights, oneDNN arranges each matrix in memory once, and computes a product, its bias and gelu in one kernel.
For variables it does neither. Tracing the model again with constants takes time in proportion to its size (BERT base: 15 s
of one core), so it pays only for many texts.
"""

import contextlib
import threading
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import is_on_cpu, tensorflow
from ..encoder.layers import FeedForward, LayerNormalization, SelfAttention, constants
from ..memory import available

if TYPE_CHECKING:
    import tensorflow as tf

    from .._keras import Model
    from ..tasks.base import Task
    from .predict import Arrays

tf = tensorflow()

ENOUGH = 8  # number of batches from which constants save more time than tracing takes
LIMIT = 400 << 20  # maximum size of the constants in bytes: those of BERT base in float32 have 324 MiB
PEAK = (
    20  # peak of the memory for making constants, in multiples of their size (BERT base: 14 in float32, 21 in bfloat16)
)


class KerasEngine:
    """Computes the outputs of the model of a task. Several threads can use it at the same time.

    Attributes:
        model: the part of the model that prediction uses, a `keras.Model`.
        graph: the same as a `tf.function` of inputs with any batch shape, which reads the variables.
    """

    def __init__(self, task: "Task[Any]") -> None:
        self.model = task.prediction_model(task.model)
        self.graph = _traced(self.model)
        self.constant: Any = None  # the graph with constants, or None
        self.checksum = 0  # of the constants
        self._lock = threading.Lock()
        self._thread = threading.local()  # its attribute `chosen` is the graph that `prepared` chose for a thread

    @contextlib.contextmanager
    def prepared(self, batches: int) -> Iterator[None]:
        """Inside the block, this thread uses constants if there are enough batches and enough memory.

        Outside, the engine uses variables. The constants are made again if a weight of the encoder has changed since they
        were made.

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
        read = getattr(self._thread, "chosen", self.graph)
        return {name: value.numpy() for name, value in read(x).items()}

    def _with_constants(self) -> "tf.types.experimental.PolymorphicFunction":
        """Returns the graph with constants, or the graph with variables if the memory is too small."""
        with self._lock:
            now = _checksum(self.model)
            if self.constant is None or now != self.checksum:
                self.constant = None
                memory = available()  # this also frees the memory of the earlier constants
                if memory.bytes - memory.held < PEAK * _size(self.model):
                    return self.graph
                made = _traced(self.model)
                with constants(_arrays(self.model)):
                    made.get_concrete_function()
                self.constant, self.checksum = made, now
            return self.constant


def _traced(model: "Model") -> "tf.types.experimental.PolymorphicFunction":
    signature = {name: tf.TensorSpec((None, None), tf.int32, name) for name in ("Input-Token", "Input-Segment")}
    return tf.function(lambda x: model(x, training=False), input_signature=[signature])


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
