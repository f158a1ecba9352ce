"""What predictions need from the software that runs a model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

Arrays: TypeAlias = dict[str, np.ndarray]  # name of an input or output of the model to its values
Axes: TypeAlias = Mapping[str, tuple[bool, ...]]
Run: TypeAlias = Callable[[Arrays], Arrays]


class Engine(Protocol):
    """Computes the outputs of the model of a task with Keras or other software.

    Attributes:
        token_axes: dict of output name to a tuple of bools, one for each axis after the batch axis: whether it has tokens.
    """

    @property
    def token_axes(self) -> Axes: ...

    def __call__(self, x: Arrays) -> Arrays:
        """Returns the outputs of `Task.prediction_model` for the inputs of a batch."""
        ...

    def second(self, *inputs: np.ndarray) -> np.ndarray:
        """Returns the output of the layer `Task.SECOND_STAGE`."""
        ...


def numbered(inputs: Sequence[Any]) -> dict[str, Any]:
    """Returns the inputs of a second stage as a dict of name to input, in a form that all engines accept."""
    return {f"Input-{i}": each for i, each in enumerate(inputs)}
