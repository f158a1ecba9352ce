"""Splits text into word pieces with Google's ids, using Hugging Face `tokenizers`, and keeps their character offsets."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from . import wordpiece

if TYPE_CHECKING:
    import tokenizers

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# `wordpiece` handles texts with a character outside these ranges. For the characters inside, `tokenizers` and Google's
# rules agree under Unicode 13 to 15.1 (Python 3.10 to 3.13); the tests compare every one. The pattern lists the
# characters that are known to agree, so that characters added to Unicode later use the safe path. It excludes capital
# sigma, private use, U+2B820 and up, lone surrogates, and the blocks with combining marks, because `tokenizers` loses
# the offsets of the marks that it strips.
_RARE = re.compile(
    "[^"
    "\x00-\u02ff\u1e00-\u1eff"  # Latin
    "\u0370-\u03a2\u03a4-\u0482\u048a-\u052f\u1f00-\u1fff"  # Greek, Cyrillic
    "\u0531-\u058f\u05d0-\u05f4\u0620-\u064a\u0660-\u066f\u0671-\u06d5"  # Armenian, Hebrew, Arabic
    "\u2000-\u20bf\u2100-\u2bff"  # punctuation, currency, symbols
    "\u2e80-\u3029\u3030-\u3096\u309b-\ua4cf\uf900-\ufaff\ufe30-\ufffd"  # Chinese, Japanese, full width
    "\u1100-\u11ff\uac00-\ud7a3"  # Korean
    "\U0001f000-\U0001f9ff\U0001fa70-\U0001faff"  # emoji
    "\U00020000-\U0002a6df\U0002a700-\U0002b81f"  # Chinese, extensions B to D
    "]"
)


@dataclass(frozen=True, eq=False)
class Encoded:
    """An encoded text or pair of texts, the input of the model.

    Attributes:
        ids: int32 (tokens,), indices into the vocabulary.
        segments: int32 (tokens,), 0 up to the first [SEP] and 1 after it.
        offsets: int32 (tokens, 2), the half-open character range of each token in the original text of its segment;
            (0, 0) for [CLS] and [SEP].
        cut: number of word pieces that were removed to fit into max_length.
    """

    ids: np.ndarray
    segments: np.ndarray
    offsets: np.ndarray
    cut: int

    @property
    def whole(self) -> int:
        """Number of tokens of the whole text or pair, including those that were removed."""
        return len(self.ids) + self.cut


class Tokenizer:
    """Splits text into the word pieces of a vocabulary, with the ids of Google's FullTokenizer for any str.

    A special token inside a text, such as "[SEP]", is treated as text. For each token, `text[start:end]` of its offsets,
    after lower-casing and accent stripping, equals the token without "##". A stripped mark belongs to the slice of the
    character before it. If one character yields several pieces (accent stripping decomposes a Hangul syllable), the
    pieces share the offsets of the character.

    Source: google-research/bert, `tokenization.py`.

    Args:
        vocabulary: the tokens in the order of their ids, as `read_vocabulary` returns them.
        cased: whether to keep upper case and accents; False for the uncased and the Chinese checkpoints.
        by_character: whether to make one token per character, except white space, for tasks that predict characters. A
            character that is not in the vocabulary becomes [UNK].

    Examples:
        >>> tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "caf", "##e"], cased=False)
        >>> encoded = tokenizer.encode("Café")
        >>> tokenizer.tokens(encoded.ids)
        ['[CLS]', 'caf', '##e', '[SEP]']
        >>> encoded.offsets.tolist()
        [[0, 0], [0, 3], [3, 4], [0, 0]]
    """

    def __init__(self, vocabulary: list[str], cased: bool, by_character: bool = False) -> None:
        self.vocabulary = vocabulary
        self.cased = cased
        self.by_character = by_character
        self._ids = {token: number for number, token in enumerate(vocabulary)}
        self._fast = _fast(self._ids, cased, by_character)

    @classmethod
    def from_file(cls, path: str | PathLike[str], cased: bool, by_character: bool = False) -> "Tokenizer":
        """Makes a tokenizer from a `vocab.txt`; `read_vocabulary` describes the errors."""
        return cls(read_vocabulary(path), cased, by_character)

    def encode(self, text: str, pair: str | None = None, max_length: int = 512) -> Encoded:
        """Encodes [CLS] text [SEP], or [CLS] text [SEP] pair [SEP], with at most max_length tokens.

        Pieces are removed from the end of the longer text, one at a time, or from the second text if both are equally
        long, like in `_truncate_seq_pair` of Google's `run_classifier.py`.

        Args:
            text: any str.
            pair: the second text or None; an empty str is a second text without pieces.
            max_length: maximum number of tokens, including [CLS] and [SEP].

        Returns:
            An `Encoded` of 2 (3 with a pair) to max_length tokens.

        Raises:
            InputError: max_length is too small for [CLS] and [SEP].
        """
        special = 2 if pair is None else 3
        if max_length < special:
            what = "one text" if pair is None else "a pair of texts"
            raise InputError(f"max_length is {max_length}; [CLS] and [SEP] of {what} alone need {special}: increase it")
        first, first_offsets = self._pieces(text)
        second, second_offsets = ([], []) if pair is None else self._pieces(pair)
        available = max_length - special
        keep_second = min(len(second), max(available // 2, available - len(first)))
        keep_first = min(len(first), available - keep_second)

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
        """Returns the tokens of the vocabulary with these ids."""
        return [self.vocabulary[number] for number in ids]

    def _pieces(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Returns the ids and the (start, end) pairs of all word pieces of one text."""
        if _RARE.search(text):
            words = wordpiece.words(text, self.cased, self.by_character)
            found = [piece for word in words for piece in wordpiece.pieces(word, self._ids)]
            return [number for number, _, _ in found], [(start, end) for _, start, end in found]
        encoding = self._fast.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets


def _fast(ids: dict[str, int], cased: bool, by_character: bool) -> "tokenizers.Tokenizer":
    import tokenizers  # a slow import that is needed only here
    from tokenizers import models, normalizers, pre_tokenizers

    # The model has no special tokens: otherwise "[SEP]" in a user's text would become the special token.
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


def read_vocabulary(path: str | PathLike[str]) -> list[str]:
    r"""Reads a `vocab.txt` with one token per line; the id of a token is the number of lines before it.

    Lines end only at "\n" or "\r\n", because the Chinese vocabulary has U+2028 as a token. White space around a token is
    stripped as in Google's code, unless the token would become empty.

    Args:
        path: a UTF-8 file, with or without a byte order mark.

    Returns:
        The tokens in the order of their ids.

    Raises:
        InputError: the file is not UTF-8, has an empty line or a duplicate token, lacks a special token, or does not have
            [PAD] on line 1.
    """
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {number}: byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None

    lines: dict[str, int] = {}  # token to line number
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        line = line.strip(" \t\r")
        if not line:
            raise InputError(
                f"{path}, line {number} is empty; its number is a token id: restore the token or remove the line"
            )
        token = line.strip()
        if token in ("", "##"):  # U+2028 and ##U+2028 would become empty or another token
            token = line
        if token in lines:
            raise InputError(f"{path}: {token!r} is on line {lines[token]} and on line {number}; keep one of them")
        lines[token] = number
    missing = [token for token in SPECIAL if token not in lines]
    if missing:
        raise InputError(f"{path} has {len(lines)} lines and lacks {', '.join(missing)}: use the vocab.txt of a BERT")
    if lines["[PAD]"] != 1:
        raise InputError(f"{path}: [PAD] is on line {lines['[PAD]']}; keras-bert masks id 0, so it should be on line 1")
    return list(lines)
