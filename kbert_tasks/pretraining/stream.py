"""Endless batches from a prepared corpus, without state.

All random numbers depend only on the seed and an index: the order of the shards on the epoch, the pairs on the epoch and the
shard, and the masks on the step. So an interrupted run can resume at any step with the same batches.
"""

import functools
import itertools
import logging
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .._keras import tensorflow
from ..data.batches import order, prefetched
from ..errors import InputError
from .corpus import Document
from .masking import Batch, Numbers, mask
from .pairs import Pairs, Text, pairs

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger("kbert_tasks")

TRAIN, HELD_OUT = PARTS = ("train", "held-out")
TOGETHER = 8  # number of shards that are mixed, so that a batch is not from one book; 80 MB for shards of 1M tokens
SHARDS, PAIRS, MASKS = range(1, 4)  # first part of each random key, because NumPy treats (s, 3) and (s, 3, 0) as equal

ADVICE = {TRAIN: "", HELD_OUT: ", or prepare it again with --held-out 0"}


class Source(Protocol):
    """The part of a `Corpus` that batches are made from."""

    vocabulary: list[str]

    def shards(self, part: str, /) -> int:
        """Returns the number of shards of a part."""

    def documents(self, part: str, n: int, /) -> Sequence[Document]:
        """Returns the documents of shard n of a part."""


def batches(
    corpus: Source, part: str, length: int, size: int, seed: int, first_step: int = 0, whole_word_mask: bool = False
) -> Iterator[Batch]:
    """Returns a generator of the batches of a part of the corpus, see `masking.mask`.

    Pairs of similar length are batched together. The batches of "train" are endless. Each epoch has new pairs, masks and
    order, and all batches have `size` pairs: pairs left over at the end of some shards are added to the next ones. The
    batches of "held-out" are one pass over the text and do not depend on the seed, so that runs can be compared; the last
    batch may be smaller.

    Args:
        corpus: a `Corpus`, or an object with its `vocabulary`, `shards(part)` and `documents(part, number)`.
        part: "train" or "held-out".
        length: maximum number of tokens of a pair.
        size: number of pairs in a batch.
        seed: seed of all random numbers.
        first_step: index of the first batch. Earlier batches are counted but not made, which takes about 40 ms for a
            million tokens plus the time to read the shards.
        whole_word_mask: whether to mask whole words.

    Returns:
        A generator of (x, y).

    Raises:
        InputError: there is no such part. The generator raises it if the part has too few pairs: less than two for
            "train", none for "held-out".
    """
    if part not in PARTS:
        raise InputError(f"a corpus has the parts {' and '.join(PARTS)}, not {part!r}")
    if size < 1:
        raise InputError(f"batch_size should be at least 1, not {size!r}")
    return _made(corpus, part, length, size, seed if part == TRAIN else 0, first_step, whole_word_mask)


def dataset(
    corpus: Source, part: str, length: int, size: int, seed: int, first_step: int = 0, whole_word_mask: bool = False
) -> "tf.data.Dataset":
    """Returns `batches` as a `tf.data.Dataset`, which makes batches in the background; checks the corpus first."""
    next(batches(corpus, part, length, size, seed))
    tf = tensorflow()
    matrix = tf.TensorSpec((None, None), tf.int32)
    signature = (
        {name: matrix for name in ("Input-Token", "Input-Segment", "Masked-Position")},
        {"MLM": matrix, "NSP": tf.TensorSpec((None, 1), tf.int32)},
    )
    make = functools.partial(batches, corpus, part, length, size, seed, first_step, whole_word_mask)
    return prefetched(make, signature)


def sizes(corpus: Source, length: int, size: int, seed: int, number: int) -> list[int]:
    """Returns the number of tokens, padding included, of each of the first `number` batches of "train".

    The arguments are those of `batches`. The masks, which do not change the size of a batch, are not made.
    """
    numbers = Numbers.of(corpus.vocabulary)
    chosen = _chosen(corpus, TRAIN, length, size, seed, numbers, first_step=math.inf)  # logs nothing
    return [size * max(int(made.lengths[row]) for made, row in rows) for rows in itertools.islice(chosen, number)]


def _made(
    corpus: Source, part: str, length: int, size: int, seed: int, first_step: int, whole_word_mask: bool
) -> Iterator[Batch]:
    numbers = Numbers.of(corpus.vocabulary)
    chosen = _chosen(corpus, part, length, size, seed, numbers, first_step)
    for step, rows in enumerate(itertools.islice(chosen, first_step, None), first_step):
        draw = np.random.default_rng((MASKS, seed, step))
        yield mask([made[number] for made, number in rows], draw, numbers, whole_word_mask=whole_word_mask)


def _chosen(
    corpus: Source, part: str, length: int, size: int, seed: int, numbers: Numbers, first_step: float
) -> Iterator[list[tuple[Pairs, int]]]:
    """Yields the rows of each batch as lists of (Pairs, index); logs counts after the first epoch, unless resumed later."""
    read = functools.lru_cache(1)(lambda group: Text.of([d for shard in group for d in corpus.documents(part, shard)]))
    least = 2 if part == TRAIN else 1
    waiting: list[tuple[Pairs, int]] = []
    step = 0
    for epoch in itertools.count() if part == TRAIN else (0,):
        found = cut = repeated = 0
        for group in _groups(corpus.shards(part), epoch, seed, part):
            draw = np.random.default_rng((PAIRS, seed, epoch, group[0]))
            made = pairs(read(group), length, draw, numbers)
            found, cut, repeated = found + len(made), cut + made.cut, repeated + made.repeated
            waiting += [(made, number) for number in range(len(made))]
            lengths = np.array([each.lengths[number] for each, number in waiting], np.int64)
            arranged = order(lengths, size, seed, int(draw.integers(2**63)))
            whole = [rows for rows in arranged if len(rows) == size]
            rest = [rows for rows in arranged if len(rows) < size]
            for rows in whole:
                step += 1
                yield [waiting[number] for number in rows]
            waiting = [waiting[number] for rows in rest for number in rows]
        if found < least:
            raise InputError(
                f"the {part} part of the corpus has text for {found} pairs of up to {length} tokens, but at least "
                f"{least} are needed: give more text{ADVICE[part]}"
            )
        if epoch == 0 and step >= first_step and (cut or repeated):
            log.info(
                "%s: in the first epoch, %d tokens of the text are in no pair and %d are in two pairs",
                part,
                cut,
                repeated,
            )
    if waiting:
        yield waiting


def _groups(shards: int, epoch: int, seed: int, part: str) -> list[tuple[int, ...]]:
    """Splits the shards of an epoch into groups of about equal size: a list of sorted tuples of shard indices."""
    numbers = np.arange(shards)
    if part == TRAIN:
        numbers = np.random.default_rng((SHARDS, seed, epoch)).permutation(numbers)
    groups = np.array_split(numbers, -(-shards // TOGETHER)) if shards else []
    return [tuple(sorted(group.tolist())) for group in groups]
