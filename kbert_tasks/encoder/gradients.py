"""Custom gradients without the memory leak of `tf.custom_gradient`.

TensorFlow registers the gradient of each traced call and keeps it until the process ends. The gradient references the
graph, and the graph references the memory of all variables that it reads. Here the graph owns the gradient, the registry
has only a weak reference to it, and the entry is removed when the graph is deleted.
"""

import functools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from .._keras import registered_gradients, tensorflow

if TYPE_CHECKING:
    from tensorflow import Tensor

    # A tensor, and the function that returns the gradients of the arguments for the gradient of the tensor.
    WithGradient: TypeAlias = tuple[Tensor, Callable[[Tensor], Any]]


def custom_gradient(function: "Callable[..., WithGradient]") -> "Callable[..., Tensor]":
    """The same decorator as `tf.custom_gradient`, for a function that takes tensors and returns one tensor."""
    tf = tensorflow()
    traced = tf.custom_gradient(function)

    @tf.autograph.experimental.do_not_convert
    @functools.wraps(function)
    def call(*args: Any) -> "Tensor":
        result = traced(*args)
        if not tf.executing_eagerly():
            held_by_graph(result)
        return result

    return call


def held_by_graph(result: "Tensor") -> None:
    """Moves the registered gradient of a tensor from TensorFlow's registry to the graph of the tensor.

    Args:
        result: a tensor that a function with a custom gradient returned while TensorFlow traced a graph.
    """
    graph, entries, name = result.graph, registered_gradients(), result.op.get_attr("_gradient_op_type").decode()
    gradient = entries[name]["type"]
    graph.kbert_tasks_gradients = [*getattr(graph, "kbert_tasks_gradients", ()), gradient]
    held: Any = weakref.ref(gradient)
    entries[name]["type"] = lambda op, *upstream: held()(op, *upstream)
    weakref.finalize(graph, entries.pop, name, None).atexit = False
