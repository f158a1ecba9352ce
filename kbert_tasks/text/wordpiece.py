"""Implements Google's tokenization rules in Python, with offsets, for texts with rare characters.

Source: google-research/bert, `tokenization.py` (BasicTokenizer, WordpieceTokenizer).
"""

import re
from collections.abc import Mapping
from operator import itemgetter
from typing import TypeAlias
from unicodedata import category, combining, normalize

# A character or a part of one, with the half-open range in the text that it comes from.
Character: TypeAlias = tuple[str, int, int]
Word: TypeAlias = list[Character]
Piece: TypeAlias = tuple[int, int, int]  # id, start, end

LONGEST = 200  # characters; a longer word is one [UNK], as in Google's WordpieceTokenizer

# The blocks that Google treats as Chinese. This pattern includes the whole last extension, U+2B820 to U+2CEAF.
_CHINESE = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b73f"
    "\U0002b740-\U0002b81f\U0002b820-\U0002ceaf\U0002f800-\U0002fa1f]"
)


def words(text: str, cased: bool, by_character: bool = False) -> list[Word]:
    """Splits a text at white space, around Chinese characters and around punctuation.

    The function removes control and format characters and U+FFFD. It lower-cases an uncased text and strips its accents
    (category Mn). The offsets of the preceding character in the same run of text then include the accent, so that the
    slice of "e" + U+0301 holds both. Lone surrogates count as letters, as in Google's rules.

    Args:
        text: any str.
        cased: whether to keep case and accents.
        by_character: whether every character is a word.

    Returns:
        A list of words, each a list of (character, start, end) with half-open offsets into `text`.
    """
    found: list[Word] = []
    for run in _runs(text):
        word: Word = []
        for letter in run if cased else _bare(run):
            if by_character or _is_punctuation(letter[0]):
                found += [word, [letter]]
                word = []
            else:
                word.append(letter)
        found.append(word)
    return [word for word in found if word]


def pieces(word: Word, ids: Mapping[str, int]) -> list[Piece]:
    """Splits one word into the longest matching pieces of the vocabulary, from left to right.

    Args:
        word: a word as returned by `words`.
        ids: dict from token to id.

    Returns:
        A list of (id, start, end); a single [UNK] for the whole word if the vocabulary cannot cover it.
    """
    unknown: list[Piece] = [(ids["[UNK]"], *_span(word))]
    if len(word) > LONGEST:
        return unknown
    letters = "".join(map(itemgetter(0), word))
    found: list[Piece] = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        for end in range(len(word), start, -1):
            piece = ids.get(prefix + letters[start:end])
            if piece is not None:
                break
        else:
            return unknown
        found.append((piece, *_span(word[start:end])))
        start = end
    return found


def _runs(text: str) -> list[Word]:
    """Splits a text at white space and around each Chinese character into lists of (character, start, end)."""
    runs: list[Word] = [[]]
    for at, letter in enumerate(text):
        kind = category(letter)
        if letter in "\t\n\r" or kind[0] == "Z":
            runs.append([])
        elif kind in ("Cc", "Cf") or letter == "\ufffd":
            continue
        elif _CHINESE.match(letter):
            runs += [[(letter, at, at + 1)], []]
        else:
            runs[-1].append((letter, at, at + 1))
    return runs


def _bare(run: Word) -> Word:
    """Lower-cases a run, decomposes it (NFD) and strips its accents, and keeps the offsets of every part."""
    # The run is lower-cased as a whole, because a capital sigma at the end of a word has a special lower-case form.
    lowered = "".join(map(itemgetter(0), run)).lower()
    parts: list[tuple[str, int, int, int, int]] = []  # a Character, its base letter and its combining class
    at = base = 0
    for letter, start, end in run:
        size = len(letter.lower())
        for part in normalize("NFD", lowered[at : at + size]):
            rank = combining(part)
            base += rank == 0
            if category(part) != "Mn":
                parts.append((part, start, end, base, rank))
            elif parts:
                parts[-1] = (*parts[-1][:2], end, *parts[-1][3:])
        at += size
    # NFD also sorts the marks after a base letter by their combining class; a few marks that stay (U+302E, U+1D165)
    # have one.
    parts.sort(key=itemgetter(3, 4))
    return [part[:3] for part in parts]


def _is_punctuation(letter: str) -> bool:
    # All ASCII characters except letters, digits and white space count as punctuation, including $ + < = > ^ ` | ~.
    return category(letter)[0] == "P" or letter in "$+<=>^`|~"


def _span(word: Word) -> tuple[int, int]:
    return min(map(itemgetter(1), word)), max(map(itemgetter(2), word))
