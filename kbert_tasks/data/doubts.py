"""Warns before training about label names that are probably mistakes."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from .cells import blank, without_invisible
from .label_forms import listed

SEPARATORS = (",", "，", ";", "；", "、", "/", "|", "\t", "\n", " ")  # common separators between several labels
MANY = 0.1  # minimum share of labels that contain a separator other than the configured one
VECTOR = re.compile(r"[01](\s*[,;|\s]\s*[01])+")  # a row of 0 and 1, one for each label
MARKS = (("0", "1"), ("-1", "1"), ("0.0", "1.0"), ("False", "True"))  # what such rows hold
ROWS = (
    "rows of 0 and 1 are not supported; give the names of the labels, in Python "
    "[[name for name, has in zip(names, row) if has == '1'] for row in labels]"
)
BRACKETS = re.compile(r"\[.*[,，;；、|/:\s].*\]|\{.*[,，;；、|/:\s].*\}", re.DOTALL)
SHOWN = 5  # maximum number of groups of similar names in the warnings


def likeness(name: str) -> str:
    """Normalizes a name; names that differ only by case, width, white space or invisible characters become equal."""
    letters = (unicodedata.normalize("NFKC", each) if _is_wide(each) else each for each in name)
    return without_invisible(unicodedata.normalize("NFC", "".join(letters))).casefold()


def _is_wide(letter: str) -> bool:
    return unicodedata.decomposition(letter).startswith(("<wide>", "<narrow>"))


def alike(names: Mapping[str, int], kind: str) -> Iterator[str]:
    """Yields a sentence for each group of names that differ only by case, width, white space or invisible characters.

    Args:
        names: dict from name to its number of occurrences.
        kind: what the names denote, in the plural.
    """
    found = groups_alike(names)
    for group in found[:SHOWN]:
        listed_names = ", ".join(f"{shown(name)} ({names[name]:,})" for name in group)
        yield (
            f"the {kind} {listed_names} differ only by case, width, white space or invisible characters: "
            "if they mean the same, write them in the same way"
        )
    if len(found) > SHOWN:
        yield f"{len(found) - SHOWN} more groups of {kind} differ only in this way"


def groups_alike(names: Iterable[str]) -> list[list[str]]:
    """Returns each group of at least two names that differ only in this way, sorted."""
    groups = defaultdict(list)
    for name in sorted(names):
        groups[likeness(name)].append(name)
    return [group for group in groups.values() if len(group) > 1]


def shown(name: str) -> str:
    """Returns the name in quotation marks, with an escape for each invisible character."""
    return "".join(ascii(each)[1:-1] if blank(each) and each != " " else each for each in repr(name))


def unread_forms(sets: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Sentences about labels in a form that is not read: rows of 0 and 1 as text, and cells in brackets that are no list.

    Args:
        sets: the labels of each text.
    """
    names = {label: None for labels in sets for label in labels}  # in their order
    several = [labels for labels in sets if len(labels) > 1]
    vectors = [name for name in names if VECTOR.fullmatch(name)]
    if several and any(set(names) == set(marks) for marks in MARKS):
        yield (
            f"the only labels are {', '.join(map(repr, names))}, and {len(several):,} of {len(sets):,} texts have both: {ROWS}"
        )
    elif vectors and len(vectors) == len(names):
        yield f"all labels are rows of 0 and 1, such as {vectors[0]!r}: {ROWS}"
    brackets = [name for name in names if BRACKETS.fullmatch(name) and listed(name) is None]
    if brackets:
        yield (
            f"{len(brackets):,} labels are in brackets but are not JSON lists, such as {brackets[0]!r}: write several labels as a "
            'JSON list, ["a", "b"]'
        )


def unsplit(sets: Sequence[tuple[str, ...]], separator: str) -> Iterator[str]:
    """Yields a sentence if no cell contains the configured separator and many contain another one.

    Args:
        sets: the labels of each text.
        separator: the configured separator between labels.
    """
    names = Counter(label for labels in sets for label in labels)
    if any(len(labels) > 1 for labels in sets):
        yield from _otherwise_split(names, separator)
        return
    holders = {each: _holding(names, each) for each in SEPARATORS if each not in separator}
    best = max(holders, key=lambda each: sum(holders[each].values()))  # the first one on a tie
    number, texts = sum(holders[best].values()), sum(names.values())
    if number and number >= MANY * texts:
        yield (
            f"no cell of labels contains the separator {separator!r}, and {number:,} of {texts:,} contain {best!r}, such as "
            f"{next(iter(holders[best]))!r}: --label-separator {best!r} splits them into several labels"
        )


def _otherwise_split(names: Mapping[str, int], separator: str) -> Iterator[str]:
    """Sentences about labels that are other labels with another separator between them."""
    for mark in SEPARATORS:
        made = [name for name in names if _made_of(name, mark, names)]
        if made and mark not in separator:
            number = sum(names[name] for name in made)
            yield (
                f"cells of labels contain two separators: {separator!r} is set, but {number:,} labels contain {mark!r} between other "
                f"labels, such as {made[0]!r}: use {separator!r} in all cells"
            )


def _made_of(name: str, separator: str, names: Mapping[str, int]) -> bool:
    return len(parts := _parts(name, separator)) > 1 and names.keys() >= set(parts)


def _holding(names: Mapping[str, int], separator: str) -> dict[str, int]:
    """Returns the names that the separator would split.

    Many single names contain a space. A space therefore counts only if there are fewer different parts than names.
    """
    holding = {name: number for name, number in names.items() if len(_parts(name, separator)) > 1}
    if separator == " " and len({part for name in names for part in _parts(name, separator)}) > len(names):
        return {}
    return holding


def _parts(name: str, separator: str) -> list[str]:
    return [part for part in map(str.strip, name.split(separator)) if part]


def unread_lists(names: Mapping[str, int], separator: str) -> Iterator[str]:
    """Yields sentences about single labels that look like several: lists, or other labels joined by a separator."""
    lists = [name for name in names if listed(name)]
    if lists:
        yield (
            f"{sum(names[name] for name in lists):,} labels are lists in one cell, such as {lists[0]!r}: --multi-label splits "
            "them into several labels"
        )
    for mark in dict.fromkeys((separator, *SEPARATORS)):
        made = [name for name in names if _made_of(name, mark, names)]
        if made:
            yield (
                f"the label {made[0]!r} consists of other labels: --multi-label --label-separator {mark!r} splits it"
            )
