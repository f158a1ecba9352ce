"""Texts to tokens and back, for files with one token per line, which do not contain the spaces of a text."""

import re
from collections.abc import Collection, Iterable, Sequence

# Characters of scripts without spaces between words: Chinese characters, kana, CJK punctuation and full-width forms.
CHINESE = re.compile("[⺀-\u30ff\u3100-\u312f\u31a0-\u9fff豈-\ufaff︰-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]")
SPACES = re.compile("[ \t\r\n]+")


def by_character(sentences: Iterable[Sequence[str]]) -> bool:
    """Returns whether the tokens of a file are characters, so that digits and Latin letters are joined without spaces too.

    This is so if there are Chinese characters, and more single characters of other scripts than longer tokens.
    """
    chinese, single, longer = False, 0, 0
    for tokens in sentences:
        chinese = chinese or CHINESE.search("".join(tokens)) is not None
        longer += sum(len(token) > 1 for token in tokens)
        single += sum(len(token) == 1 and not CHINESE.match(token) for token in tokens)
    return chinese and (single > longer or not longer)


def join(tokens: Sequence[str], characters: bool) -> tuple[str, list[tuple[int, int]]]:
    """Joins tokens to a text.

    Chinese characters are joined without a space, and other tokens with one space. If the tokens are characters, only
    words, which are longer than one character, have a space between them.

    Returns:
        (the text, the start and the end of each token in it).
    """
    parts: list[str] = []
    spans = []
    place, before = 0, ""
    for token in tokens:
        if before and _spaced(before, token, characters):
            parts.append(" ")
            place += 1
        parts.append(token)
        spans.append((place, place + len(token)))
        place, before = place + len(token), token
    return "".join(parts), spans


def _spaced(left: str, right: str, characters: bool) -> bool:
    words = len(left) > 1 and len(right) > 1 and left[-1].isalnum() and right[0].isalnum()
    if characters and not words:  # an emoji can have several code points
        return False
    return not (CHINESE.match(left[-1]) or CHINESE.match(right[0]))


def split(text: str, characters: bool, borders: Collection[int]) -> list[tuple[int, int]]:
    """Splits a text into tokens: all characters, or words and Chinese characters.

    Args:
        text: the text.
        characters: whether each character is a token, also spaces.
        borders: the offsets where entities start or end, and where words are split.

    Returns:
        A list of (start, end).
    """
    if characters:
        return [(place, place + 1) for place in range(len(text))]
    cuts = {0, len(text), *borders}
    for match in (*SPACES.finditer(text), *CHINESE.finditer(text)):
        cuts |= {match.start(), match.end()}
    places = sorted(cuts)
    spans = zip(places, places[1:], strict=False)
    return [(start, end) for start, end in spans if not SPACES.fullmatch(text[start:end])]


def mostly_chinese(texts: Iterable[str]) -> bool:
    """Returns whether most characters of the texts, without spaces, are Chinese."""
    chinese = others = 0
    for text in texts:
        number = sum(1 for _ in CHINESE.finditer(text))
        chinese += number
        others += len(SPACES.sub("", text)) - number
    return chinese > others
