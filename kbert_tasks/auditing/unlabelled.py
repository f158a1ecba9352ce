"""Finds strings that have an answer in several texts, and occur in another text without one."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..tasks.judging import Judging
from .duplicates import rows_shown
from .findings import Finding

if TYPE_CHECKING:
    from ..data.examples import Examples

LEAST = 2  # minimum number of texts that have the answer
SHARE = (
    0.5  # minimum share of the texts with the strings that have the answer; otherwise the strings have other meanings
)
SHORTEST = 2  # minimum number of characters of a string


def unlabelled(judging: Judging, examples: "Examples") -> Iterator[Finding]:
    """Yields findings about answers that other texts have, and whose strings occur in a text without an answer."""
    holders: defaultdict[Hashable, list[int]] = defaultdict(list)
    strings: dict[Hashable, tuple[str, ...]] = {}
    for place, example in enumerate(examples.rows):
        for answer, parts in judging.answers(example).items():
            holders[answer].append(place)
            strings[answer] = parts
    repeated = {
        answer: strings[answer]
        for answer, places in holders.items()
        if len(places) >= LEAST and strings[answer] and min(map(len, strings[answer])) >= SHORTEST
    }
    texts = [example.text for example in examples.rows]
    index = _by_pair(texts, repeated.values())
    for answer, parts in repeated.items():
        labelled = set(holders[answer])
        without = [
            place
            for place in _having(texts, index, parts)
            if place not in labelled and judging.is_free(examples.rows[place], answer, parts)
        ]
        if len(labelled) >= SHARE * (len(labelled) + len(without)):
            where = rows_shown(examples, holders[answer])
            for place in without:
                yield Finding(
                    "unlabelled", place, f"{judging.answer_shown(answer)!r} is an answer in {where}, not here"
                )


def _pairs(string: str) -> set[str]:
    return {string[i : i + 2] for i in range(len(string) - 1)}


def _by_pair(texts: Sequence[str], wanted: Iterable[tuple[str, ...]]) -> dict[str, set[int]]:
    """Returns for each pair of characters of the wanted strings the indices of the texts that contain it."""
    index: dict[str, set[int]] = {pair: set() for strings in wanted for each in strings for pair in _pairs(each)}
    for place, text in enumerate(texts):
        for pair in _pairs(text) & index.keys():
            index[pair].add(place)
    return index


def _having(texts: Sequence[str], index: dict[str, set[int]], strings: tuple[str, ...]) -> list[int]:
    """Returns the indices of the texts that contain all strings."""
    possible = set.intersection(*(index[pair] for each in strings for pair in _pairs(each)))
    return [place for place in sorted(possible) if all(each in texts[place] for each in strings)]
