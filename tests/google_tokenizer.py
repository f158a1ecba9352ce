"""Google's tokenization rules, implemented again only for the tests: slow, without offsets, one step after the other.

Source: the rules of google-research/bert, `tokenization.py`. Nothing from the package is imported.
"""

import unicodedata
from functools import cache, lru_cache

CHINESE = [
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
]
ASCII_PUNCTUATION = [(33, 47), (58, 64), (91, 96), (123, 126)]


def inside(letter, blocks):
    return any(low <= ord(letter) <= high for low, high in blocks)


@cache
def is_chinese(letter):
    return inside(letter, CHINESE)


@cache
def is_punctuation(letter):
    return inside(letter, ASCII_PUNCTUATION) or unicodedata.category(letter).startswith("P")


def cleaned(text):
    """Replace white space with spaces; remove control and format characters, NUL and U+FFFD."""
    kept = []
    for letter in text:
        if letter in " \t\n\r" or unicodedata.category(letter) == "Zs":
            kept.append(" ")
        elif unicodedata.category(letter) not in ("Cc", "Cf") and ord(letter) not in (0, 0xFFFD):
            kept.append(letter)
    return "".join(kept)


def without_accents(text):
    return "".join(part for part in unicodedata.normalize("NFD", text) if unicodedata.category(part) != "Mn")


@lru_cache(100_000)
def words(text, cased):
    """Split a text like BasicTokenizer into the words to look up."""
    spaced = "".join(f" {letter} " if is_chinese(letter) else letter for letter in cleaned(text))
    out = []
    for word in spaced.split():
        if not cased:
            word = without_accents(word.lower())
        out.append("".join(f" {letter} " if is_punctuation(letter) else letter for letter in word))
    return " ".join(out).split()


class GoogleTokenizer:
    def __init__(self, vocabulary, cased):
        self.ids_of = {token: number for number, token in enumerate(vocabulary)}
        self.cased = cased

    def words(self, text):
        return words(text, self.cased)

    def pieces(self, word):
        """Split a word like WordpieceTokenizer: repeatedly the longest known prefix, or [UNK] for the whole word."""
        if len(word) > 200:
            return ["[UNK]"]
        found, rest = [], word
        while rest:
            prefix = "##" if found else ""
            size = next((size for size in range(len(rest), 0, -1) if prefix + rest[:size] in self.ids_of), None)
            if size is None:
                return ["[UNK]"]
            found.append(prefix + rest[:size])
            rest = rest[size:]
        return found

    def ids(self, text):
        return [self.ids_of[piece] for word in self.words(text) for piece in self.pieces(word)]

    def character_ids(self, text):
        """One id for each character of the words; each character is looked up as a word."""
        return [self.ids_of.get(letter, self.ids_of["[UNK]"]) for word in self.words(text) for letter in word]
