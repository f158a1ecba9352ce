"""Check before the first step that the outputs, losses and targets of a task fit together.

An error in a task would otherwise surface as a TensorFlow error about shapes, or as a loss that is silently wrong.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.batches import collate
from ..errors import InputError
from .text_loss import PADDING, text_loss

if TYPE_CHECKING:
    from tensorflow import Tensor
    from tf_keras.losses import Loss

    from .._keras import Model
    from ..tasks.base import Task
    from .inputs import Window

SAMPLE = 200  # number of windows in which a short and a long one are looked for
TOLERANCE = 1e-3  # relative difference between the loss of a text alone and next to a longer text


def check_task(task: "Task[Any]", model: "Model", windows: "Sequence[Window]") -> None:
    """Checks the contract of a task on two of its windows.

    Args:
        task: a task with its settings.
        model: the `keras.Model` that training uses.
        windows: list of (x, target), at least one.

    Raises:
        InputError: the outputs, the losses and the targets do not have the same names; a loss is a name or a class; a
            target cannot hold the padding; a loss cannot be computed, does not return one value for each text or for each
            token, or depends on the padding or on the other texts of the batch.
    """
    losses, name = task.loss(), type(task).__name__
    outputs = model.output  # not `model.output_names`, which are the names of the layers
    if not isinstance(outputs, dict) or outputs.keys() != losses.keys():
        found = _names(outputs) if isinstance(outputs, dict) else type(outputs).__name__
        raise InputError(
            f"{name}.build returns the outputs {found} and {name}.loss has losses for {_names(losses)}: "
            "both must have the same names"
        )
    for output, loss in losses.items():
        if isinstance(loss, type) or not callable(getattr(loss, "call", loss)):
            raise InputError(
                f"{name}.loss should return a Keras loss object or a function of (target, output) for the output "
                f"{output!r}, found {loss!r}: write for example keras.losses.MeanSquaredError()"
            )
    rows = [task.sample_target(*window, np.random.default_rng(0)) for window in _short_and_long(windows)]
    for _, y in rows:
        if not isinstance(y, dict) or y.keys() != losses.keys():
            found = _names(y) if isinstance(y, dict) else type(y).__name__
            raise InputError(
                f"{name}.target should return a dict with arrays for {_names(losses)}, not {found}: "
                "every output needs a target"
            )
        for output, target in y.items():
            if (kind := np.asarray(target).dtype).kind in "bu":
                raise InputError(
                    f"the target of the output {output!r} of {name} has the type {kind}, which cannot hold the padding "
                    f"{PADDING}: use int32 or float32"
                )
    x, y = (collate([row[i] for row in rows], pad) for i, pad in ((0, 0), (1, PADDING)))
    predicted = model(x, training=False)
    for output, loss in losses.items():
        _check_loss(name, output, loss, [row[output] for _, row in rows], y[output], predicted[output])


def _check_loss(
    name: str,
    output: str,
    loss: "Loss | Callable[[Tensor, Tensor], Tensor]",
    targets: Sequence[np.ndarray],
    together: np.ndarray,
    found: "Tensor",
) -> None:
    """Checks one loss: its shape, and that the first text has the same loss alone as next to a longer text."""
    shapes = f"a target of shape {together.shape} and an output of shape {tuple(found.shape)}"
    try:
        each = text_loss(loss, together, found)
    except Exception as error:  # the loss may be any code
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"the loss of the output {output!r} of {name} fails for {shapes} (batch first): {first}"
        ) from error
    if each.shape != (len(targets),):
        raise InputError(
            f"the loss of the output {output!r} of {name} should return one value for each text, shape ({len(targets)},), "
            f"not shape {tuple(each.shape)}, for {shapes}"
        )
    shape, padded = np.shape(targets[0]), together.shape[1:]
    # Axes of the target that are padded are axes of tokens. The output has the same axes, first after the batch axis.
    sizes = [size if size != longest else None for size, longest in zip(shape, padded, strict=True)]
    alone = found[(slice(0, 1), *(slice(size) for size in sizes[: found.shape.rank - 1]))]
    one = float(text_loss(loss, np.asarray(targets[0])[None], alone)[0])
    if not np.isclose(one, float(each[0]), rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
        if shape == padded:
            raise InputError(
                f"the loss of the output {output!r} of {name} depends on the other texts of the batch: it is {one:.4f} for "
                f"a text alone and {float(each[0]):.4f} next to another text, for {shapes}"
            )
        raise InputError(
            f"the loss of the output {output!r} of {name} depends on padding: it is {one:.4f} for a text alone and "
            f"{float(each[0]):.4f} next to a longer text, for {shapes}. Return one value for each token, so that tokens with "
            f"the target {PADDING} can be excluded, or exclude them in the loss"
        )


def _short_and_long(windows: "Sequence[Window]") -> "list[Window]":
    """Returns the windows with the fewest and with the most tokens among the first ones, or the only one."""
    some = sorted(windows[:SAMPLE], key=lambda window: len(window[0]["Input-Token"]))
    return [some[0], some[-1]] if len(some) > 1 else some


def _names(named: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, named))) or "nothing"
