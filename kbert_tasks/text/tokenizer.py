"""Text to word pieces: Google's ids, by Hugging Face `tokenizers`, with every piece's place in the original text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from ..errors import InputError
from . import wordpiece

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# A character outside these ranges sends its text to `wordpiece`. Inside them `tokenizers` and Google's rules agree
# under Unicode 13 to 15.1 (Python 3.10 to 3.13); the tests compare every one. Listed is what is known to agree,
# rather than what is known to differ, because characters added to Unicode later must not slip through. Left out are
# capital sigma, private use, U+2B820 and up, lone surrogates, and the blocks with combining marks, whose place in
# the text `tokenizers` loses when it strips them.
_RARE = re.compile(
    "[^"
    "\x00-\u02ff\u1e00-\u1eff"  # Latin
    "\u0370-\u03a2\u03a4-\u0482\u048a-\u052f\u1f00-\u1fff"  # Greek, Cyrillic
    "\u0531-\u058f\u05d0-\u05f4\u0620-\u064a\u0660-\u066f\u0671-\u06d5"  # Armenian, Hebrew, Arabic
    "\u2000-\u20bf\u2100-\u2bff"  # punctuation, currency, symbols
    "\u2e80-\u3029\u3030-\u3096\u309b-\ua4cf\uf900-\ufaff\ufe30-\ufffd"  # Chinese, Japanese, full width
    "\u1100-\u11ff\uac00-\ud7a3"  # Korean
    "\U0001f000-\U0001f9ff\U0001fa70-\U0001faff"  # pictures
    "\U00020000-\U0002a6df\U0002a700-\U0002b81f"  # Chinese, extensions B to D
    "]"
)


@dataclass(frozen=True, eq=False)
class Encoded:
    """One text, or a pair, as the model reads it.

    Attributes:
        ids: int32 (tokens,), lines of the vocabulary counted from 0.
        segments: int32 (tokens,), 0 up to the first [SEP] and 1 after it.
        offsets: int32 (tokens, 2), half-open characters of the original text that the token's segment came from;
            (0, 0) for [CLS] and [SEP].
        cut: how many word pieces did not fit into max_length.
    """

    ids: np.ndarray
    segments: np.ndarray
    offsets: np.ndarray
    cut: int

    @property
    def whole(self) -> int:
        """Tokens of the whole text, or pair, those that were cut included."""
        return len(self.ids) + self.cut


class Tokenizer:
    """Splits text into the word pieces of a vocabulary, with the ids of Google's FullTokenizer for any str.

    What looks like a special token in a text, such as "[SEP]", is text. `text[start:end]` of a token's offsets,
    lowered and stripped of accents as the model does it, is the token without "##". Marks that the model strips
    belong to the slice of the character before them. Where one character makes several pieces (a Hangul syllable is
    decomposed when accents are stripped) they share its offsets.

    Source: google-research/bert, `tokenization.py`.

    Args:
        vocabulary: the tokens in the order of their ids, as `read_vocabulary` returns them.
        cased: keep upper case and accents; False for the uncased and the Chinese checkpoints.
        by_character: one token for each character (white space has none), looked up as a word of its own, for tasks
            that point at characters. A character the vocabulary lacks is [UNK].

    Examples:
        >>> tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "caf", "##e"], cased=False)
        >>> encoded = tokenizer.encode("Café")
        >>> tokenizer.tokens(encoded.ids)
        ['[CLS]', 'caf', '##e', '[SEP]']
        >>> encoded.offsets.tolist()
        [[0, 0], [0, 3], [3, 4], [0, 0]]
    """

    def __init__(self, vocabulary: list[str], cased: bool, by_character: bool = False):
        self.vocabulary = vocabulary
        self.cased = cased
        self.by_character = by_character
        self._ids = {token: number for number, token in enumerate(vocabulary)}
        self._fast = _fast(self._ids, cased, by_character)

    @classmethod
    def from_file(cls, path: str | PathLike, cased: bool, by_character: bool = False) -> "Tokenizer":
        """A tokenizer of a `vocab.txt`; see `read_vocabulary` for what is refused."""
        return cls(read_vocabulary(path), cased, by_character)

    def encode(self, text: str, pair: str | None = None, max_length: int = 512) -> Encoded:
        """Makes [CLS] text [SEP], or [CLS] text [SEP] pair [SEP], of at most max_length tokens.

        Pieces are cut from the end of the longer text, one at a time, and of the second when both are equally long,
        as `_truncate_seq_pair` in Google's `run_classifier.py` does it.

        Args:
            text: any str.
            pair: a second text; None if there is none (an empty str is a second text without pieces).
            max_length: in tokens, [CLS] and [SEP] counted.

        Returns:
            An `Encoded` of 2 (3 with a pair) to max_length tokens.

        Raises:
            InputError: max_length has no room for [CLS] and [SEP].
        """
        special = 2 if pair is None else 3
        if max_length < special:
            what = "one text" if pair is None else "a pair of texts"
            raise InputError(f"max_length is {max_length}; [CLS] and [SEP] of {what} alone take {special}: raise it")
        first, first_offsets = self._pieces(text)
        second, second_offsets = ([], []) if pair is None else self._pieces(pair)
        room = max_length - special
        keep_second = min(len(second), max(room // 2, room - len(first)))
        keep_first = min(len(first), room - keep_second)

        start, end = self._ids["[CLS]"], self._ids["[SEP]"]
        ids = [start, *first[:keep_first], end]
        offsets = [(0, 0), *first_offsets[:keep_first], (0, 0)]
        if pair is not None:
            ids += [*second[:keep_second], end]
            offsets += [*second_offsets[:keep_second], (0, 0)]
        segments = np.zeros(len(ids), np.int32)
        segments[keep_first + 2 :] = 1
        cut = len(first) + len(second) - keep_first - keep_second
        return Encoded(np.array(ids, np.int32), segments, np.array(offsets, np.int32), cut)

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The vocabulary's lines for these ids."""
        return [self.vocabulary[number] for number in ids]

    def _pieces(self, text):
        """Ids and (start, end) pairs of all word pieces of one text."""
        if _RARE.search(text):
            words = wordpiece.words(text, self.cased, self.by_character)
            found = [piece for word in words for piece in wordpiece.pieces(word, self._ids)]
            return [number for number, _, _ in found], [(start, end) for _, start, end in found]
        found = self._fast.encode(text, add_special_tokens=False)
        return found.ids, found.offsets


