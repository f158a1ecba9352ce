"""Splits a text that exceeds max_length into overlapping windows, or keeps its first and last tokens."""

import numpy as np

from .tokenizer import Encoded

WHOLE = 2**31  # a max_length that truncates nothing
LEAST = 8  # minimum number of tokens of the second text in a window


def windows(encoded: Encoded, max_length: int, overlap: int) -> list[Encoded]:
    """Splits an Encoded into windows of at most max_length tokens that together contain every token of the last text.

    Args:
        encoded: an Encoded without truncation. If it is a pair, every window contains the first text.
        max_length: maximum number of tokens, including [CLS] and [SEP].
        overlap: minimum number of tokens that two windows share; at most half a window.

    Returns:
        A list of Encoded in the order of the text; `cut` is the number of tokens outside the window.
    """
    total = len(encoded.ids)
    if total <= max_length:
        return [encoded]
    # The start of every window: [CLS], or [CLS] first text [SEP].
    head = np.arange(int(np.argmax(encoded.segments)) if encoded.segments[-1] else 1)
    first, body = len(head), total - len(head) - 1
    if first > 1:  # truncate a first text that is too long
        least = min(LEAST, body, max_length - 3)
        head = np.r_[head[: min(first - 1, max_length - 2 - least)], head[-1]]
    available = min(body, max_length - len(head) - 1)
    step = max(available - overlap, (available + 1) // 2, 1)
    parts = []
    for start in (*range(0, body - available, step), body - available):
        keep = np.r_[head, first + start : first + start + available, total - 1]
        parts.append(Encoded(encoded.ids[keep], encoded.segments[keep], encoded.offsets[keep], total - len(keep)))
    return parts


def head_tail(encoded: Encoded, max_length: int) -> Encoded:
    """Shortens an Encoded to at most max_length tokens; a text that is too long keeps equally many first and last tokens.

    Args:
        encoded: an Encoded without truncation. Each text of a pair keeps as many tokens as with `Tokenizer.encode`.
        max_length: maximum number of tokens, including [CLS] and [SEP].

    Source: Sun et al., "How to Fine-Tune BERT for Text Classification?", 2019 (arXiv 1905.05583); the article uses a
        quarter of the tokens for the head.
    """
    total = len(encoded.ids)
    if total <= max_length:
        return encoded
    pair = int(encoded.segments[-1])
    second = int(encoded.segments.sum()) - pair
    first, available = total - second - 2 - pair, max_length - 2 - pair
    keep_second = min(second, max(available // 2, available - first))
    keep_first = min(first, available - keep_second)
    keep = np.r_[0, _ends(1, first, keep_first), first + 1]
    if pair:
        keep = np.r_[keep, _ends(first + 2, second, keep_second), total - 1]
    return Encoded(encoded.ids[keep], encoded.segments[keep], encoded.offsets[keep], total - len(keep))


def _ends(start: int, count: int, keep: int) -> np.ndarray:
    """Returns `keep` of the `count` indices from `start` on: one half from the start, one half from the end."""
    return np.r_[start : start + (keep + 1) // 2, start + count - keep // 2 : start + count]
