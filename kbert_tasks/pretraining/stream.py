"""Batches from a prepared corpus, without end and without a state.

Every draw is a function of the seed and a number: the order of the shards of the epoch, the pairs of epoch and shard,
the masks of the step. So a run that was killed goes on at any step with the very batches it would have seen.
"""

import functools
import itertools
import logging

import numpy as np

from .._keras import tensorflow
from ..data.batches import order, prefetched
from ..errors import InputError
from .masking import Numbers, mask
from .pairs import Text, pairs

log = logging.getLogger("kbert_tasks")

TRAIN, HELD_OUT = PARTS = ("train", "held-out")
TOGETHER = 8  # shards that are mixed, so that a batch is not all of one book; 80 MB for shards of a million tokens
SHARDS, PAIRS, MASKS = range(1, 4)  # first of each key: NumPy makes the same of (seed, 3) and (seed, 3, 0)

ADVICE = {TRAIN: "", HELD_OUT: ", or prepare it again with --held-out 0"}


def batches(corpus, part, length, size, seed, first_step=0, whole_word_mask=False):
    """Batches of a part of the corpus, as `masking.mask` makes them.

    Pairs of like length stand together. In "train" the batches are without end, each epoch with new pairs, masks and
    order, and all have `size` pairs: what is left over at the end of some shards goes on into the next. "held-out" is
    one pass over the text, the same for every seed, so that runs can be compared; its last batch may be smaller.

    Args:
        corpus: `Corpus`: `vocabulary`, `shards(part)`, `documents(part, number)`.
        part: "train" or "held-out".
        length: most tokens of a pair.
        size: pairs in a batch.
        seed: of everything drawn.
        first_step: number of the batch to begin with. Those before it are counted, not made: some 40 ms for a million
            tokens, and the reading of the shards.
        whole_word_mask: whole words are masked.

    Returns:
        A generator of (x, y).

    Raises:
        InputError: there is no such part; or, from the generator, it has less than two pairs to train on, or none.
    """
    if part not in PARTS:
        raise InputError(f"a corpus has the parts {' and '.join(PARTS)}, not {part!r}")
    if size < 1:
        raise InputError(f"batch_size should be at least 1, not {size!r}")
    return _made(corpus, part, length, size, seed if part == TRAIN else 0, first_step, whole_word_mask)


def dataset(corpus, part, length, size, seed, first_step=0, whole_word_mask=False):
    """`batches` as a `tf.data.Dataset`, made while the model computes; bad input is told here, before any step."""
    next(batches(corpus, part, length, size, seed))
    tf = tensorflow()
    matrix = tf.TensorSpec((None, None), tf.int32)
    signature = (
        {name: matrix for name in ("Input-Token", "Input-Segment", "Masked-Position")},
        {"MLM": matrix, "NSP": tf.TensorSpec((None, 1), tf.int32)},
    )
    make = functools.partial(batches, corpus, part, length, size, seed, first_step, whole_word_mask)
    return prefetched(make, signature)


def _made(corpus, part, length, size, seed, first_step, whole_word_mask):
    numbers = Numbers.of(corpus.vocabulary)
    chosen = _chosen(corpus, part, length, size, seed, numbers, first_step)
    for step, rows in enumerate(itertools.islice(chosen, first_step, None), first_step):
        draw = np.random.default_rng((MASKS, seed, step))
        yield mask([made[number] for made, number in rows], draw, numbers, whole_word_mask=whole_word_mask)


def _chosen(corpus, part, length, size, seed, numbers, first_step):
    """The rows of each batch: lists of (Pairs, number). A run that goes on after the first epoch has told its counts."""
    read = functools.lru_cache(1)(lambda group: Text.of([d for shard in group for d in corpus.documents(part, shard)]))
    least, waiting = (2, []) if part == TRAIN else (1, [])
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
                f"the {part} part of the corpus has text for {found} pairs of up to {length} tokens, and at least "
                f"{least} are needed: give more text{ADVICE[part]}"
            )
        if epoch == 0 and step >= first_step and (cut or repeated):
            log.info("%s: in the first epoch %d tokens of the text are in no pair and %d in two", part, cut, repeated)
    if waiting:
        yield waiting


def _groups(shards, epoch, seed, part):
    """The shards in the order of the epoch, in groups of about the same number: tuples of their numbers, ascending."""
    numbers = np.arange(shards)
    if part == TRAIN:
        numbers = np.random.default_rng((SHARDS, seed, epoch)).permutation(numbers)
    groups = np.array_split(numbers, -(-shards // TOGETHER)) if shards else []
    return [tuple(sorted(group.tolist())) for group in groups]
