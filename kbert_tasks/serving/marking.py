"""Where the answers of a task are in its text, for highlighting; works for every task with `presentation.entities`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ..tasks.presentation import Presentation
from ..text.spans import occurrences

Mark = tuple[int, int, str]  # start, end, name


def marks(text: str, records: Sequence[Mapping[str, Any]], shown: Presentation) -> list[Mark]:
    """Returns the parts of a text to highlight, each with a name such as "subject" or the type of an entity.

    Args:
        text: the text.
        records: the answers as dicts. The position of an entity is in the key NAME_span, span, or start and end. Without a
            position, all its occurrences are highlighted.
        shown: the Presentation of the task.
    """
    found: dict[Mark, None] = {}
    for record in records:
        for part in shown.entities:
            # If each answer is one entity with a class, the class is the name. Otherwise it is the role, such as "object".
            name = str(record[shown.group]) if len(shown.entities) == 1 and shown.group in record else part
            for start, end in _places(text, record, part):
                if 0 <= start < end <= len(text):
                    found[start, end, name] = None
    return list(found)


def _places(text: str, record: Mapping[str, Any], part: str) -> Sequence[Sequence[int]]:
    span = record.get(f"{part}_span") or record.get("span")
    if span is None and "start" in record and "end" in record:
        span = record["start"], record["end"]
    return occurrences(text, str(record.get(part, ""))) if span is None else [span]


def pieces(text: str, found: Sequence[Mark]) -> list[tuple[str, list[str], list[str]]]:
    """Splits a text at the borders of marks.

    Returns:
        A list of (string, names of the marks that contain it, the longest first, names of the marks that begin with it).
    """
    begins, ends = defaultdict[int, list[Mark]](list), defaultdict[int, list[Mark]](list)
    for mark in sorted(found, key=lambda mark: -mark[1]):
        begins[mark[0]].append(mark)
        ends[mark[1]].append(mark)
    split, inside = [], dict[Mark, None]()
    for start, end in pairwise(sorted({0, len(text), *begins, *ends})):
        for mark in ends[start]:
            del inside[mark]
        inside |= dict.fromkeys(begins[start])
        split.append((text[start:end], _names(inside), _names(begins[start])))
    return split


def _names(found: Iterable[Mark]) -> list[str]:
    return list(dict.fromkeys(name for *_, name in found))
