"""Sequences of tags: BIO (IOB2), IOB1, BIOES, BMES and BILOU to spans of tokens, and back."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from .entities import UNTYPED

TokenSpan: TypeAlias = tuple[int, int, str]  # first and last token, both inclusive, and the type

TAG = re.compile(r"(?P<typed>[BIMESLU])[-_](?P<type>.+)|(?P<bare>[OBIMESLU])")
CONTINUE, CLOSE, ALONE = "IMEL", "EL", "SU"  # prefixes inside an entity, at its end, and of an entity with one token
# Prefix of an entity with one token, of the first token, of the tokens between, and of the last token.
SCHEMES = {"bio": "BBII", "bioes": "SBIE", "bmes": "SBME"}
INVALID = "invalid tags: "
NOT_CLOSED = INVALID + "no E- or L- at the end of an entity"


class Tag(NamedTuple):
    """A tag: its prefix, which is "O" outside of entities, and the type of the entity."""

    prefix: str
    type: str


def parse(tag: str) -> Tag | None:
    """Parses a tag such as O, B-PER or B_PER; a tag without a type, such as B, gets the type ENTITY; None if it is no tag."""
    match = TAG.fullmatch(tag)
    if match is None:
        return None
    return Tag(match["typed"], match["type"]) if match["typed"] else Tag(match["bare"], UNTYPED)


def is_iob1(sequences: Iterable[Sequence[Tag]]) -> bool:
    """Returns whether B- is used only between adjacent entities of one type, and other entities begin with I-.

    This is so if some entity begins with I-, and each B- comes directly after a token of the same type.
    """
    begins = False
    for tags in sequences:
        for before, tag in zip([OUTSIDE, *tags], tags, strict=False):
            if tag.prefix not in "OBI" or (tag.prefix == "B" and not _same(before, tag)):
                return False
            begins |= tag.prefix == "I" and not _same(before, tag)
    return begins


def closes(sequences: Iterable[Sequence[Tag]]) -> bool:
    """Returns whether the last token of an entity has a tag of its own (BIOES, BMES, BILOU)."""
    return any(tag.prefix in CLOSE + ALONE for tags in sequences for tag in tags)


OUTSIDE = Tag("O", UNTYPED)


def decode(tags: Sequence[Tag], iob1: bool, closing: bool, problems: list[str]) -> list[TokenSpan]:
    """Converts the tags of a sentence to spans; invalid sequences are read leniently and added to `problems`.

    Args:
        tags: the tags.
        iob1: whether I- can begin an entity.
        closing: whether an entity of several tokens should end with E- or L-.
        problems: list to which one reason for each invalid tag is added.
    """
    spans: list[TokenSpan] = []
    first: int | None = None  # the first token of the entity that is open
    for place, (before, tag) in enumerate(zip([OUTSIDE, *tags], [*tags, OUTSIDE], strict=True)):
        goes_on = first is not None and tag.prefix in CONTINUE and tag.type == before.type
        if first is not None and not goes_on:
            spans.append((first, place - 1, before.type))
            first = None
            if closing:
                problems.append(NOT_CLOSED)
        if tag.prefix in "B" + CONTINUE and first is None:
            first = place
            if tag.prefix in CONTINUE and not iob1:
                problems.append(_why(before, tag))
        if tag.prefix in ALONE:
            spans.append((place, place, tag.type))
        elif tag.prefix in CLOSE and first is not None:
            spans.append((first, place, tag.type))
            first = None
    return spans


def encode(spans: Iterable[TokenSpan], length: int, scheme: str) -> list[str]:
    """Converts spans that do not overlap to the tags of a sentence with `length` tokens."""
    alone, begin, inside, end = tuple(SCHEMES[scheme])
    tags = ["O"] * length
    for first, last, kind in spans:
        prefixes = alone if first == last else begin + inside * (last - first - 1) + end
        tags[first : last + 1] = [f"{prefix}-{kind}" for prefix in prefixes]
    return tags


def schemes_of(sequences: Iterable[Sequence[Tag]], iob1: bool) -> str:
    """Returns the name of the scheme that a file uses, for messages."""
    used = {tag.prefix for tags in sequences for tag in tags}
    if iob1:
        return "IOB1"
    if used & {"L", "U"}:
        return "BILOU"
    if used & {"E", "S", "M"}:
        return "BMES" if "M" in used else "BIOES"
    return "BIO"


def _same(before: Tag, tag: Tag) -> bool:
    return before.prefix != "O" and before.type == tag.type


def _why(before: Tag, tag: Tag) -> str:
    if before.prefix == "O":
        return f"{INVALID}{tag.prefix}- after O, read as the beginning of an entity"
    if before.type != tag.type:
        return f"{INVALID}{tag.prefix}- of another type than the tag before, read as the beginning of an entity"
    return f"{INVALID}{tag.prefix}- after the end of an entity, read as the beginning of another one"
