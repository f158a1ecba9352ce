"""Batches of encoded texts, grouped by length.

The order is a pure function of the seed and the epoch, and a batch of its number, so that training can go on from
any step with the very batches it would have seen.
"""

import functools

import numpy as np

from ._keras import tensorflow

POOL = 50  # batches are sorted by length within pools of so many: little padding, and chance remains


def order(lengths, size, seed, epoch):
    """Indices of each batch of an epoch: every text once, texts of like length together, batches in random order.

    Args:
        lengths: tokens of each text.
        size: texts in a batch; one batch of an epoch may be smaller.
        seed, epoch: the same two give the same order.

    Returns:
        A list of int arrays, ceil(len(lengths) / size) of them.
    """
    draw, lengths = np.random.default_rng((seed, epoch)), np.asarray(lengths)
    shuffled = draw.permutation(len(lengths))
    pools = [shuffled[i : i + POOL * size] for i in range(0, len(shuffled), POOL * size)]
    batches = []
    for pool in pools:
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + size] for i in range(0, len(pool), size)]
    return [batches[i] for i in draw.permutation(len(batches))]


def by_length(lengths, size):
    """Indices of each batch for prediction: longest first, so that memory that runs out does so at once."""
    ranked = np.argsort(-np.asarray(lengths), kind="stable")
    return [ranked[i : i + size] for i in range(0, len(ranked), size)]


def collate(rows, pad=0):
    """Dicts of arrays to one dict of arrays with a leading batch axis, each axis padded to its longest."""
    return {name: _stacked([row[name] for row in rows], pad) for name in rows[0]}


def _stacked(arrays, pad):
    arrays = [np.asarray(a) for a in arrays]
    if len({a.shape for a in arrays}) == 1:
        return np.stack(arrays)
    longest = np.max([a.shape for a in arrays], axis=0)
    padded = np.full((len(arrays), *longest), pad, arrays[0].dtype)
    for row, a in zip(padded, arrays, strict=True):
        row[tuple(map(slice, a.shape))] = a
    return padded


def training_batches(encoded, draw, size, seed, epochs, first_step=0):
    """All batches of all epochs as one `tf.data.Dataset` of (x, y).

    Args:
        encoded: list of (x, target); x["Input-Token"] are the tokens.
        draw: (x, target, NumPy generator) to (x, y), each a dict of arrays: what is drawn anew in each epoch. The
            generator depends on the seed, the epoch and the place in `encoded`. x is padded with 0, y with -1.
        size: texts in a batch.
        seed: of the order and of what is drawn.
        epochs: so many times through.
        first_step: number of the batch to begin with.

    Returns:
        (dataset, steps in an epoch).
    """
    lengths = [len(x["Input-Token"]) for x, _ in encoded]
    steps = -(-len(encoded) // size)
    of_epoch = functools.lru_cache(2)(lambda epoch: order(lengths, size, seed, epoch))

    def drawn(epoch, i):
        return draw(*encoded[i], np.random.default_rng((seed, epoch, i)))

    def batches():
        for step in range(first_step, epochs * steps):
            epoch = step // steps
            rows = [drawn(epoch, i) for i in of_epoch(epoch)[step % steps]]
            yield collate([x for x, _ in rows]), collate([y for _, y in rows], pad=-1)

    tf = tensorflow()
    signature = tuple(
        {name: tf.TensorSpec((None, *(None for _ in np.shape(a))), np.asarray(a).dtype) for name, a in part.items()}
        for part in drawn(0, 0)
    )
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(4), steps
