"""What becomes of a text longer than the model takes, where a text has one answer: cut, cut in the middle, or windows."""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..settings import Settings, option
from .windows import WHOLE, head_tail, windows


@dataclass(frozen=True)
class LongTextSettings(Settings):
    long_text: str = option(
        "cut",
        "what is longer than max_length: cut the end; head-tail: cut the middle; windows: read all, in overlapping windows",
        choices=("cut", "head-tail", "windows"),
    )
    stride: int | None = option(
        None, "tokens from one window to the next (default: three quarters of a window)", least=1
    )
    merge: str = option("mean", "of the windows' probabilities", choices=("mean", "max"))

    def __post_init__(self):
        super().__post_init__()
        if self.merge != "mean" and self.long_text != "windows":
            raise InputError("merge is of windows: set long_text to windows, or leave merge out")
        if self.stride is None:
            return
        if self.long_text != "windows":
            raise InputError("stride is of windows: set long_text to windows, or leave stride out")
        window = self.max_length - 2
        if not window <= 2 * self.stride <= 2 * window:
            raise InputError(
                f"stride should be from {(window + 1) // 2} to {window} (half a window to a whole one), not {self.stride}"
            )


def encode(tokenizer, text, pair, settings):
    """A text, or a pair, as a list of Encoded: the windows, or one.

    In windows of a pair the first text stands in each (cut, if it leaves no room) and the second one is spread over them.
    """
    length = settings.max_length
    if settings.long_text == "cut":
        return [tokenizer.encode(text, pair, length)]
    whole = tokenizer.encode(text, pair, WHOLE)
    if settings.long_text == "head-tail":
        return [head_tail(whole, length)]
    window = length - 2
    return windows(whole, length, window // 4 if settings.stride is None else window - settings.stride)


def first_cut(tokenizer, text, encoded):
    """Whether the windows of a pair, whose first text is given, lack a part of it."""
    if len(encoded) == 1 or not encoded[0].segments[-1]:
        return False
    return int((encoded[0].segments == 0).sum()) < len(tokenizer.encode(text, None, WHOLE).ids)


def merged(p, merge):
    """The windows' probabilities (windows, labels) as one text's (labels,): the mean, or the largest of each label."""
    return np.max(p, 0) if merge == "max" else np.mean(p, 0)
