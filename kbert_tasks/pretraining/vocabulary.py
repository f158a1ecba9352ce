"""WordPiece vocabularies: learned from text in Google's order, extended in the [unused] slots, measured on text."""

import heapq
import logging
import re
from collections import Counter

from ..errors import InputError
from ..text import wordpiece
from ..text.tokenizer import SPECIAL
from ..text.wordpiece import LONGEST
from . import documents

log = logging.getLogger("kbert_tasks")

SLOT = re.compile(r"\[unused\d+\]")
SAMPLE = 20_000_000  # words that the trainer gets to see; of more text, in proportion
# Every word of these can be spelled, whatever the text; a log or a name in a Chinese text is then never [UNK].
MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
DIGITS, LETTERS = "0123456789", "abcdefghijklmnopqrstuvwxyz"


def learn(files, size, cased=False, *, unused=99, min_count=1, pieces=0.2, text_column="text", encoding=None):
    """A WordPiece vocabulary in Google's order.

    [PAD], [unused1] and so on, [UNK], [CLS], [SEP], [MASK]; ASCII marks, digits and letters, with their "##" forms;
    then the Chinese characters of the text, each a token of its own, the most frequent first; then its other
    characters and the pieces that `tokenizers` learns from its words, the most frequent first. Characters come before
    pieces, since a piece that is missing costs a token or two and a character that is missing is lost. Where the size
    does not hold all, the rarest characters go first; how many is logged, and `coverage` tells which.

    Args:
        files: text files, as `documents.read` reads them.
        size: tokens; fewer come where the text has not that many.
        cased: keep capital letters and accents.
        unused: slots for words to come (`extend`); Google's files have 99 (Chinese) or 994.
        min_count: how often a character or piece must stand in the text.
        pieces: share of the room that pieces of several letters have even where characters are left out for it.
        text_column: column of the text in tables.
        encoding: of text files, where it is not to be recognised.

    Returns:
        A list of tokens, which `kbert_tasks.text.tokenizer.Tokenizer` takes.

    Raises:
        InputError: size has no room for the special tokens and ASCII, or what `documents.read` raises.
    """
    special = ["[PAD]", *(f"[unused{i}]" for i in range(1, unused + 1)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = LETTERS.upper() + LETTERS if cased else LETTERS
    basic = [*MARKS, *DIGITS, *letters, *("##" + letter for letter in DIGITS + letters)]
    room = size - len(special) - len(basic)
    if room < 1:
        raise InputError(
            f"size is {size}; special tokens, {unused} unused slots and the letters of ASCII alone take "
            f"{size - room}: raise it above that, or take fewer unused slots"
        )
    words = count(files, cased, text_column, encoding)
    characters = _characters(words, basic)
    learned = _pieces(words, basic, characters, room)
    wanted = _most_frequent(learned, room, min_count)
    kept = _most_frequent(characters, room - min(len(wanted), round(pieces * room)), min_count)
    chinese = [token for token in kept if is_chinese(token)]
    frequent = {token: characters[token] for token in kept if not is_chinese(token)}
    frequent |= {token: learned[token] for token in wanted[: room - len(kept)]}
    log.info("%d of the text's %d other characters than ASCII are in the vocabulary", len(kept), len(characters))
    return special + basic + chinese + _most_frequent(frequent, room)


def extend(vocabulary, files, cased=False, *, most=None, min_count=5, text_column="text", encoding=None):
    """Puts frequent characters and words of the text in the place of [unused] slots; every other id stays.

    First come the characters that the vocabulary lacks, by how often they stand in the text; then the words that now
    take the most pieces in all (their count times the pieces that one token would save).

    Args:
        vocabulary: list of tokens; it is not changed.
        files: text files, as `documents.read` reads them.
        cased: as the vocabulary is.
        most: how many slots are filled at most; None for all.
        min_count: how often a character or word must stand in the text.
        text_column: column of the text in tables.
        encoding: of text files, where it is not to be recognised.

    Returns:
        (the new vocabulary, a list of (id, token) of the slots that were filled).

    Raises:
        InputError: no [unused] slot, or what `documents.read` raises.
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


def coverage(vocabulary, files, cased=False, *, text_column="text", encoding=None):
    """How well a vocabulary covers a text.

    Args:
        vocabulary: list of tokens.
        files: text files, as `documents.read` reads them.
        cased: as the vocabulary is.
        text_column: column of the text in tables.
        encoding: of text files, where it is not to be recognised.

    Returns:
        A dict: `characters` (without white space), `tokens`, `tokens_per_character`, `unknown_tokens`,
        `unknown_share`; `distinct_characters`, and of them `uncovered_characters`, which are no token, nor with "##",
        `uncovered_share` of all characters, `most_frequent_uncovered` (up to 20, with their counts); `vocabulary`,
        and `vocabulary_used`, the share of its tokens, special and [unused] ones left out, that the text uses.
    """
    cut = _cutter(vocabulary)
    known = set(vocabulary)
    letters, used = Counter(), set()
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


def count(files, cased=False, text_column="text", encoding=None):
    """How often each word, as BERT's rules part a text before it is cut into pieces, stands in text files: a Counter.

    Raises:
        InputError: there is no text in the files, or what `documents.read` raises.
    """
    from tokenizers import normalizers, pre_tokenizers

    normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=not cased, lowercase=not cased
    )
    part = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    runs = Counter()  # between spaces, so that each is parted only once
    for document in documents.read(files, text_column, encoding):
        text = "\n".join(document).encode("utf-8", "ignore").decode("utf-8")  # half an emoji is no word
        runs.update(normalizer.normalize_str(text).split())
    words = Counter()
    for run, times in runs.items():
        for word, _ in part(run):
            words[word] += times
    if not words:
        raise InputError(f"there is no text in {', '.join(str(path) for path in documents.paths(files)[:4])}")
    return words


def _most_frequent(counts, most, least=1):
    """Tokens by how often they stand in the text; of equals, in the order of their characters."""
    fit = [token for token, times in counts.items() if times >= least]
    return sorted(fit, key=lambda token: (-counts[token], token))[:most]


def _characters(words, basic):
    """How often each character other than ASCII stands in the words, at the start and ("##") inside: a Counter."""
    found = Counter()
    for word, times in words.items():
        if len(word) <= LONGEST:
            found[word[0]] += times
            for letter in word[1:]:
                found["##" + letter] += times
    for token in basic:
        found.pop(token, None)
    return found


def _pieces(words, basic, characters, room):
    """The pieces of several letters that WordPieceTrainer learns, and how often they stand in the words: a Counter."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    words = {word: times for word, times in words.items() if 1 < len(word) <= LONGEST}
    # The trainer numbers "##" letters in the order of a hash map that differs from run to run, and breaks ties by
    # these numbers; given as special tokens, they have their numbers before.
    letters = ["[UNK]", *basic, *sorted(characters)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=len(letters) + room, min_frequency=2, show_progress=False, special_tokens=letters
    )
    made = tokenizers.Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.train_from_iterator(_repeated(words, 1 + sum(words.values()) // SAMPLE), trainer)
    pieces = made.get_vocab().keys() - set(letters)
    longest = max(map(len, pieces), default=0)
    found = Counter()
    for word, times in words.items():
        for start in range(len(word)):
            for end in range(start + 2, min(len(word), start + longest) + 1):
                if (piece := ("##" if start else "") + word[start:end]) in pieces:
                    found[piece] += times
    return found


def _repeated(words, parts):
    """Texts that hold each word as often as it was counted, divided by `parts`."""
    for word in sorted(words):
        times = -(-words[word] // parts)
        for start in range(0, times, 1000):
            yield " ".join([word] * min(1000, times - start))


def _cutter(vocabulary):
    """A function from a word to its pieces in the vocabulary."""
    from tokenizers import models

    ids = {token: number for number, token in enumerate(vocabulary)}
    model = models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=LONGEST)
    return lambda word: [token.value for token in model.tokenize(word)]


def is_chinese(token):
    """Whether a token is one of the characters that Google's rules set apart as Chinese."""
    return len(token) == 1 and bool(wordpiece._CHINESE.match(token))
