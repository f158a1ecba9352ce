"""Client: how a program without this package gets answers from the exported model of a task."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Client:
    """What an export needs to know about a task.

    Attributes:
        template: Jinja source of the Python function `predict` of the client. It may call `encode` or `windows` and `run`
            of `exporting/client.py.jinja`.
        about: JSON values that `predict` reads from `export.json`, such as labels and thresholds.
        encoding: how the client encodes a text: "whole": `tokenizer.json` cuts it; "cut" or "head-tail": the client cuts
            it; "windows": the client splits it into windows.
        pairs: whether the model reads pairs of texts.
        activation: "softmax" or "sigmoid" if a client gets probabilities of labels by applying it to the scores divided by
            `about["temperature"]`; None if there is more to do.
        head: Jinja source that computes `logits` from `hidden`, the token vectors (time, hidden) of one window, with
            NumPy and the arrays of the head in `head`; for formats that contain only the encoder.
        offsets: whether `windows` also yields the characters of each token, (start, end).
        second: name of the layer that computes the scores of pairs of spans from [token vectors, subjects, objects], for a
            task with two stages; `prediction_model` then also returns `hidden`, the token vectors.
        second_head: the same as `head`, for this layer: from `hidden`, `subjects` and `objects` to `logits`.
    """

    template: str
    about: dict[str, Any]
    encoding: str
    pairs: bool
    head: str
    activation: str | None = None
    offsets: bool = False
    second: str | None = None
    second_head: str | None = None
