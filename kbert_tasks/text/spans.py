"""Characters and tokens: where an entity stands in a text, which tokens that is, and back.

A span is half-open characters of the original text: `text[start:end]`. For the tasks that point at parts of a text.
"""

import contextlib
import json
import re
from numbers import Integral
from typing import NamedTuple

import numpy as np

from ..data.tables import missing
from ..errors import RowError

FLOOR = 0.05  # probability under which nothing is looked at any further
MOST = 48  # spans of a window that are looked at: an untrained model holds thousands to be possible


class Span(NamedTuple):
    """Half-open characters of a text."""

    start: int
    end: int


def told(value, string, text):
    """A span as a row tells it, [start, end], if it holds the string; None where the row tells none.

    Raises:
        RowError: not two whole numbers in order, or other characters stand there.
    """
    if isinstance(value, str):  # in a cell of CSV
        with contextlib.suppress(ValueError):
            value = json.loads(value or "null")
    if not isinstance(value, list | tuple | np.ndarray) and missing(value):
        return None
    numbers = list(value) if isinstance(value, list | tuple | np.ndarray) else []
    if len(numbers) != 2 or not all(isinstance(n, Integral) for n in numbers) or not 0 <= numbers[0] < numbers[1]:
        raise RowError(f"a span should be [start, end] in characters of the text, not {str(value)[:40]}")
    start, end = map(int, numbers)
    if text[start:end] != string:
        raise RowError(f"characters {start} to {end} are {text[start:end][:40]!r}, not {string[:40]!r}")
    return Span(start, end)


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


def marked(spans, length):
    """Spans of tokens as the target of scores: int8 (length, length), 1 at (first, last), and -1, not counted, where a
    span would end before it begins."""
    target = np.zeros((length, length), "int8")
    target[np.tril_indices(length, -1)] = -1
    for first, last in spans:
        target[first, last] = 1
    return target


def likely(probability, encoded, segment=0, floor=FLOOR):
    """The spans of text that are probable enough, the most probable first, at most MOST.

    Args:
        probability: (time, time) of each first and last token; padding may follow.
        encoded: the window.
        segment: of the text.
        floor: what is less probable is left out.

    Returns:
        int32 (count, 2), first and last token.
    """
    size = len(encoded.ids)
    real = (encoded.offsets[:, 1] > encoded.offsets[:, 0]) & (encoded.segments == segment)
    probability = probability[:size, :size]
    found = np.argwhere((probability > floor) & np.triu(np.outer(real, real)))
    best = np.argsort(-probability[tuple(found.T)], kind="stable")[:MOST]
    return found[best].astype(np.int32)
