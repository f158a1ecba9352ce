"""Pairs to batches with some tokens hidden: the task of the masked language model."""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..text.tokenizer import SPECIAL

SHARE = 0.15  # of the tokens are to be predicted; Devlin et al. 2018, 3.1
HIDDEN, RANDOM = 0.8, 0.1  # of those are [MASK], are another token; the rest stays


@dataclass(frozen=True, eq=False)
class Numbers:
    """What the masks need to know of a vocabulary.

    Attributes:
        pad, unk, cls, sep, mask: ids of the special tokens.
        words: int32 (words,), the ids of all tokens but these and the [unused] slots: a random token is one of them.
    """

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int
    words: np.ndarray

    @classmethod
    def of(cls, vocabulary):
        """Numbers of a vocabulary, a list of tokens; raises InputError if it lacks a special token or has no other."""
        ids = {token: number for number, token in enumerate(vocabulary)}
        missing = [token for token in SPECIAL if token not in ids]
        if missing:
            raise InputError(
                f"the vocabulary of {len(vocabulary)} tokens lacks {', '.join(missing)}: take one that "
                "`kbert-pretrain vocab` made, or that of an official checkpoint"
            )
        unused = [number for token, number in ids.items() if token.startswith("[unused") and token.endswith("]")]
        words = np.setdiff1d(np.arange(len(vocabulary)), [*(ids[token] for token in SPECIAL), *unused])
        if not len(words):
            raise InputError(f"the vocabulary of {len(vocabulary)} tokens has special tokens and no words")
        return cls(*(ids[token] for token in SPECIAL), words.astype(np.int32))


def mask(pairs_batch, draw, numbers, share=SHARE, whole_word_mask=False, width=None):
    """A batch of pairs as Keras reads it, with tokens to predict drawn at random.

    Each text has `share` of its tokens to predict, special tokens and [UNK] not counted: on average exactly, in one
    text to the next whole token or word. Of them 80 % are [MASK] in the input, 10 % a random token and 10 % themselves;
    with whole words too this is drawn for each token, as in Google's code.

    Args:
        pairs_batch: `Pair`s.
        draw: NumPy generator.
        numbers: `Numbers` of the vocabulary.
        share: of the tokens, 0 to 1.
        whole_word_mask: tokens of one word (`Pair.joined`) are all to predict or none.
        width: tokens to pad to; None for the longest pair.

    Returns:
        (x, y), dicts of int32 arrays. x: `Input-Token` and `Input-Segment` (batch, width), `Masked-Position` (batch,
        masked), ascending; all padded with 0. y: `MLM` (batch, masked), the ids to predict, -1 for padding; `NSP` (batch,
        1), the labels. There is always a column of masks, though in very short texts it may hold only padding.
    """
    lengths = np.array([len(pair.ids) for pair in pairs_batch])
    real = np.arange(width or lengths.max()) < lengths[:, None]  # (batch, width)
    tokens, segments, joined = (
        np.zeros(real.shape, np.int32),
        np.zeros(real.shape, np.int32),
        np.zeros(real.shape, bool),
    )
    tokens[real] = np.concatenate([pair.ids for pair in pairs_batch])
    segments[real] = np.concatenate([pair.segments for pair in pairs_batch])
    if whole_word_mask:
        joined[real] = np.concatenate([pair.joined for pair in pairs_batch])
    special = [numbers.pad, numbers.unk, numbers.cls, numbers.sep, numbers.mask]
    candidate = real & ~np.isin(tokens, special)

    positions = _positions(candidate, joined, share, draw)  # (batch, masked), -1 for padding
    masked = positions >= 0
    positions = np.where(masked, positions, 0)
    gold = np.take_along_axis(tokens, positions, axis=1)
    row = np.broadcast_to(np.arange(len(tokens))[:, None], positions.shape)
    tokens[row[masked], positions[masked]] = _disguised(gold[masked], numbers, draw)
    x = {"Input-Token": tokens, "Input-Segment": segments, "Masked-Position": positions.astype(np.int32)}
    y = {
        "MLM": np.where(masked, gold, -1).astype(np.int32),
        "NSP": np.array([[pair.next] for pair in pairs_batch], np.int32),
    }
    return x, y


def _positions(candidate, joined, share, draw):
    """Places of the tokens to predict, ascending: int64 (batch, masked), -1 for padding.

    The words of each text are put in random order and taken until the share is full. The word that would go beyond it
    is taken with the chance that makes the share right on average: always up or always down would add up over a corpus.
    """
    batch, width = candidate.shape
    words = np.cumsum(~joined, axis=1) - 1  # (batch, width), the number of the token's word in its text
    places = words + np.arange(batch)[:, None] * width
    sizes = np.bincount(places[candidate], minlength=batch * width)
    chance = np.take(draw.random(batch * width), places)
    order = np.argsort(np.where(candidate, chance, 2.0), axis=1, kind="stable")  # of a word the tokens side by side
    places = np.take_along_axis(places, order, axis=1)

    new = np.ones(candidate.shape, bool)
    new[:, 1:] = places[:, 1:] != places[:, :-1]
    before = np.maximum.accumulate(np.where(new, np.arange(width), 0), axis=1)  # tokens in the words before this one
    count = candidate.sum(axis=1, keepdims=True)
    taken = (before + draw.random((batch, 1)) * sizes[places] < share * count) & (np.arange(width) < count)

    most = max(1, int(taken.sum(axis=1).max()))
    positions = np.sort(np.where(taken, order, width), axis=1)[:, :most]
    return np.where(positions < width, positions, -1)


def _disguised(gold, numbers, draw):
    """What stands in the input for the tokens to predict."""
    chance = draw.random(len(gold))
    other = numbers.words[draw.integers(len(numbers.words), size=len(gold))]
    return np.where(chance < HIDDEN, numbers.mask, np.where(chance < HIDDEN + RANDOM, other, gold))
