"""WordPiece vocabularies: learning from text, extending by filling [unused] slots, and measuring the coverage of text."""

import heapq
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..errors import InputError
from ..text import wordpiece
from ..text.tokenizer import SPECIAL
from ..text.wordpiece import LONGEST
from . import documents

log = logging.getLogger("kbert_tasks")

SLOT = re.compile(r"\[unused\d+\]")
SAMPLE = 20_000_000  # maximum number of words for the trainer; the counts of a longer text are scaled down
# These are always in the vocabulary, so that ASCII words, such as names in a Chinese text, are never [UNK].
MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
DIGITS, LETTERS = "0123456789", "abcdefghijklmnopqrstuvwxyz"


def learn(
    files: documents.Files,
    size: int,
    cased: bool = False,
    *,
    unused: int = 99,
    min_count: int = 1,
    pieces: float = 0.2,
    text_column: str = "text",
    encoding: str | None = None,
) -> list[str]:
    """Learns a WordPiece vocabulary in the order of Google's vocabularies.

    The order is: [PAD], [unused1] and so on, [UNK], [CLS], [SEP], [MASK]; ASCII punctuation, digits and letters with their
    "##" forms; the Chinese characters of the text, the most frequent first; other characters and the pieces that
    `tokenizers` learns from the words, the most frequent first. Characters have priority over pieces, because a missing
    piece costs one or two tokens, but a missing character becomes [UNK]. If `size` is too small for all characters, the
    rarest ones are omitted; their number is logged, and `coverage` returns the most frequent of them.

    Args:
        files: text files, as accepted by `documents.read`.
        size: number of tokens; the result has fewer if the text does not contain that many.
        cased: whether to keep capital letters and accents.
        unused: number of slots for later extensions (see `extend`); Google's vocabularies have 99 (Chinese) or 994.
        min_count: minimum number of occurrences of a character or piece.
        pieces: share of the learned tokens that is reserved for pieces of several characters, even if characters must be
            omitted.
        text_column: column of the text in tables.
        encoding: encoding of text files; None to detect it.

    Returns:
        A list of tokens, as accepted by `kbert_tasks.text.tokenizer.Tokenizer`.

    Raises:
        InputError: size is too small for the special tokens and ASCII, or `documents.read` raises it.
    """
    special = ["[PAD]", *(f"[unused{i}]" for i in range(1, unused + 1)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = LETTERS.upper() + LETTERS if cased else LETTERS
    basic = [*MARKS, *DIGITS, *letters, *("##" + letter for letter in DIGITS + letters)]
    space = size - len(special) - len(basic)
    if space < 1:
        raise InputError(
            f"size is {size}; special tokens, {unused} unused slots and the letters of ASCII alone need "
            f"{size - space}: increase size, or reduce unused"
        )
    words = count(files, cased, text_column, encoding)
    characters = _characters(words, basic)
    learned = _pieces(words, basic, characters, space)
    wanted = _most_frequent(learned, space, min_count)
    kept = _most_frequent(characters, space - min(len(wanted), round(pieces * space)), min_count)
    chinese = [token for token in kept if is_chinese(token)]
    frequent = {token: characters[token] for token in kept if not is_chinese(token)}
    frequent |= {token: learned[token] for token in wanted[: space - len(kept)]}
    log.info("the vocabulary contains %d of the %d non-ASCII characters of the text", len(kept), len(characters))
    return special + basic + chinese + _most_frequent(frequent, space)


def extend(
    vocabulary: list[str],
    files: documents.Files,
    cased: bool = False,
    *,
    most: int | None = None,
    min_count: int = 5,
    text_column: str = "text",
    encoding: str | None = None,
) -> tuple[list[str], list[tuple[int, str]]]:
    """Replaces [unused] slots by frequent characters and words of the text; other ids do not change.

    Characters that the vocabulary lacks come first, the most frequent first. Then come the words that save the most tokens
    (number of occurrences times the number of pieces saved).

    Args:
        vocabulary: list of tokens; it is not modified.
        files: text files, as accepted by `documents.read`.
        cased: whether the vocabulary is cased.
        most: maximum number of slots to fill; None for all.
        min_count: minimum number of occurrences of a character or word.
        text_column: column of the text in tables.
        encoding: encoding of text files; None to detect it.

    Returns:
        (vocabulary, filled): the new list of tokens, and a list of (id, token) for the filled slots.

    Raises:
        InputError: there is no [unused] slot, or `documents.read` raises it.
    """
    slots = [number for number, token in enumerate(vocabulary) if SLOT.fullmatch(token)]
    if not slots:
        raise InputError(
            f"none of the vocabulary's {len(vocabulary)} tokens is an [unused] slot: it cannot be extended"
        )
    known = set(vocabulary)
    gains = {}
    cut = _cutter(vocabulary)
    for word, times in count(files, cased, text_column, encoding).items():
        if times < min_count or word in known or len(word) > LONGEST:
            continue
        found = cut(word)
        if len(word) == 1:
            gains[word] = (1, times)
        elif found == ["[UNK]"] or len(found) > 2:
            gains[word] = (0, times * max(1, len(found) - 1))
    best = heapq.nlargest(min(len(slots), most or len(slots)), gains, key=lambda word: (*gains[word], word))
    filled = list(zip(slots, best, strict=False))
    extended = list(vocabulary)
    for number, token in filled:
        extended[number] = token
    return extended, filled


def coverage(
    vocabulary: list[str],
    files: documents.Files,
    cased: bool = False,
    *,
    text_column: str = "text",
    encoding: str | None = None,
) -> dict[str, Any]:
    """Measures how well a vocabulary covers a text.

    Args:
        vocabulary: list of tokens.
        files: text files, as accepted by `documents.read`.
        cased: whether the vocabulary is cased.
        text_column: column of the text in tables.
        encoding: encoding of text files; None to detect it.

    Returns:
        A dict: `characters` (number without white space), `tokens`, `tokens_per_character`, `unknown_tokens`,
        `unknown_share`; `distinct_characters`, `uncovered_characters` (number of these that are not a token, with or
        without "##"), `uncovered_share` (of all characters), `most_frequent_uncovered` (up to 20, with their counts);
        `vocabulary` (number of tokens) and `vocabulary_used` (share of the tokens, without special tokens and [unused]
        slots, that occur in the text).
    """
    cut = _cutter(vocabulary)
    known = set(vocabulary)
    letters: Counter[str] = Counter()
    used: set[str] = set()
    tokens = unknown = 0
    for word, times in count(files, cased, text_column, encoding).items():
        found = cut(word)
        tokens += times * len(found)
        unknown += times * found.count("[UNK]")
        used.update(found)
        for letter in word:
            letters[letter] += times
    characters = letters.total()
    lacking = Counter({x: times for x, times in letters.items() if x not in known and "##" + x not in known})
    ordinary = [token for token in vocabulary if token not in SPECIAL and not SLOT.fullmatch(token)]
    return {
        "characters": characters,
        "tokens": tokens,
        "tokens_per_character": tokens / max(1, characters),
        "unknown_tokens": unknown,
        "unknown_share": unknown / max(1, tokens),
        "distinct_characters": len(letters),
        "uncovered_characters": len(lacking),
        "uncovered_share": lacking.total() / max(1, characters),
        "most_frequent_uncovered": lacking.most_common(20),
        "vocabulary": len(vocabulary),
        "vocabulary_used": len(used.intersection(ordinary)) / max(1, len(ordinary)),
    }


def count(
    files: documents.Files, cased: bool = False, text_column: str = "text", encoding: str | None = None
) -> Counter[str]:
    """Counts the words of text files, split by BERT's basic tokenization; returns a Counter.

    Raises:
        InputError: the files contain no text, or `documents.read` raises it.
    """
    from tokenizers import normalizers, pre_tokenizers

    normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=not cased, lowercase=not cased
    )
    part = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    runs: Counter[str] = Counter()  # text between spaces, so that each distinct one is tokenized only once
    for document in documents.read(files, text_column, encoding):
        text = "\n".join(document).encode("utf-8", "ignore").decode("utf-8")  # drop lone surrogates
        runs.update(normalizer.normalize_str(text).split())
    words: Counter[str] = Counter()
    for run, times in runs.items():
        for word, _ in part(run):
            words[word] += times
    if not words:
        raise InputError(f"there is no text in {', '.join(str(path) for path in documents.paths(files)[:4])}")
    return words


def _most_frequent(counts: Mapping[str, int], most: int, least: int = 1) -> list[str]:
    """Returns at most `most` tokens that occur at least `least` times, the most frequent first, ties in code point order."""
    fit = [token for token, times in counts.items() if times >= least]
    return sorted(fit, key=lambda token: (-counts[token], token))[:most]


def _characters(words: Mapping[str, int], basic: Iterable[str]) -> Counter[str]:
    """Counts the characters of the words that are not in `basic`, with "##" if not at the start; returns a Counter."""
    found: Counter[str] = Counter()
    for word, times in words.items():
        if len(word) <= LONGEST:
            found[word[0]] += times
            for letter in word[1:]:
                found["##" + letter] += times
    for token in basic:
        found.pop(token, None)
    return found


def _pieces(words: Mapping[str, int], basic: Iterable[str], characters: Iterable[str], space: int) -> Counter[str]:
    """Learns pieces of several characters with WordPieceTrainer and counts them in the words; returns a Counter."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    words = {word: times for word, times in words.items() if 1 < len(word) <= LONGEST}
    # The trainer numbers "##" characters in the random order of a hash map and breaks ties by these numbers. Passing them
    # as special tokens fixes their numbers, so that the result is reproducible.
    letters = ["[UNK]", *basic, *sorted(characters)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=len(letters) + space, min_frequency=2, show_progress=False, special_tokens=letters
    )
    made = tokenizers.Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.train_from_iterator(_repeated(words, 1 + sum(words.values()) // SAMPLE), trainer)
    pieces = made.get_vocab().keys() - set(letters)
    longest = max(map(len, pieces), default=0)
    found: Counter[str] = Counter()
    for word, times in words.items():
        for start in range(len(word)):
            for end in range(start + 2, min(len(word), start + longest) + 1):
                if (piece := ("##" if start else "") + word[start:end]) in pieces:
                    found[piece] += times
    return found


def _repeated(words: Mapping[str, int], parts: int) -> Iterator[str]:
    """Yields texts that contain each word as often as it was counted, divided by `parts`."""
    for word in sorted(words):
        times = -(-words[word] // parts)
        for start in range(0, times, 1000):
            yield " ".join([word] * min(1000, times - start))


def _cutter(vocabulary: Iterable[str]) -> Callable[[str], list[str]]:
    """Returns a function that splits a word into pieces of the vocabulary."""
    from tokenizers import models

    ids = {token: number for number, token in enumerate(vocabulary)}
    model = models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=LONGEST)
    return lambda word: [token.value for token in model.tokenize(word)]


def is_chinese(token: str) -> bool:
    """Returns whether a token is a Chinese character according to Google's tokenizer."""
    return len(token) == 1 and bool(wordpiece._CHINESE.match(token))
