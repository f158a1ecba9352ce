"""Custom gradients without the memory leak of `tf.custom_gradient`.

TensorFlow registers the gradient of each traced call and keeps it until the process ends. The gradient references the
graph, and the graph references the memory of all variables that it reads. Here the graph owns the gradient, the registry
has only a weak reference to it, and the entry is removed when the graph is deleted.
"""

import functools
import weakref

from .._keras import registered_gradients, tensorflow


def custom_gradient(function):
    """The same decorator as `tf.custom_gradient`, for a function that takes tensors and returns one tensor."""
    tf = tensorflow()
    traced = tf.custom_gradient(function)

    @tf.autograph.experimental.do_not_convert
    @functools.wraps(function)
    def call(*args):
        result = traced(*args)
        if not tf.executing_eagerly():
            held_by_graph(result)
        return result

    return call


def held_by_graph(result) -> None:
    """Moves the registered gradient of a tensor from TensorFlow's registry to the graph of the tensor.

    Args:
        result: a tensor that a function with a custom gradient returned while TensorFlow traced a graph.
    """
    graph, entries, name = result.graph, registered_gradients(), result.op.get_attr("_gradient_op_type").decode()
    gradient = entries[name]["type"]
    graph.kbert_tasks_gradients = [*getattr(graph, "kbert_tasks_gradients", ()), gradient]
    held = weakref.ref(gradient)
    entries[name]["type"] = lambda op, *upstream: held()(op, *upstream)
    weakref.finalize(graph, entries.pop, name, None).atexit = False
