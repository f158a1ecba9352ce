"""Encodes texts that exceed max_length, for tasks with one answer per text: cut, cut in the middle, or windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..settings import Settings, option
from .tokenizer import Encoded, Tokenizer
from .windows import WHOLE, head_tail, windows


@dataclass(frozen=True)
class TruncationSettings(Settings):
    truncation: str = option(
        "cut",
        "how a text longer than max_length is read: cut: without its end; head-tail: without its middle; "
        "windows: all of it, in overlapping windows",
        choices=("cut", "head-tail", "windows"),
    )
    window_overlap: int | None = option(
        None, "number of tokens that two neighbouring windows share (default: a quarter of a window)", least=0
    )
    window_pooling: str = option(
        "mean", "how the probabilities of the windows of a text are combined", choices=("mean", "max")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window_pooling != "mean" and self.truncation != "windows":
            raise InputError("window_pooling needs truncation='windows': set it, or leave window_pooling out")
        if self.window_overlap is None:
            return
        if self.truncation != "windows":
            raise InputError("window_overlap needs truncation='windows': set it, or leave window_overlap out")
        window = self.max_length - 2
        if self.window_overlap > window // 2:
            raise InputError(
                f"window_overlap should be at most {window // 2} tokens, half a window, not {self.window_overlap}"
            )


def encode(tokenizer: Tokenizer, text: str, pair: str | None, settings: TruncationSettings) -> list[Encoded]:
    """Encodes a text or a pair as a list of Encoded: several windows, or one entry.

    Each window of a pair contains the first text, truncated if it is too long, and a part of the second text.
    """
    length = settings.max_length
    if settings.truncation == "cut":
        return [tokenizer.encode(text, pair, length)]
    whole = tokenizer.encode(text, pair, WHOLE)
    if settings.truncation == "head-tail":
        return [head_tail(whole, length)]
    window = length - 2
    return windows(whole, length, window // 4 if settings.window_overlap is None else settings.window_overlap)


def first_cut(tokenizer: Tokenizer, text: str, encoded: Sequence[Encoded]) -> bool:
    """Returns whether the first text of a pair is truncated in the windows."""
    if len(encoded) == 1 or not encoded[0].segments[-1]:
        return False
    return int((encoded[0].segments == 0).sum()) < len(tokenizer.encode(text, None, WHOLE).ids)


def merged(p: np.ndarray, merge: str) -> np.ndarray:
    """Combines the probabilities of the windows of a text, (windows, labels), to (labels,) by mean or maximum."""
    return np.max(p, 0) if merge == "max" else np.mean(p, 0)
