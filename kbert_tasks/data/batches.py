"""Batches of encoded texts, grouped by length.

The order depends only on the seed and the epoch, and the content of a batch only on its number. Training can therefore
resume at any step with the same batches as an uninterrupted run.
"""

import functools
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from .._keras import tensorflow

if TYPE_CHECKING:
    import tensorflow as tf

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]  # name of an array to its shape
Window: TypeAlias = tuple[dict[str, np.ndarray], Any]  # model inputs of a window, and its target
# Model inputs and targets without a batch axis.
Row: TypeAlias = tuple[Mapping[str, ArrayLike], Mapping[str, ArrayLike]]
Draw: TypeAlias = Callable[[dict[str, np.ndarray], Any, np.random.Generator], Row]

POOL = 50  # batches per pool; texts are sorted by length within a pool only, so that the order stays random


def order(lengths: Sequence[int] | np.ndarray, size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Returns the text indices of each batch of one epoch.

    Each text occurs once. A batch holds texts of similar length, and the batches are in random order.

    Args:
        lengths: number of tokens of each text.
        size: number of texts in a batch; one batch of an epoch may be smaller.
        seed, epoch: equal values give an equal order.

    Returns:
        A list of ceil(len(lengths) / size) int arrays.
    """
    draw, lengths = np.random.default_rng((seed, epoch)), np.asarray(lengths)
    shuffled = draw.permutation(len(lengths))
    pools = [shuffled[i : i + POOL * size] for i in range(0, len(shuffled), POOL * size)]
    batches: list[np.ndarray] = []
    for pool in pools:
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + size] for i in range(0, len(pool), size)]
    return [batches[i] for i in draw.permutation(len(batches))]


def by_length(lengths: Sequence[int], size: int) -> list[np.ndarray]:
    """Returns the text indices of each prediction batch, longest texts first, so that a lack of memory shows at once."""
    ranked = np.argsort(-np.asarray(lengths), kind="stable")
    return [ranked[i : i + size] for i in range(0, len(ranked), size)]


def collate(
    rows: Sequence[Mapping[str, ArrayLike]], pad: int = 0, shapes: Shapes | None = None
) -> dict[str, np.ndarray]:
    """Stacks dicts of arrays into one dict of arrays with a leading batch axis.

    Args:
        rows: dicts with the same keys.
        pad: the value that fills up shorter arrays.
        shapes: dict from name to the shape of one row; by default each axis is padded to the longest row.
    """
    return {name: _stacked([row[name] for row in rows], pad, shapes[name] if shapes else None) for name in rows[0]}


def _stacked(arrays: Sequence[ArrayLike], pad: int, shape: tuple[int, ...] | None = None) -> np.ndarray:
    parts = [np.asarray(a) for a in arrays]
    if len({a.shape for a in parts} | ({shape} if shape else set())) == 1:
        return np.stack(parts)
    longest = shape or np.max([a.shape for a in parts], axis=0)
    padded = np.full((len(parts), *longest), pad, parts[0].dtype)
    for row, a in zip(padded, parts, strict=True):
        row[tuple(map(slice, a.shape))] = a
    return padded


class Replicas(NamedTuple):
    """Describes how the texts of a batch are distributed to the replicas of a model.

    Attributes:
        copies: number of replicas.
        mine: the replicas that receive their part from this process.
        rows: minimum number of texts in a part; a smaller part is filled up with texts that do not count.
        length: number of tokens of each text; None pads to the longest text of the part.
    """

    copies: int
    mine: range
    rows: int = 1
    length: int | None = None

    def part(self, texts: Sequence[int] | np.ndarray, number: int) -> tuple[list[int], np.ndarray]:
        """Returns the texts of one replica, and float32 weights (rows,): 1 for a text that counts, 0 for filling."""
        some = texts[number :: self.copies]
        missing = max(0, self.rows - len(some))
        return [*some, *[texts[0]] * missing], np.array([1] * len(some) + [0] * missing, np.float32)


def _largest(encoded: Sequence[Window], draw: Draw, length: int, seed: int) -> tuple[Shapes, Shapes]:
    """Returns ({name: shape} of x, the same of y), large enough for all texts when each has `length` tokens."""
    found: tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]] = ({}, {})
    for x, target in encoded:
        row = draw({name: np.resize(a, length) for name, a in x.items()}, target, np.random.default_rng(seed))
        for shapes, part in zip(found, row, strict=True):
            shapes |= {name: tuple(np.maximum(np.shape(a), shapes.get(name, np.shape(a)))) for name, a in part.items()}
    return found


def training_batches(
    encoded: Sequence[Window],
    draw: Draw,
    size: int,
    seed: int,
    epochs: int,
    first_step: int = 0,
    replicas: Replicas | None = None,
) -> "tuple[tf.data.Dataset, int]":
    """Returns the batches of all epochs as one `tf.data.Dataset` of (x, y).

    Args:
        encoded: list of (x, target); x["Input-Token"] holds the tokens.
        draw: function that takes (x, target, NumPy generator) and returns (x, y), each a dict of arrays. It is called for
            each text in each epoch. The generator depends on the seed, the epoch and the index in `encoded`. x is padded
            with 0, y with -1.
        size: number of texts in a batch.
        seed: seed of the order and of `draw`.
        epochs: number of passes over the texts.
        first_step: number of the first batch that is returned.
        replicas: a Replicas; the dataset then yields the parts of each batch that belong to this process, one after the other,
            each as (x, y, counted (rows,), number of texts in the whole batch).

    Returns:
        (dataset, number of steps in an epoch).
    """
    tf = tensorflow()
    lengths = [len(x["Input-Token"]) for x, _ in encoded]
    steps = -(-len(encoded) // size)
    of_epoch = functools.lru_cache(2)(lambda epoch: order(lengths, size, seed, epoch))

    def drawn(epoch: int, i: int) -> Row:
        return draw(*encoded[i], np.random.default_rng((seed, epoch, i)))

    def batches() -> Iterator[tuple[Any, ...]]:
        for step in range(first_step, epochs * steps):
            epoch = step // steps
            texts = of_epoch(epoch)[step % steps]
            if replicas is None:
                yield batch(epoch, texts)
                continue
            for number in replicas.mine:
                part, counted = replicas.part(texts, number)
                yield *batch(epoch, part), counted, np.int32(len(texts))

    def batch(epoch: int, texts: Sequence[int] | np.ndarray) -> tuple[dict[str, np.ndarray], ...]:
        rows = [drawn(epoch, i) for i in texts]
        return tuple(collate([row[i] for row in rows], pad, shapes[i]) for i, pad in ((0, 0), (1, -1)))

    row = drawn(0, 0)
    shapes: tuple[Shapes | None, Shapes | None] = (None, None)
    rows: int | None = None
    if replicas and replicas.length:
        shapes, rows = _largest(encoded, draw, replicas.length, seed), replicas.rows
    signature: tuple[Any, ...] = tuple(
        {
            name: tf.TensorSpec((rows, *(largest[name] if largest else [None] * np.ndim(a))), np.asarray(a).dtype)
            for name, a in part.items()
        }
        for part, largest in zip(row, shapes, strict=True)
    )
    if replicas:
        signature += tf.TensorSpec((rows,), tf.float32), tf.TensorSpec((), tf.int32)
    return prefetched(batches, signature), steps


def prefetched(make: Callable[[], Iterator[Any]], signature: Any) -> "tf.data.Dataset":
    """Returns a `tf.data.Dataset` that runs the generator `make()` in the background while the model computes.

    TensorFlow keeps the function passed to `from_generator` until the process ends. That function therefore holds only a
    weak reference to `make`, which refers to the texts and, through the task, to the model. The dataset itself holds
    `make`.

    Args:
        make: generator function, called at the start of each pass over the dataset.
        signature: `tf.TensorSpec`s in the structure of the yielded values.
    """
    held = weakref.ref(make)

    def generate() -> Iterator[Any]:
        living = held()
        assert living is not None  # the dataset holds it
        return living()

    dataset = tensorflow().data.Dataset.from_generator(generate, output_signature=signature)
    dataset.make = make
    return dataset.prefetch(4)
