"""The model of a task and its weights as plain arrays."""

import gc
import weakref
from typing import TYPE_CHECKING

import numpy as np

from ..encoder.loading import build_encoder
from ..encoder.precision import choose, computing

if TYPE_CHECKING:
    from .._keras import Model

_BUILT: "weakref.WeakSet[Model]" = weakref.WeakSet()


def built(task, engine="keras"):
    """The model of a task whose config and LEARNED attributes are known, with random weights."""
    if _BUILT:  # Keras models are cycles of references, and Python looks for those too seldom for objects of this size
        gc.collect()
    precision = choose(task.settings.precision, task.settings.encoder)[0] if engine == "keras" else "float32"
    with computing(precision):  # another engine rounds by itself
        model = task.build(build_encoder(task.config, task.settings.encoder, first_only=task.first_only))
    _BUILT.add(model)
    return model


def weights(model):
    """The variables of a model under the names that they have in the saved folder: LAYER/NUMBER."""
    return {f"{layer.name}/{i}": weight for layer in model.layers for i, weight in enumerate(layer.weights)}


def arrays_of(model):
    """All weights of a model: dict of "LAYER/NUMBER" to NumPy array."""
    return {name: np.asarray(weight) for name, weight in weights(model).items()}


def fill(model, arrays):
    """The model, with the weights that `arrays_of` returned of a model like it."""
    for layer in model.layers:
        layer.set_weights([arrays[f"{layer.name}/{i}"] for i in range(len(layer.weights))])
    return model
