"""Makes batches for the masked language model: hides some tokens of text pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..errors import InputError
from ..text.tokenizer import SPECIAL
from .pairs import Pair

SHARE = 0.15  # share of the tokens to predict; Devlin et al. 2018, section 3.1
HIDDEN, RANDOM = 0.8, 0.1  # shares of these that become [MASK] or a random token; the others do not change

Batch: TypeAlias = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]  # (x, y) of a training step


@dataclass(frozen=True, eq=False)
class Numbers:
    """Token ids of a vocabulary that masking uses.

    Attributes:
        pad, unk, cls, sep, mask: ids of the special tokens.
        words: int32 (words,), ids of all other tokens except [unused] slots, from which random tokens are sampled.
    """

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int
    words: np.ndarray

    @classmethod
    def of(cls, vocabulary: Sequence[str]) -> "Numbers":
        """Returns the Numbers of a vocabulary (list of tokens).

        Raises:
            InputError: a special token is missing, or there are no other tokens.
        """
        ids = {token: number for number, token in enumerate(vocabulary)}
        missing = [token for token in SPECIAL if token not in ids]
        if missing:
            raise InputError(
                f"the vocabulary of {len(vocabulary)} tokens lacks {', '.join(missing)}: use one that "
                "`kbert-pretrain vocab` made, or that of an official checkpoint"
            )
        unused = [number for token, number in ids.items() if token.startswith("[unused") and token.endswith("]")]
        words = np.setdiff1d(np.arange(len(vocabulary)), [*(ids[token] for token in SPECIAL), *unused])
        if not len(words):
            raise InputError(f"the vocabulary of {len(vocabulary)} tokens has only special tokens")
        return cls(
            pad=ids["[PAD]"],
            unk=ids["[UNK]"],
            cls=ids["[CLS]"],
            sep=ids["[SEP]"],
            mask=ids["[MASK]"],
            words=words.astype(np.int32),
        )


def mask(
    pairs_batch: Sequence[Pair],
    draw: np.random.Generator,
    numbers: Numbers,
    share: float = SHARE,
    whole_word_mask: bool = False,
    width: int | None = None,
) -> Batch:
    """Makes a training batch from pairs, and samples the tokens to predict.

    In each text, a share of the tokens is predicted, not counting special tokens and [UNK]. The number is rounded to whole
    tokens or words at random, so that the share is exact on average. 80 % of the tokens to predict become [MASK] in the
    input, 10 % a random token, and 10 % do not change. This is sampled for each token, even with `whole_word_mask`, as in
    Google's code.

    Args:
        pairs_batch: list of `Pair`.
        draw: NumPy random generator.
        numbers: `Numbers` of the vocabulary.
        share: share of the tokens to predict, 0 to 1.
        whole_word_mask: whether to predict either all or no tokens of a word (`Pair.joined`).
        width: number of tokens to pad to; None for the length of the longest pair.

    Returns:
        (x, y), dicts of int32 arrays. x: `Input-Token` and `Input-Segment` (batch, width), `Masked-Position` (batch,
        masked) in ascending order, all padded with 0. y: `MLM` (batch, masked), the ids to predict, padded with -1; `NSP`
        (batch, 1), the labels. `masked` is at least 1; in very short texts all positions can be padding.
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


def _positions(candidate: np.ndarray, joined: np.ndarray, share: float, draw: np.random.Generator) -> np.ndarray:
    """Samples the positions of the tokens to predict, in ascending order: int64 (batch, masked), -1 for padding.

    Words are selected in random order until the share is reached. The word that exceeds the share is selected with the
    probability that makes the share right on average; always rounding up or down would bias the share over a corpus.
    """
    batch, width = candidate.shape
    words = np.cumsum(~joined, axis=1) - 1  # (batch, width), index of the word of each token in its text
    places = words + np.arange(batch)[:, None] * width
    sizes = np.bincount(places[candidate], minlength=batch * width)
    chance = np.take(draw.random(batch * width), places)
    order = np.argsort(np.where(candidate, chance, 2.0), axis=1, kind="stable")  # the tokens of a word stay adjacent
    places = np.take_along_axis(places, order, axis=1)

    new = np.ones(candidate.shape, bool)
    new[:, 1:] = places[:, 1:] != places[:, :-1]
    before = np.maximum.accumulate(np.where(new, np.arange(width), 0), axis=1)  # tokens in the words before this one
    count = candidate.sum(axis=1, keepdims=True)
    taken = (before + draw.random((batch, 1)) * sizes[places] < share * count) & (np.arange(width) < count)

    most = max(1, int(taken.sum(axis=1).max()))
    positions = np.sort(np.where(taken, order, width), axis=1)[:, :most]
    return np.where(positions < width, positions, -1)


def _disguised(gold: np.ndarray, numbers: Numbers, draw: np.random.Generator) -> np.ndarray:
    """Returns the input ids for the tokens to predict: [MASK], a random token, or the token itself."""
    chance = draw.random(len(gold))
    other = numbers.words[draw.integers(len(numbers.words), size=len(gold))]
    return np.where(chance < HIDDEN, numbers.mask, np.where(chance < HIDDEN + RANDOM, other, gold))
