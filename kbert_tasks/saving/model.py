"""Build the model of a task, and convert its weights to and from plain arrays.

TensorFlow is imported when a model is built, so that a task can be loaded and saved without it.
"""

import gc
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..encoder.precision import choose, computing
from ..errors import InputError
from .folder import TASK

if TYPE_CHECKING:
    import tensorflow as tf

    from .._keras import Model
    from ..tasks.base import Task

_BUILT: "weakref.WeakSet[Model]" = weakref.WeakSet()


class Stored:
    """The weights of a trained task, from which its model is built when it is first needed.

    Copies of a task with other settings share this object and therefore the model.

    Args:
        weights: dict of "LAYER/NUMBER" to array.
        engine: the engine that computes predictions, see `built`.
        source: what contains the weights, for an error message.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], engine: str, source: str = "the model") -> None:
        self._weights, self._engine, self._source = weights, engine, source
        self._model: Model | None = None
        self._lock = threading.RLock()

    def model(self, task: "Task[Any]") -> "Model":
        """Returns the model, which is built by the first call.

        Raises:
            InputError: the weights do not fit the task.
        """
        with self._lock:
            if self._model is None:
                model = built(task, self._engine)
                self._check(model)
                self._model, self._weights = fill(model, self._weights), {}
            return self._model

    def weights(self) -> Mapping[str, np.ndarray]:
        """Returns all weights of the model, without building it."""
        with self._lock:
            return self._weights if self._model is None else arrays_of(self._model)

    def _check(self, model: "Model") -> None:
        wanted = {name: tuple(weight.shape) for name, weight in weights(model).items()}
        found = {name: array.shape for name, array in self._weights.items()}
        if wanted != found:
            name = sorted(dict(wanted.items() ^ found.items()))[0]
            raise InputError(
                f"{self._source} does not fit {TASK}: {name} should be {wanted.get(name)}, found {found.get(name)}: "
                "these are files of two trainings; copy the folder again"
            )


def built(task: "Task[Any]", engine: str = "keras") -> "Model":
    """Returns the model of a task, whose weights are not those of a training yet.

    Args:
        task: a task with its config and its LEARNED attributes.
        engine: "keras", or the name of another engine, which rounds by itself and starts from a float32 model.
    """
    from ..encoder.layers import unfilled
    from ..encoder.loading import build_encoder

    if _BUILT:  # Keras models are reference cycles, and Python collects cycles too rarely for objects of this size
        gc.collect()
    precision = choose(task.settings.precision, task.settings.encoder)[0] if engine == "keras" else "float32"
    with computing(precision), unfilled():
        model = task.build(build_encoder(task.config, task.settings.encoder, first_only=task.first_only))
    _BUILT.add(model)
    return model


def weights(model: "Model") -> "dict[str, tf.Variable]":
    """Returns the variables of a model as a dict, with the names in the saved folder, LAYER/NUMBER, as keys."""
    return {f"{layer.name}/{i}": weight for layer in model.layers for i, weight in enumerate(layer.weights)}


def arrays_of(model: "Model | Stored") -> Mapping[str, np.ndarray]:
    """Returns all weights of a model as a dict from "LAYER/NUMBER" to NumPy array."""
    if isinstance(model, Stored):
        return model.weights()
    return {name: np.asarray(weight) for name, weight in weights(model).items()}


def fill(model: "Model", arrays: Mapping[str, np.ndarray]) -> "Model":
    """Sets the weights of a model to the arrays that `arrays_of` returned, and returns the model."""
    for layer in model.layers:
        layer.set_weights([arrays[f"{layer.name}/{i}"] for i in range(len(layer.weights))])
    return model
