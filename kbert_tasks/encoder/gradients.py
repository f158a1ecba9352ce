"""Gradients written by hand, without the memory leak of `tf.custom_gradient`.

TensorFlow registers the gradient of each call that it traces, and keeps it until the process ends. The gradient holds the
graph, and the graph the memory of all variables that it reads. Here the graph holds the gradient, the registry refers to
it weakly, and its entry is removed together with the graph.
"""

import functools
import weakref

from .._keras import registered_gradients, tensorflow


def custom_gradient(function):
    """`tf.custom_gradient` for a function from tensors to one tensor."""
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


def held_by_graph(result):
    """Makes the graph of a tensor hold the gradient that was registered for it, in place of TensorFlow's registry.

    Args:
        result: a tensor that a function with a custom gradient has returned while a graph was traced.
    """
    graph, entries, name = result.graph, registered_gradients(), result.op.get_attr("_gradient_op_type").decode()
    gradient = entries[name]["type"]
    graph.kbert_tasks_gradients = [*getattr(graph, "kbert_tasks_gradients", ()), gradient]
    held = weakref.ref(gradient)
    entries[name]["type"] = lambda op, *upstream: held()(op, *upstream)
    weakref.finalize(graph, entries.pop, name, None).atexit = False
