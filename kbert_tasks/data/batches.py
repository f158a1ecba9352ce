"""Batches of encoded texts, grouped by length.

The order is a pure function of the seed and the epoch, and a batch of its number, so that training can go on from
any step with the very batches it would have seen.
"""

import functools
import weakref
from typing import NamedTuple

import numpy as np

from .._keras import tensorflow

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


def collate(rows, pad=0, shapes=None):
    """Dicts of arrays to one dict of arrays with a leading batch axis, each axis padded to its longest, or as `shapes` say."""
    return {name: _stacked([row[name] for row in rows], pad, shapes and shapes[name]) for name in rows[0]}


def _stacked(arrays, pad, shape=None):
    arrays = [np.asarray(a) for a in arrays]
    if len({a.shape for a in arrays} | ({shape} if shape else set())) == 1:
        return np.stack(arrays)
    longest = shape or np.max([a.shape for a in arrays], axis=0)
    padded = np.full((len(arrays), *longest), pad, arrays[0].dtype)
    for row, a in zip(padded, arrays, strict=True):
        row[tuple(map(slice, a.shape))] = a
    return padded


class Deal(NamedTuple):
    """How the texts of a batch are dealt out to the copies of a model.

    Attributes:
        copies: number of them.
        mine: which of them get their part from this process.
        rows: texts of a part at least; what is missing is filled up with texts that do not count.
        length: tokens of every text; None: of the longest of the part.
    """

    copies: int
    mine: range
    rows: int = 1
    length: int | None = None

    def part(self, texts, number):
        """(those of a batch's texts that a copy gets, float32: 1 for each that counts, 0 for each that does not)."""
        some = texts[number :: self.copies]
        missing = max(0, self.rows - len(some))
        return [*some, *[texts[0]] * missing], np.float32([1] * len(some) + [0] * missing)


def _largest(encoded, draw, length, seed):
    """The shapes, ({name: shape} of x, of y), that hold what is drawn for any text, where each has `length` tokens."""
    found = ({}, {})
    for x, target in encoded:
        row = draw({name: np.resize(a, length) for name, a in x.items()}, target, np.random.default_rng(seed))
        for shapes, part in zip(found, row, strict=True):
            shapes |= {name: tuple(np.maximum(np.shape(a), shapes.get(name, np.shape(a)))) for name, a in part.items()}
    return found


def training_batches(encoded, draw, size, seed, epochs, first_step=0, deal=None):
    """All batches of all epochs as one `tf.data.Dataset` of (x, y).

    Args:
        encoded: list of (x, target); x["Input-Token"] are the tokens.
        draw: (x, target, NumPy generator) to (x, y), each a dict of arrays: what is drawn anew in each epoch. The
            generator depends on the seed, the epoch and the place in `encoded`. x is padded with 0, y with -1.
        size: texts in a batch.
        seed: of the order and of what is drawn.
        epochs: so many times through.
        first_step: number of the batch to begin with.
        deal: a Deal: then each batch comes as its parts of this process, one after the other, each (x, y, counted (rows,),
            texts of the whole batch).

    Returns:
        (dataset, steps in an epoch).
    """
    tf = tensorflow()
    lengths = [len(x["Input-Token"]) for x, _ in encoded]
    steps = -(-len(encoded) // size)
    of_epoch = functools.lru_cache(2)(lambda epoch: order(lengths, size, seed, epoch))

    def drawn(epoch, i):
        return draw(*encoded[i], np.random.default_rng((seed, epoch, i)))

    def batches():
        for step in range(first_step, epochs * steps):
            epoch = step // steps
            texts = of_epoch(epoch)[step % steps]
            if deal is None:
                yield batch(epoch, texts)
                continue
            for number in deal.mine:
                part, counted = deal.part(texts, number)
                yield *batch(epoch, part), counted, np.int32(len(texts))

    def batch(epoch, texts):
        rows = [drawn(epoch, i) for i in texts]
        return tuple(collate([row[i] for row in rows], pad, shapes[i]) for i, pad in ((0, 0), (1, -1)))

    row, shapes, rows = drawn(0, 0), (None, None), None
    if deal and deal.length:
        shapes, rows = _largest(encoded, draw, deal.length, seed), deal.rows
    signature = tuple(
        {
            name: tf.TensorSpec((rows, *(largest[name] if rows else [None] * np.ndim(a))), np.asarray(a).dtype)
            for name, a in part.items()
        }
        for part, largest in zip(row, shapes, strict=True)
    )
    if deal:
        signature += tf.TensorSpec((rows,), tf.float32), tf.TensorSpec((), tf.int32)
    return prefetched(batches, signature), steps


def prefetched(make, signature):
    """What the generator `make()` yields, made while the model computes: a `tf.data.Dataset`, which holds `make`.

    TensorFlow keeps what `from_generator` is given until the process ends, so that gets a weak reference: `make` holds
    the texts, and through the task the model.

    Args:
        make: a function, called at the beginning of each pass over the dataset.
        signature: `tf.TensorSpec`s in the structure of what is yielded.
    """
    held = weakref.ref(make)
    dataset = tensorflow().data.Dataset.from_generator(lambda: held()(), output_signature=signature)
    dataset.make = make
    return dataset.prefetch(4)
