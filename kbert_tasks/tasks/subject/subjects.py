"""Subject, reading gold subjects, and removing overlapping answers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ...data.cells import blank, each_key_once, text_of
from ...errors import RowError
from ...text.spans import Span, read_span
from ..contract import known

NONE = ("", "NaN", "NAN")  # values that mean "no subject" in published data sets

NO_SUBJECT = 0, 0  # tokens of the answer "no subject": [CLS]

Key: TypeAlias = str | tuple[str, str]  # the subject, or (event type, subject) if the model finds event types


@dataclass(frozen=True)
class Subject:
    """A subject of an event.

    Attributes:
        subject: a part of the text.
        span: [start, end) in characters of the text; None if not known.
        probability: the probability of a predicted subject; None for a gold subject.
        event_type: the event type; None unless the model finds event types.
    """

    subject: str
    span: Span | None = None
    probability: float | None = field(default=None, compare=False)
    event_type: str | None = None

    @property
    def key(self) -> Key:
        """What identifies the answer: the subject, or (event type, subject) if the event type is known."""
        return self.subject if self.event_type is None else (self.event_type, self.subject)

    def as_dict(self) -> dict[str, Any]:
        """Returns a dict with `subject`, and with `event_type`, `span` and `probability` if they are known."""
        made: dict[str, Any] = {"subject": self.subject}
        made |= {} if self.event_type is None else {"event_type": self.event_type}
        made |= {} if self.span is None else {"span": list(self.span)}
        return made | ({} if self.probability is None else {"probability": round(self.probability, 6)})


def subjects_of(text: str, cell: Any, span: Any = None, kind: str | None = None) -> list[Subject]:
    """Reads the gold subjects of a row.

    Args:
        text: the text of the row.
        cell: a string, a list of strings or of dicts with `subject` and `span`, or the JSON of such a list.
        span: the span of a single string, or None.
        kind: the event type of the subjects, if the model finds event types; the `event_type` of a dict takes precedence.

    Returns:
        A list of Subject; empty if there is no subject.

    Raises:
        RowError: a dict without `subject`, or a span that does not contain its string.
    """
    if isinstance(cell, str) and cell.lstrip().startswith("[") and cell not in text:
        try:
            cell = json.loads(cell, object_pairs_hook=each_key_once)
        except RowError:
            raise
        except ValueError:
            pass  # not JSON: a subject that is not in the text, which is reported later
    if isinstance(cell, list | tuple | np.ndarray):
        return [found for each in cell for found in subjects_of(text, each, kind=kind)]
    if isinstance(cell, dict):
        if "subject" not in cell:
            raise RowError(f'expected a subject or {{"subject": ..., "span": ...}}, found {str(cell)[:60]}')
        own = kind if kind is None else text_of(cell.get("event_type") or kind).strip()
        return subjects_of(text, cell["subject"], cell.get("span"), own)
    string = text_of(cell)
    found_at = read_span(span, string, text)
    none = blank(string) or (string.strip() in NONE and string not in text)
    return [] if none else [Subject(string, found_at, event_type=kind)]


def without_overlaps(found: Sequence[Subject]) -> list[Subject]:
    """Removes subjects that overlap a more probable one of the same event type, and repeated answers.

    Args:
        found: subjects, the most probable first.
    """
    kept: dict[Key, Subject] = {}
    for each in found:
        alike = [other for other in kept.values() if other.event_type == each.event_type]
        more = [other for other in alike if known(other.probability) > known(each.probability)]
        if each.key not in kept and not any(_overlap(known(each.span), known(other.span)) for other in more):
            kept[each.key] = each
    return list(kept.values())


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end
