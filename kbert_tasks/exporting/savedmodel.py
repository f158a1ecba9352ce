"""Exports a SavedModel in the layout of TensorFlow Serving, NAME/1/saved_model.pb."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._keras import tensorflow
from .graph import MODEL

if TYPE_CHECKING:
    from ..tasks.base import Task


def write(task: "Task[Any]", functions: Mapping[str, Any], folder: Path, name: str) -> None:
    """Writes one SavedModel for each function, with the function as its signature `serving_default`."""
    tf = tensorflow()
    for part, function in functions.items():
        module = tf.Module()
        module.weights = list(task.model.weights)  # a SavedModel contains the variables of the module
        target = folder / (name if part == MODEL else f"{name}-{part}") / "1"
        tf.saved_model.save(module, str(target), signatures=function)
