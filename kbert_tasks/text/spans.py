"""Aligns character spans with tokens, for the tasks that predict spans of a text.

A span is a half-open range of characters of the original text: `text[start:end]`.
"""

import contextlib
import json
import re
from collections.abc import Iterable
from numbers import Integral
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..data.cells import missing
from ..errors import RowError
from .tokenizer import Encoded

FLOOR = 0.05  # minimum probability of a candidate span
MOST = 48  # default maximum number of candidate spans per window; an untrained model would give thousands


TokenSpan: TypeAlias = tuple[int, int]  # the first and the last token, both inclusive


class Span(NamedTuple):
    """A half-open range of characters of a text."""

    start: int
    end: int


def read_span(value: Any, string: str, text: str) -> Span | None:
    """Parses the span [start, end] of a cell and checks that it contains `string`; None if the cell is empty.

    Raises:
        RowError: the cell is not two whole numbers in increasing order, or the text has other characters at the span.
    """
    if isinstance(value, str):  # a CSV cell
        with contextlib.suppress(ValueError):
            value = json.loads(value or "null")
    if not isinstance(value, list | tuple | np.ndarray) and missing(value):
        return None
    numbers = list(value) if isinstance(value, list | tuple | np.ndarray) else []
    if len(numbers) != 2 or not all(isinstance(n, Integral) for n in numbers) or not 0 <= numbers[0] < numbers[1]:
        raise RowError(f"a span should be [start, end] in characters of the text, not {str(value)[:40]}")
    start, end = map(int, numbers)
    if text[start:end] != string:
        raise RowError(f"characters {start} to {end} of the text are {text[start:end][:40]!r}, not {string[:40]!r}")
    return Span(start, end)


def occurrences(text: str, entity: str) -> list[Span]:
    """Returns a list with the Span of every occurrence of `entity` in `text`, including overlapping ones.

    In scripts that separate words (Latin, Cyrillic, ...; not Chinese), an occurrence inside a longer word counts only if
    there is no other occurrence: "Ann" in "Anna met Ann" is the last word.
    """
    if not entity:
        return []
    found = [Span(m.start(), m.start() + len(entity)) for m in re.finditer(f"(?={re.escape(entity)})", text)]
    whole = [span for span in found if is_whole(text, span)]
    return whole or found


def is_whole(text: str, span: Span) -> bool:
    before, after = text[span.start - 1 : span.start], text[span.end : span.end + 1]
    return not (_joins(before, text[span.start]) or _joins(text[span.end - 1], after))


def _joins(left: str, right: str) -> bool:
    return all(c and c.isalnum() and not "⺀" <= c <= "鿿" and not "가" <= c <= "힣" for c in (left, right))


def tokens_of(encoded: Encoded, span: Span, segment: int = 0) -> TokenSpan | None:
    """Returns the first and the last token, both inclusive, that match a span exactly.

    Args:
        encoded: an Encoded.
        span: start and end of the span in characters of the segment's text.
        segment: 0 for the first text, 1 for the second.

    Returns:
        A pair of ints. None if no token starts at the start of the span or no token ends at its end. This happens if the
        vocabulary splits the text elsewhere, if the span starts or ends with white space, or if the text was truncated.
    """
    starts, ends = encoded.offsets[:, 0], encoded.offsets[:, 1]
    real = (ends > starts) & (encoded.segments == segment)
    first, last = np.flatnonzero(real & (starts == span[0])), np.flatnonzero(real & (ends == span[1]))
    if not len(first) or not len(last) or first[0] > last[-1]:
        return None
    return int(first[0]), int(last[-1])


def span_of(encoded: Encoded, first: int, last: int) -> Span:
    """Returns the Span of characters from the first to the last token, both inclusive."""
    return Span(int(encoded.offsets[first, 0]), int(encoded.offsets[last, 1]))


def marked(spans: Iterable[TokenSpan], length: int) -> np.ndarray:
    """Converts token spans to a target array.

    Returns:
        int8 (length, length): 1 at each (first, last) of `spans`, -1 (not counted) where last < first, otherwise 0.
    """
    target = -np.tri(length, k=-1, dtype="int8")
    for first, last in spans:
        target[first, last] = 1
    return target


def mark(target: np.ndarray, tokens: TokenSpan | int, weight: float = 1) -> None:
    """Sets a place in a target array, such as a span, in place, unless it already has a larger weight."""
    target[tokens] = max(target[tokens], weight)


def likely(
    probability: np.ndarray, encoded: Encoded, segment: int = 0, floor: float = FLOOR, most: int = MOST
) -> np.ndarray:
    """Returns the spans with a probability above `floor`, the most probable first.

    Args:
        probability: (time, time), the probability of each pair of first and last token; padding may follow.
        encoded: the Encoded window.
        segment: 0 for the first text, 1 for the second.
        floor: the minimum probability.
        most: the maximum number of spans.

    Returns:
        int32 (count, 2), the first and the last token of each span.
    """
    size = len(encoded.ids)
    real = (encoded.offsets[:, 1] > encoded.offsets[:, 0]) & (encoded.segments == segment)
    probability = probability[:size, :size]
    found = np.argwhere((probability > floor) & np.triu(np.outer(real, real)))
    best = np.argsort(-probability[tuple(found.T)], kind="stable")[:most]
    return found[best].astype(np.int32)
