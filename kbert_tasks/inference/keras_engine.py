"""Run the model of a task with Keras, for many texts on a CPU with the weights of the encoder as constants.

For constant weights, oneDNN arranges each matrix in memory once, and computes a product, its bias and gelu in one kernel.
For variables it does neither. Tracing the model again with constants takes time in proportion to its size (BERT base: 15 s
of one core), so it pays only for many texts.
"""

import contextlib
import threading
import zlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import is_on_cpu, tensorflow
from ..encoder.layers import FeedForward, LayerNormalization, SelfAttention, constants
from ..encoder.precision import AMX, fast_bfloat16
from ..memory import available
from .engine import numbered

if TYPE_CHECKING:
    import tensorflow as tf

    from .._keras import Model
    from ..tasks.base import Task
    from .engine import Arrays

tf = tensorflow()

# Number of tokens from which constants save more time than tracing takes, which does not depend on the size of the model,
# since both are proportional to it: on a processor with AMX in bfloat16, and otherwise. See benchmarks/speed.md.
ENOUGH_AMX, ENOUGH = 70_000, 250_000
LIMIT = 400 << 20  # maximum size of the constants in bytes: those of BERT base in float32 have 324 MiB
PEAK = 20  # peak memory while constants are made, as a multiple of their size: 14 in float32, 21 in bfloat16

# The engine that is inside `prepared`, and its graph with constants or None. The threads of a prediction inherit it.
_CHOSEN: ContextVar[tuple["KerasEngine | None", Any]] = ContextVar("chosen", default=(None, None))


class KerasEngine:
    """Computes the outputs of the model of a task. Several threads can use it at the same time.

    Attributes:
        model: the part of the model that prediction uses, a `keras.Model`.
        token_axes: see `engine.Engine`.
    """

    def __init__(self, task: "Task[Any]") -> None:
        self.model = task.prediction_model(task.model)
        outputs = self.model.output.items()
        self.token_axes = {name: tuple(size is None for size in output.shape[1:]) for name, output in outputs}
        self._second: Any = task.SECOND_STAGE and task.model.get_layer(task.SECOND_STAGE)
        self._second_graph: Any = None
        self._graph: Any = None
        self.constant: Any = None  # the graph with constants, or None
        self.checksum = 0  # of the constants
        self._lock = threading.Lock()

    @property
    def graph(self) -> "tf.types.experimental.ConcreteFunction":
        """The model as a function of inputs with any batch shape, which reads the variables."""
        with self._lock:
            if self._graph is None:
                self._graph = _traced(self.model)
            return self._graph

    @contextlib.contextmanager
    def prepared(self, tokens: int) -> Iterator[None]:
        """Inside the block, this context uses constants if there are enough tokens and enough memory.

        Outside, the engine uses variables. The constants are made again if a weight of the encoder has changed since they
        were made.

        Args:
            tokens: number of tokens of the prediction, including padding.
        """
        # The first condition is cheap and decides for most predictions; the others read /proc/cpuinfo and the weights' shapes.
        pays = (
            tokens >= min(ENOUGH, ENOUGH_AMX)
            and tokens >= _enough(self.model)
            and is_on_cpu()
            and 0 < _size(self.model) < LIMIT
        )
        token = _CHOSEN.set((self, self._with_constants() if pays else None))
        try:
            yield
        finally:
            _CHOSEN.reset(token)

    def __call__(self, x: "Arrays") -> "Arrays":
        """Returns the outputs for the inputs of a batch, both dicts of name to array."""
        engine, constant = _CHOSEN.get()
        read = (constant if engine is self else None) or self.graph
        return {name: value.numpy() for name, value in read(x).items()}

    @property
    def second_graph(self) -> "tf.types.experimental.ConcreteFunction":
        """The layer of the second stage as a function of a dict of inputs, see `engine.numbered`."""
        with self._lock:
            if self._second_graph is None:
                layer = self._second
                # The inputs are float32 also if the layers before compute in 16 bits, which is exact.
                signature = {
                    name: tf.TensorSpec(each.shape, tf.float32 if each.dtype.is_floating else each.dtype, name)
                    for name, each in numbered(layer.input).items()
                }
                read = tf.function(
                    lambda x: {"scores": layer([*x.values()])}, input_signature=[signature], autograph=False
                )
                self._second_graph = read.get_concrete_function()
            return self._second_graph

    def second(self, *inputs: np.ndarray) -> np.ndarray:
        return self.second_graph(numbered(inputs))["scores"].numpy()

    def _with_constants(self) -> "tf.types.experimental.ConcreteFunction | None":
        """Returns the graph with constants, or None if the memory is too small for them."""
        with self._lock:
            now = _checksum(self.model)
            if self.constant is None or now != self.checksum:
                self.constant = None
                memory = available()  # this also frees the memory of the earlier constants
                if memory.bytes - memory.held < PEAK * _size(self.model):
                    return None
                with constants(_arrays(self.model)):
                    self.constant = _traced(self.model)
                self.checksum = now
            return self.constant


def _enough(model: "Model") -> int:
    """Returns the number of tokens from which constants pay for this model on this processor."""
    bfloat16 = any(dtype == "bfloat16" for dtype in map(_dtype, model.layers))
    return ENOUGH_AMX if bfloat16 and fast_bfloat16() == AMX else ENOUGH


def _traced(model: "Model") -> "tf.types.experimental.ConcreteFunction":
    # A concrete function, because TensorFlow warns if a program makes several `tf.function` objects in the same place.
    signature = {name: tf.TensorSpec((None, None), tf.int32, name) for name in ("Input-Token", "Input-Segment")}
    graph = tf.function(lambda x: model(x, training=False), input_signature=[signature], autograph=False)
    return graph.get_concrete_function()


def _encoder_weights(model: "Model") -> Iterator[tuple[Any, str, "tf.Variable"]]:
    """Yields (layer, name of the attribute, variable) for the weights of the transformer layers."""
    for layer in model.layers:
        if isinstance(layer, SelfAttention | FeedForward | LayerNormalization):
            yield from ((layer, name, each) for name, each in layer.variables_by_name().items())


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
