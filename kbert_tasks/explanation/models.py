"""Copies of a trained model for explanations: in float32, and with token embeddings as input."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import computes_here, keras2, tensorflow
from ..encoder.precision import computing
from ..inference.predict import inputs
from ..tasks.base import Task
from ..tasks.target import Target

if TYPE_CHECKING:
    from tensorflow import Tensor

    from .._keras import Model

TABLE = "Embedding-Token"


def whole(task: Task[Any]) -> "Model":
    """Returns a float32 copy of the model of a task, whose last layer computes all tokens instead of only [CLS]."""
    computes_here()
    model = _built(task, task.model)
    for layer in model.layers:  # copy in every call, because the weights may have changed
        if layer.weights:
            layer.set_weights(task.model.get_layer(layer.name).get_weights())
    return model


@functools.lru_cache(1)
def _built(task: Task[Any], model: "Model") -> "Model":
    from ..encoder.loading import build_encoder  # imports TensorFlow

    with computing("float32"):
        return task.build(build_encoder(task.config, task.settings.encoder))


def forget() -> None:
    """Deletes the copy, which needs as much memory as the model."""
    _built.cache_clear()
    _reader.cache_clear()


def table(model: "Model") -> np.ndarray:
    """Returns the token embeddings: float32 (vocabulary, hidden)."""
    return model.get_layer(TABLE).get_weights()[0]


def score(model: "Model", target: Target) -> "Callable[[Tensor | np.ndarray], Tensor]":
    """Returns a function from the token embeddings of a Target (n, tokens, hidden) to the log-odds of its answer (n,)."""
    tf = tensorflow()
    x = inputs([target.window]) | target.more
    read, names = _reader(model)

    def log_odds(vectors: "Tensor | np.ndarray") -> "Tensor":
        rest = [tf.repeat(x[name], len(vectors), 0) for name in names]
        return target.log_odds(read([vectors, *rest], training=False))

    return log_odds


@functools.lru_cache(1)
def _reader(model: "Model") -> "tuple[Model, list[str]]":
    """Returns (model, names): the model with token embeddings as its first input, and the names of its other inputs."""
    lookup = model.get_layer(TABLE)
    vectors = lookup.output[0] if isinstance(lookup.output, list) else lookup.output  # keras-bert returns a list
    readers = {name: [node.layer for node in model.get_layer(name).outbound_nodes] for name in model.input_names}
    names = [name for name, layers in readers.items() if layers != [lookup]]
    return keras2().Model([vectors, *(model.get_layer(name).output for name in names)], model.output), names
