"""A text longer than the model takes: as overlapping windows of its tokens, or as its beginning and end."""

import numpy as np

from .tokenizer import Encoded

WHOLE = 2**31  # as max_length: cut nothing
LEAST = 8  # tokens of the last text in a window, however long the first one is


def windows(encoded, max_length, overlap):
    """Encoded of at most max_length tokens each, that together hold every token of the (last) text.

    Args:
        encoded: an Encoded that nothing was cut from. Of a pair the first text stands in every window.
        max_length: in tokens, [CLS] and [SEP] counted.
        overlap: tokens that two windows share, at least; as many as half a window at most.

    Returns:
        A list of Encoded, in the order of the text; their `cut` counts the text's tokens that are outside.
    """
    total = len(encoded.ids)
    if total <= max_length:
        return [encoded]
    # What stands in every window: [CLS], or [CLS] first text [SEP].
    head = np.arange(int(np.argmax(encoded.segments)) if encoded.segments[-1] else 1)
    first, body = len(head), total - len(head) - 1
    if first > 1:  # a first text that leaves no room is cut
        least = min(LEAST, body, max_length - 3)
        head = np.r_[head[: min(first - 1, max_length - 2 - least)], head[-1]]
    room = min(body, max_length - len(head) - 1)
    step = max(room - overlap, (room + 1) // 2, 1)
    parts = []
    for start in (*range(0, body - room, step), body - room):
        keep = np.r_[head, first + start : first + start + room, total - 1]
        parts.append(Encoded(encoded.ids[keep], encoded.segments[keep], encoded.offsets[keep], total - len(keep)))
    return parts


def head_tail(encoded, max_length):
    """One Encoded of at most max_length tokens: of a text that is too long its first and its last tokens, half and half.

    Args:
        encoded: an Encoded that nothing was cut from. The two texts of a pair keep as many tokens as `Tokenizer.encode`
            would leave them.
        max_length: in tokens, [CLS] and [SEP] counted.

    Source: Sun et al., "How to Fine-Tune BERT for Text Classification?", 2019 (arXiv 1905.05583); there the head is a quarter.
    """
    total = len(encoded.ids)
    if total <= max_length:
        return encoded
    pair = int(encoded.segments[-1])
    second = int(encoded.segments.sum()) - pair
    first, room = total - second - 2 - pair, max_length - 2 - pair
    keep_second = min(second, max(room // 2, room - first))
    keep_first = min(first, room - keep_second)
    keep = np.r_[0, _ends(1, first, keep_first), first + 1]
    if pair:
        keep = np.r_[keep, _ends(first + 2, second, keep_second), total - 1]
    return Encoded(encoded.ids[keep], encoded.segments[keep], encoded.offsets[keep], total - len(keep))


def _ends(start, count, keep):
    """Of `count` places from `start` on, the first and the last ones, `keep` together."""
    return np.r_[start : start + (keep + 1) // 2, start + count - keep // 2 : start + count]
