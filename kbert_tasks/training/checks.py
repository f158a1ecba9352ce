"""Check before the first step that the outputs, losses and targets of a task fit together.

An error in a task would otherwise surface as a TensorFlow error about shapes, or as a loss that is silently wrong.
"""

import numpy as np

from ..data.batches import collate
from ..errors import InputError
from .text_loss import PADDING, text_loss

SAMPLE = 200  # number of windows in which a short and a long one are looked for
TOLERANCE = 1e-3  # relative difference between the loss of a text alone and next to a longer text


def check_task(task, model, windows):
    """Checks the contract of a task on two of its windows.

    Args:
        task: a task with its settings.
        model: the `keras.Model` that training uses.
        windows: list of (x, target), at least one.

    Raises:
        InputError: the outputs, the losses and the targets do not have the same names; a loss cannot be computed, does not
            return one value for each text or for each token, or depends on the padding of the batch.
    """
    losses, name = task.loss(), type(task).__name__
    outputs = (
        dict(zip(model.output_names, model.outputs, strict=True)) if isinstance(model.outputs, list) else model.output
    )
    if outputs.keys() != losses.keys():
        raise InputError(
            f"{name}.build returns the outputs {_names(outputs)} and {name}.loss has losses for {_names(losses)}: "
            "both must have the same names"
        )
    rows = [task.sample_target(*window, np.random.default_rng(0)) for window in _short_and_long(windows)]
    for _, y in rows:
        if not isinstance(y, dict) or y.keys() != losses.keys():
            found = _names(y) if isinstance(y, dict) else type(y).__name__
            raise InputError(
                f"{name}.target should return a dict with arrays for {_names(losses)}, not {found}: "
                "every output needs a target"
            )
    x, y = (collate([row[i] for row in rows], pad) for i, pad in ((0, 0), (1, PADDING)))
    found = model(x, training=False)
    for output, loss in losses.items():
        _check_loss(name, output, loss, [row[output] for _, row in rows], y[output], found[output])


def _check_loss(name, output, loss, targets, together, found):
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
    if shape == padded:
        return
    # Axes of the target that are padded are axes of tokens. The output has the same axes, first after the batch axis.
    alone = found[(slice(0, 1), *(slice(size) for size in shape[: found.shape.rank - 1]))]
    one = float(text_loss(loss, np.asarray(targets[0])[None], alone)[0])
    if not np.isclose(one, float(each[0]), rtol=TOLERANCE, atol=TOLERANCE):
        raise InputError(
            f"the loss of the output {output!r} of {name} depends on padding: it is {one:.4f} for a text alone and "
            f"{float(each[0]):.4f} next to a longer text, for {shapes}. Return one value for each token, so that tokens with "
            f"the target {PADDING} can be excluded, or exclude them in the loss"
        )


def _short_and_long(windows):
    """Returns the windows with the fewest and with the most tokens among the first ones; one if all are as long."""
    some = sorted(windows[:SAMPLE], key=lambda window: len(window[0]["Input-Token"]))
    return some[:1] if len(some[0][0]["Input-Token"]) == len(some[-1][0]["Input-Token"]) else [some[0], some[-1]]


def _names(named):
    return ", ".join(sorted(map(str, named))) or "nothing"
