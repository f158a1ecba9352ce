"""Build the model of a task, and convert its weights to and from plain arrays."""

import gc
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..encoder.loading import build_encoder
from ..encoder.precision import choose, computing

if TYPE_CHECKING:
    import tensorflow as tf

    from .._keras import Model
    from ..tasks.base import Task

_BUILT: "weakref.WeakSet[Model]" = weakref.WeakSet()


def built(task: "Task[Any]", engine: str = "keras") -> "Model":
    """Returns the model of a task with random weights.

    Args:
        task: a task with its config and its LEARNED attributes.
        engine: "keras", or the name of another engine, which rounds by itself and starts from a float32 model.
    """
    if _BUILT:  # Keras models are reference cycles, and Python collects cycles too rarely for objects of this size
        gc.collect()
    precision = choose(task.settings.precision, task.settings.encoder)[0] if engine == "keras" else "float32"
    with computing(precision):
        model = task.build(build_encoder(task.config, task.settings.encoder, first_only=task.first_only))
    _BUILT.add(model)
    return model


def weights(model: "Model") -> "dict[str, tf.Variable]":
    """Returns the variables of a model as a dict, with the names in the saved folder, LAYER/NUMBER, as keys."""
    return {f"{layer.name}/{i}": weight for layer in model.layers for i, weight in enumerate(layer.weights)}


def arrays_of(model: "Model") -> dict[str, np.ndarray]:
    """Returns all weights of a model as a dict from "LAYER/NUMBER" to NumPy array."""
    return {name: np.asarray(weight) for name, weight in weights(model).items()}


def fill(model: "Model", arrays: Mapping[str, np.ndarray]) -> "Model":
    """Sets the weights of a model to the arrays that `arrays_of` returned, and returns the model."""
    for layer in model.layers:
        layer.set_weights([arrays[f"{layer.name}/{i}"] for i in range(len(layer.weights))])
    return model
