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
    """The tokens that are exactly a span: (first, last), both included.

    Args:
        encoded: an Encoded.
        span: characters of the text of that segment.
        segment: 0 for the first text, 1 for the second.

    Returns:
        A pair of ints; None where no token begins at its start or none ends at its end: the vocabulary splits the text
        elsewhere, the span begins or ends with what makes no token (white space), or that part was cut off.
    """
    starts, ends = encoded.offsets[:, 0], encoded.offsets[:, 1]
    real = (ends > starts) & (encoded.segments == segment)
    first, last = np.flatnonzero(real & (starts == span[0])), np.flatnonzero(real & (ends == span[1]))
    if not len(first) or not len(last) or first[0] > last[-1]:
        return None
    return int(first[0]), int(last[-1])


def span_of(encoded, first, last):
    """The characters from the first to the last token, both included, as a Span."""
    return Span(int(encoded.offsets[first, 0]), int(encoded.offsets[last, 1]))
