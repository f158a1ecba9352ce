"""Finds texts that are probably truncated, that have no letters, or that are in another script than the rest."""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .findings import Finding

if TYPE_CHECKING:
    from ..data.examples import Examples

TOGETHER = 3  # minimum number of different texts that end at the same, largest length, to be considered truncated
ENDS = "。．.!！?？…；;”\"'’）)】]》>~～"  # characters that end a text
BROKEN = "\ufffd"  # the replacement of a character that could not be decoded
MAIN = 0.8  # minimum share of the texts that are in the main script
OTHER = 0.1  # maximum share of letters of the main script in a text of another script
LETTERS = 8  # minimum number of letters from which the script of a text is judged


def texts(examples: "Examples") -> Iterator[Finding]:
    """Yields findings about the texts alone."""
    found = [example.text for example in examples.rows]
    yield from _truncated(found)
    yield from _without_letters(found)
    yield from _other_scripts(found)


def _truncated(found: Sequence[str]) -> Iterator[Finding]:
    longest = max(map(len, found), default=0)
    at_limit = {text for text in found if len(text) == longest}
    for place, text in enumerate(found):
        if text.endswith(BROKEN) or "\ud800" <= text[-1:] <= "\udfff":
            yield Finding("truncated", place, "the text ends inside a character")
        elif len(at_limit) >= TOGETHER and text in at_limit and text.rstrip()[-1:] not in ENDS:
            reason = f"{len(at_limit)} texts have exactly {longest:,} characters, the largest number in the file"
            yield Finding("truncated", place, f"{reason}, and this one does not end with a punctuation mark")


def _without_letters(found: Sequence[str]) -> Iterator[Finding]:
    for place, text in enumerate(found):
        if not any(each.isalnum() for each in text):
            yield Finding("empty", place, "the text has no letter and no digit")


def _other_scripts(found: Sequence[str]) -> Iterator[Finding]:
    counted = [_scripts(text) for text in found]
    usual = Counter(each.most_common(1)[0][0] for each in counted if each.total() >= LETTERS)
    if not usual:
        return
    main, number = usual.most_common(1)[0]
    if number < MAIN * usual.total():
        return
    for place, each in enumerate(counted):
        if each.total() >= LETTERS and each[main] <= OTHER * each.total():
            script = each.most_common(1)[0][0]
            yield Finding("script", place, f"the letters are {script}, those of most other texts {main}")


def _scripts(text: str) -> Counter[str]:
    """Returns the number of letters of each script, such as LATIN or CJK, the first word of their Unicode names."""
    return Counter(unicodedata.name(each, "UNKNOWN").split(" ")[0] for each in text if each.isalpha())
