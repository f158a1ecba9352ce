"""Subjects of events: as published data write them, and as a set of answers that do not overlap."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...data.cells import blank, each_key_once, text_of
from ...errors import RowError
from ...text.spans import Span, told

NONE = ("", "NaN", "NAN")  # how published data write that there is no subject

NO_SUBJECT = 0, 0  # the span of the answer "no subject": [CLS]


@dataclass(frozen=True)
class Subject:
    """A subject; its span (half-open characters of the text) where it is known, the score where it is an answer."""

    subject: str
    span: Span | None = None
    score: float | None = field(default=None, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """`subject`, and `span` and `score` where there are any."""
        made: dict[str, Any] = {"subject": self.subject} | ({} if self.span is None else {"span": list(self.span)})
        return made | ({} if self.score is None else {"score": round(self.score, 6)})


def subjects_of(text, cell, span=None):
    """The gold subjects that a row tells: a string, a list of them or of {"subject", "span"} (also as JSON), or none."""
    if isinstance(cell, str) and cell.lstrip().startswith("[") and cell not in text:
        try:
            cell = json.loads(cell, object_pairs_hook=each_key_once)
        except RowError:
            raise
        except ValueError:
            pass  # then it is a subject that is not in the text, and counted as such
    if isinstance(cell, list | tuple | np.ndarray):
        return [found for each in cell for found in subjects_of(text, each)]
    if isinstance(cell, dict):
        if "subject" not in cell:
            raise RowError(f'wanted a subject or {{"subject": ..., "span": ...}}, found {str(cell)[:60]}')
        return subjects_of(text, cell["subject"], cell.get("span"))
    string = text_of(cell)
    span = told(span, string, text)
    none = blank(string) or (string.strip() in NONE and string not in text)
    return [] if none else [Subject(string, span)]


def apart(found):
    """Of subjects, most probable first: those that overlap none that is more probable, each string once."""
    kept, strings = [], set()
    for each in found:
        more = [other for other in kept if other.score > each.score]
        clear = all(each.span.end <= other.span.start or other.span.end <= each.span.start for other in more)
        if clear and each.subject not in strings:
            kept.append(each)
            strings.add(each.subject)
    return kept
