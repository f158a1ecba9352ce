"""Triple, and reading triples from the formats of published data sets."""

import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ...data.cells import blank, each_key_once, missing, text_of
from ...errors import RowError
from ...text.spans import Span, read_span

Strings: TypeAlias = tuple[str, str, str]  # subject, predicate, object
Types: TypeAlias = tuple[str | None, str | None]  # of subject and object; None if not known

PARTS = ("subject", "predicate", "object")
TYPES = ("subject_type", "object_type")
WANTED = 'expected {"subject": ..., "predicate": ..., "object": ...} or [subject, predicate, object]'


@dataclass(frozen=True)
class Triple:
    """A (subject, predicate, object) triple of a text.

    Attributes:
        subject: a part of the text.
        predicate: the relation between subject and object.
        object: a part of the text.
        subject_span, object_span: [start, end) in characters of the text; None if not known.
        probability: the probability of a predicted triple; None for a gold triple.
        subject_type, object_type: types of the two entities, such as "person"; None if not known.
    """

    subject: str
    predicate: str
    object: str
    subject_span: Span | None = None
    object_span: Span | None = None
    probability: float | None = field(default=None, compare=False)
    subject_type: str | None = field(default=None, compare=False)
    object_type: str | None = field(default=None, compare=False)

    @property
    def strings(self) -> Strings:
        """(subject, predicate, object)."""
        return self.subject, self.predicate, self.object

    @property
    def types(self) -> Types | None:
        """(subject type, object type), or None if neither is known."""
        return None if self.subject_type is self.object_type is None else (self.subject_type, self.object_type)

    @property
    def located(self) -> bool:
        """Whether both spans are known."""
        return self.subject_span is not None and self.object_span is not None

    def as_dict(self) -> dict[str, Any]:
        """Returns the triple as an entry of an `spo_list`, with the spans, the types and the probability that are known."""
        made: dict[str, Any] = {"subject": self.subject, "predicate": self.predicate, "object": self.object}
        for name in ("subject_span", "object_span"):
            if getattr(self, name) is not None:
                made[name] = list(getattr(self, name))
        made |= {name: kind for name in TYPES if (kind := getattr(self, name)) is not None}
        return made | ({} if self.probability is None else {"probability": round(self.probability, 6)})


def triples_of(value: Any, text: str) -> tuple[Triple, ...] | None:
    """Reads the triples of one `spo_list`.

    Args:
        value: a list, or its JSON. An object may be a dict of slots as in DuIE 2.0: `@value` is the object of the
            predicate, and each other slot that is not empty is the object of a predicate named PREDICATE_SLOT. The types of
            the entities are optional; the type of such an object is a dict with the same slots.
        text: the text of the triples; spans, if given, must match it.

    Returns:
        A tuple of Triple without duplicates, or None if the value is empty.

    Raises:
        RowError: not a list of triples, or a span that does not contain its string.
    """
    given = value
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = json.loads(value, object_pairs_hook=each_key_once)
        except RowError:
            raise
        except (ValueError, RecursionError):
            pass  # reported below as not a list
    if not _is_list(value):
        if missing(value):
            return None
        found = repr(given.strip()[:60]) if isinstance(given, str) else str(given)[:60]
        raise RowError(f"expected a list of triples, found {found}")
    return tuple(dict.fromkeys(triple for each in value for triple in _read(each, text)))


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray)  # Parquet files contain arrays


def _read(each: Any, text: str) -> list[Triple]:
    if isinstance(each, dict):
        if lacking := [name for name in PARTS if name not in each]:
            raise RowError(f"a triple lacks {', '.join(lacking)}: {str(each)[:60]}; {WANTED}")
        subject, predicate, object_ = (each[name] for name in PARTS)
    elif _is_list(each) and len(each) == 3:
        (subject, predicate, object_), each = each, {}
    else:
        raise RowError(f"found {str(each)[:60]}; {WANTED}")
    slots, kinds = (part if isinstance(part, dict) else {"@value": part} for part in (object_, each.get("object_type")))
    subject_kind = each.get("subject_type")
    for part in (subject, predicate, subject_kind, *slots.values(), *kinds.values()):
        if isinstance(part, dict) or _is_list(part):
            raise RowError(f"found {str(part)[:60]} instead of a text; {WANTED}")
    subject, predicate, slots = text_of(subject), text_of(predicate), {n: text_of(slot) for n, slot in slots.items()}
    if blank(predicate):
        raise RowError(f"the predicate between {subject[:40]!r} and {str(object_)[:40]!r} is empty; {WANTED}")
    filled = {name: slot for name, slot in slots.items() if not blank(slot)} or {"@value": slots.get("@value", "")}
    subject_span = read_span(each.get("subject_span"), subject, text)
    object_span = read_span(each.get("object_span"), slots.get("@value", ""), text)
    one = _kind(subject_kind)
    return [
        Triple(subject, predicate, slot, subject_span, object_span, None, one, _kind(kinds.get(name)))
        if name == "@value"
        else Triple(subject, f"{predicate}_{name}", slot, subject_span, None, None, one, _kind(kinds.get(name)))
        for name, slot in filled.items()
    ]


def _kind(cell: Any) -> str | None:
    kind = text_of(cell)
    return None if blank(kind) else kind
