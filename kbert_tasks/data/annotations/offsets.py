"""Offsets of entities: whether they count characters or UTF-16 code units, whether ends are inclusive, and checks."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import InputError
from .entities import LEFT_OUT, NO_TYPE, REPEATED, Entity, ordered, type_of

OUTSIDE = LEFT_OUT + "offsets outside the text"
BACKWARDS = LEFT_OUT + "start is not before end"
NOT_WHOLE = LEFT_OUT + "offsets are not whole numbers"
INSIDE = LEFT_OUT + "an offset inside a character"
OTHER_TEXT = LEFT_OUT + "the text at the offsets is not the text that the file gives for the entity"


class Counting(NamedTuple):
    """How the offsets of a file count.

    Attributes:
        utf16: they count UTF-16 code units, as JavaScript does: most emoji count 2. Otherwise they count characters.
        inclusive: `end` is the offset of the last character. Otherwise it is the offset after it.
    """

    utf16: bool = False
    inclusive: bool = False


CHARACTERS, UTF16, INCLUSIVE = Counting(), Counting(utf16=True), Counting(inclusive=True)
ALL = (CHARACTERS, INCLUSIVE, UTF16, Counting(True, True))


@dataclass(frozen=True)
class Found:
    """An entity as it is in a file.

    Attributes:
        start, end, type: what the file contains.
        surface: the text of the entity, if the file contains it.
        key: what relations of the file call this entity.
        more: other keys.
    """

    start: Any
    end: Any
    type: Any
    surface: str | None = None
    key: Hashable = None
    more: Mapping[str, Any] = field(default_factory=dict)


class Located(NamedTuple):
    """The entities of a text, the same entities by their keys in the file, and what was left out."""

    entities: list[Entity]
    by_key: dict[Hashable, Entity]
    problems: list[str]


def counting_of(
    path: Path, texts: Sequence[str], found: Sequence[Sequence[Found] | None], usual: tuple[Counting, ...]
) -> Counting:
    """Returns how the offsets of a file count.

    If the file contains the texts of entities, this is the way of counting with which most of them are found at their
    offsets. Otherwise it is the way in `usual` with the most valid entities. The first one is used on a tie.

    Args:
        path: path of the file, for messages.
        texts: the texts.
        found: the entities of each text.
        usual: the ways of counting that the format allows, the most usual one first.

    Raises:
        InputError: the ends seem to be inclusive and no text of an entity shows it, or most texts of entities are not
            at their offsets.
    """
    pairs = [(text, each) for text, listed in zip(texts, found, strict=True) for each in listed or ()]
    shown = [(text, each) for text, each in pairs if each.surface is not None]
    tried = dict.fromkeys((*usual, *ALL)) if shown else usual
    fits = {each: sum(_fits(text, one, each) for text, one in shown or pairs) for each in tried}
    best = max(fits, key=lambda each: fits[each])
    if shown and 2 * fits[best] < len(shown):
        text, one = next((text, one) for text, one in shown if not _fits(text, one, best))
        raise InputError(
            f"{path}: of {len(shown)} entities, only {fits[best]} are at their offsets, such as {one.surface!r} at "
            f"{one.start} to {one.end}: offsets should count characters from 0, and `end` should be exclusive"
        )
    if not shown:
        _check_ends(path, pairs)
    return best


def _check_ends(path: Path, pairs: Sequence[tuple[str, Found]]) -> None:
    """Raises InputError if entities with start = end show that ends are inclusive.

    In a file with exclusive ends, such an entity is a mistake, and an entity can end where its text ends.
    """
    same = sum(whole(each.start) is not None and each.start == each.end for _, each in pairs)
    if same and not any(each.end in (len(text), _units(text)) for text, each in pairs):
        raise InputError(
            f"{path}: {same} of {len(pairs)} entities have start = end, and none ends at the end of its text, so `end` seems "
            "to be the offset of the last character: it should be the offset after it, so add 1 to each end, or add the text "
            'of each entity as "text", so that this is detected; if only these entities are wrong, remove them'
        )


def located(text: str, found: Sequence[Found], counting: Counting) -> Located:
    """Converts the entities of one text to offsets in characters, and leaves out those that are not possible."""
    made: dict[tuple[int, int, str], Entity] = {}
    by_key: dict[Hashable, Entity] = {}
    problems = []
    for each in found:
        span, name = span_of(text, each, counting), type_of(each.type)
        if isinstance(span, str):
            problems.append(span)
        elif name is None:
            problems.append(NO_TYPE)
        else:
            if span + (name,) in made:
                problems.append(REPEATED)
            else:
                made[span + (name,)] = {"start": span[0], "end": span[1], "type": name} | dict(each.more)
            by_key[each.key] = made[span + (name,)]
    return Located(ordered([*made.values()]), by_key, problems)


def span_of(text: str, found: Found, counting: Counting) -> tuple[int, int] | str:
    """Returns (start, end) in characters, or the reason why this is not possible."""
    start, end = whole(found.start), whole(found.end)
    if start is None or end is None:
        return NOT_WHOLE
    end += counting.inclusive
    if start >= end:
        return BACKWARDS
    if start < 0 or end > (_units(text) if counting.utf16 else len(text)):
        return OUTSIDE
    if counting.utf16 and not text.isascii():
        places = _places(text)
        first, last = places[start], places[end]
        if first is None or last is None:
            return INSIDE
        start, end = first, last
    return OTHER_TEXT if found.surface is not None and not _same(found.surface, text[start:end]) else (start, end)


def to_utf16(text: str, offset: int) -> int:
    """Converts an offset in characters to one in UTF-16 code units."""
    return offset if text.isascii() else _units(text[:offset])


def whole(value: Any) -> int | None:
    """Returns a whole number as int; None if the value is another one, such as True or "3"."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value)


def sentences(counting: Counting, usual: Counting, texts: Sequence[str]) -> Iterator[str]:
    """Yields sentences about a way of counting that users should know about."""
    if counting.inclusive and not usual.inclusive:
        yield "the ends of entities are inclusive, so 1 is added to each"
    if counting.utf16 and any(_units(text) > len(text) for text in texts):
        yield "the offsets count UTF-16 code units (most emoji count 2), and are converted to characters"


def _fits(text: str, found: Found, counting: Counting) -> bool:
    return not isinstance(span_of(text, found, counting), str)


def _same(surface: str, part: str) -> bool:
    """Compares without white space, because tools show line breaks as spaces or as a backslash with n."""
    return surface == part or "".join(surface.replace(r"\n", "\n").split()) == "".join(part.split())


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _places(text: str) -> list[int | None]:
    """Returns for each offset in UTF-16 code units the offset in characters; None inside a character."""
    places: list[int | None] = []
    for place, letter in enumerate(text):
        places += [place, None] if letter > "\uffff" else [place]
    return [*places, len(text)]