def _fast(ids, cased, by_character):
    import tokenizers  # here, so that reading a vocabulary or importing the package does not wait for it
    from tokenizers import models, normalizers, pre_tokenizers

    # A bare model: with special tokens added to it, a "[SEP]" in a user's text would become the real one.
    model = models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=wordpiece.LONGEST)
    made = tokenizers.Tokenizer(model)
    made.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=not cased, lowercase=not cased
    )
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if by_character:
        each = pre_tokenizers.Split(tokenizers.Regex("."), "isolated")
        made.pre_tokenizer = pre_tokenizers.Sequence([made.pre_tokenizer, each])
    return made


def read_vocabulary(path: str | PathLike) -> list[str]:
    r"""Reads a `vocab.txt`: one token a line, whose id is the number of lines before it.

    Lines end at "\n" or "\r\n" only; the Chinese vocabulary has U+2028 as a token. White space around a token is
    stripped as Google does, unless nothing else is left of it.

    Args:
        path: a UTF-8 file, with or without a byte order mark.

    Returns:
        The tokens in the order of their ids.

    Raises:
        InputError: not UTF-8, an empty line, a token twice, a special token missing, or [PAD] not on line 1.
    """
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {number}: byte 0x{data[error.start]:02x}; save it as UTF-8") from None

    lines: dict[str, int] = {}  # token to number of its line
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        line = line.strip(" \t\r")
        if not line:
            raise InputError(f"{path}, line {number} is empty; its number is an id: remove it or restore its token")
        token = line.strip()
        if token in ("", "##"):  # U+2028 and ##U+2028 would be nothing, or another token
            token = line
        if token in lines:
            raise InputError(f"{path}: {token!r} is on line {lines[token]} and on line {number}; keep one of them")
        lines[token] = number
    missing = [token for token in SPECIAL if token not in lines]
    if missing:
        raise InputError(f"{path} has {len(lines)} lines and lacks {', '.join(missing)}: give a BERT vocab.txt")
    if lines["[PAD]"] != 1:
        raise InputError(f"{path}: [PAD] is on line {lines['[PAD]']}; keras-bert masks id 0, so move it to line 1")
    return list(lines)
