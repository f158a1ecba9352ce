"""Entity, reading gold entities, and resolving overlaps."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np

from ...data.cells import blank, each_key_once, missing, text_of
from ...errors import RowError
from ...text.spans import Span
from ..contract import known

Key: TypeAlias = tuple[int, int, str]  # start, end, type

WANTED = 'expected {"start": ..., "end": ..., "type": ...} or [start, end, type]'
SURFACES = ("entity", "text", "word")  # keys that published files use for the string of an entity
OUTSIDE = "entities that end after the text"


@dataclass(frozen=True)
class Entity:
    """A part of a text with a type.

    Attributes:
        entity: the part of the text, `text[start:end]`.
        type: its type, such as "person".
        start, end: the first character, and the character after the last one.
        probability: the probability of a predicted entity; None for a gold entity.
    """

    entity: str
    type: str
    start: int
    end: int
    probability: float | None = field(default=None, compare=False)

    @property
    def key(self) -> Key:
        """(start, end, type)."""
        return self.start, self.end, self.type

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)

    def as_dict(self) -> dict[str, Any]:
        """Returns a dict of JSON values with `entity`, `type`, `start` and `end`, and `probability` if it is known."""
        made = {"entity": self.entity, "type": self.type, "start": self.start, "end": self.end}
        return made | ({} if self.probability is None else {"probability": round(self.probability, 6)})


def entities_of(value: Any, text: str) -> "tuple[tuple[Entity, ...], tuple[str, ...]] | None":
    """Reads the gold entities of a row.

    Args:
        value: a list of dicts with `start`, `end` and `type`, or of [start, end, type], or the JSON of such a list. A dict
            may also contain the string of the entity, which must be equal to `text[start:end]`.
        text: the text of the entities.

    Returns:
        (entities, notes): a tuple of Entity without duplicates, in the order of the text, and a note for each entity that
        cannot be used. None if the value is empty.

    Raises:
        RowError: not a list of entities, or an entity whose start, end or string is wrong.
    """
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = json.loads(value, object_pairs_hook=each_key_once)
        except RowError:
            raise
        except (ValueError, RecursionError):
            raise RowError(f"expected a list of entities, found {value.strip()[:60]!r}") from None
    if not _is_list(value):
        if missing(value):
            return None
        raise RowError(f"expected a list of entities, found {str(value)[:60]}")
    found, notes = dict[Key, Entity](), list[str]()
    for each in value:
        entity = _read(each, text)
        if entity is None:
            notes.append(OUTSIDE)
        else:
            found[entity.key] = entity
    return tuple(sorted(found.values(), key=_by_place)), tuple(notes)


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray)  # Parquet files contain arrays


def _read(each: Any, text: str) -> Entity | None:
    """Returns an Entity, or None if it ends after the text."""
    if isinstance(each, dict):
        if lacking := [name for name in ("start", "end", "type") if name not in each]:
            raise RowError(f"an entity lacks {', '.join(lacking)}: {str(each)[:80]}; {WANTED}")
        start, end, kind = each["start"], each["end"], each["type"]
    elif _is_list(each) and len(each) == 3:
        (start, end, kind), each = each, {}
    else:
        raise RowError(f"found {str(each)[:80]}; {WANTED}")
    if not all(isinstance(n, Integral) and not isinstance(n, bool) for n in (start, end)):
        raise RowError(f"start and end of an entity should be whole numbers, found {start!r} and {end!r}")
    if _is_list(kind) or isinstance(kind, dict) or blank(text_of(kind)):
        raise RowError(f"the type of the entity from {start} to {end} should be a text, found {kind!r:.60}")
    start, end, kind = int(start), int(end), text_of(kind)
    shown = f"the {kind} from {start} to {end}"
    if not 0 <= start < end:
        raise RowError(
            f"{shown} contains no character: end should be the position after its last character; if the ends in the file "
            "are positions of last characters, add 1 to each"
        )
    surface = next((each[name] for name in SURFACES if isinstance(each.get(name), str)), None)
    if surface is not None and text[start:end] != surface:
        inclusive = text[start : end + 1] == surface
        advice = "; the ends seem to be positions of last characters: add 1 to each" if inclusive else ""
        raise RowError(f"{shown} should be {surface[:40]!r}, but the text has {text[start:end][:40]!r} there{advice}")
    return Entity(text[start:end], kind, start, end) if end <= len(text) else None


def _by_place(entity: Entity) -> tuple[int, int, str]:
    return entity.start, -entity.end, entity.type


def overlapping(entities: Iterable[Entity]) -> set[Key]:
    """Returns the keys of all entities that have a character in common with another one."""
    found: set[Key] = set()
    open_: list[Entity] = []
    for each in sorted(entities, key=_by_place):
        open_ = [other for other in open_ if other.end > each.start]
        if open_:
            found |= {each.key, *(other.key for other in open_)}
        open_.append(each)
    return found


def without_overlaps(found: Sequence[Entity]) -> list[Entity]:
    """Removes the entities that overlap a more probable one, from a list with the most probable first."""
    kept: list[Entity] = []
    for each in found:
        if all(each.end <= other.start or other.end <= each.start for other in kept):
            kept.append(each)
    return kept


def most_probable_first(found: Iterable[Entity]) -> list[Entity]:
    """Returns a list sorted by probability; entities with equal probabilities are in the order of the text."""
    return sorted(found, key=lambda each: (-known(each.probability), *_by_place(each)))
