"""Characters and tokens: where an entity stands in a text, which tokens that is, and back.

A span is half-open characters of the original text: `text[start:end]`. For the tasks that point at parts of a text.
"""

import re
from collections import namedtuple

import numpy as np

Span = namedtuple("Span", "start end")


def occurrences(text, entity):
    """Every place where `entity` stands in `text`, as a list of Span, overlapping ones included.

    Where an entity begins or ends with a letter or digit that could go on in its own word (Latin, Cyrillic, ...; not
    Chinese), places inside longer words count only if there are no others: "Ann" in "Anna met Ann" is the second.
    """
    if not entity:
        return []
    found = [Span(m.start(), m.start() + len(entity)) for m in re.finditer(f"(?={re.escape(entity)})", text)]
    whole = [span for span in found if _is_whole(text, span)]
    return whole or found


def _is_whole(text, span):
    before, after = text[span.start - 1 : span.start], text[span.end : span.end + 1]
    return not (_joins(before, text[span.start]) or _joins(text[span.end - 1], after))


def _joins(left, right):
    return all(c and c.isalnum() and not "⺀" <= c <= "鿿" and not "가" <= c <= "힣" for c in (left, right))


def tokens_of(encoded, span, segment=0):
    """The tokens that cover a span: (first, last), both included.

    Args:
        encoded: an Encoded.
        span: characters of the text of that segment.
        segment: 0 for the first text, 1 for the second.

    Returns:
        A pair of ints; None where the tokens do not begin and end with the span (the vocabulary splits the text
        elsewhere, or the span holds nothing that makes a token), or where the text was cut before its end.
    """
    starts, ends = encoded.offsets[:, 0], encoded.offsets[:, 1]
    inside = np.flatnonzero((ends > starts) & (encoded.segments == segment) & (starts < span[1]) & (ends > span[0]))
    if not len(inside):
        return None
    first, last = int(inside[0]), int(inside[-1])
    if starts[first] < span[0] or ends[last] > span[1]:
        return None
    cut_off = encoded.cut and last == np.flatnonzero((ends > starts) & (encoded.segments == segment))[-1]
    if ends[last] < span[1] and cut_off:
        return None
    return first, last


def span_of(encoded, first, last):
    """The characters from the first to the last token, both included, as a Span."""
    return Span(int(encoded.offsets[first, 0]), int(encoded.offsets[last, 1]))
