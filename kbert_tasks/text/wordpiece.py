"""Google's tokenization rules in plain Python, with offsets: the path for texts with rare characters.

Source: google-research/bert, `tokenization.py` (BasicTokenizer, WordpieceTokenizer).
"""

import re
from operator import itemgetter
from unicodedata import category, combining, normalize

LONGEST = 200  # characters; a longer word is one [UNK], as in Google's WordpieceTokenizer

# The blocks that Google sets apart as Chinese. Its last extension, U+2B820 to U+2CEAF, is whole here.
_CHINESE = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b73f"
    "\U0002b740-\U0002b81f\U0002b820-\U0002ceaf\U0002f800-\U0002fa1f]"
)


def words(text, cased, by_character=False):
    """Splits a text at white space, around Chinese characters and around punctuation.

    Control and format characters vanish, and so does U+FFFD. An uncased text is lowered and loses its accents
    (category Mn); a mark that goes is counted to the character before it in the same run of text, so that the slice
    of "e" + U+0301 holds both. Lone surrogates are letters like any other, as in Google's rules.

    Args:
        text: any str.
        cased: keep letters as they are.
        by_character: every character is a word.

    Returns:
        A list of words, each a list of (character, start, end) with half-open characters of `text`.
    """
    found = []
    for run in _runs(text):
        word = []
        for letter in run if cased else _bare(run):
            if by_character or _is_punctuation(letter[0]):
                found += [word, [letter]]
                word = []
            else:
                word.append(letter)
        found.append(word)
    return [word for word in found if word]


def pieces(word, ids):
    """The longest pieces of the vocabulary, from left to right, that make up one word.

    Args:
        word: as `words` returns them.
        ids: dict from token to id.

    Returns:
        A list of (id, start, end); one [UNK] over the whole word if the vocabulary cannot cover it.
    """
    unknown = [(ids["[UNK]"], *_span(word))]
    if len(word) > LONGEST:
        return unknown
    letters = "".join(map(itemgetter(0), word))
    found, start = [], 0
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


def _runs(text):
    """Lists of (character, start, end) between white space, every Chinese character a list of its own."""
    runs = [[]]
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


def _bare(run):
    """The run lowered, decomposed (NFD) and without its marks, every part still knowing where it came from."""
    # Lowered as a whole, because a capital sigma at the end of a word has a form of its own.
    lowered = "".join(map(itemgetter(0), run)).lower()
    parts, at, base = [], 0, 0
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
    # NFD also sorts what follows a base letter by its rank; a few marks that stay (U+302E, U+1D165) have one.
    parts.sort(key=itemgetter(3, 4))
    return [part[:3] for part in parts]


def _is_punctuation(letter):
    # All of ASCII that is not a letter, a digit or white space counts, so $ + < = > ^ ` | ~ do as well.
    return category(letter)[0] == "P" or letter in "$+<=>^`|~"


def _span(word):
    return min(map(itemgetter(1), word)), max(map(itemgetter(2), word))
