"""Attention for training, which stores no (time, time) matrix of long texts for the gradient.

The probabilities of all layers would take more memory than everything else that training stores of long texts. Here,
the gradient computes them again from the queries and the keys, a few texts at a time, and draws the same dropout masks
again from their seeds. For shorter texts, whose probabilities take little memory, it reads stored ones, which is faster.

Source: Dao et al., 2022 (arXiv 2205.14135), for the gradient of the softmax from the output and its gradient.
"""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .._keras import is_on_cpu, is_tpu, tensorflow
from .gradients import custom_gradient
from .ops import kept, kept_scale, new_seed

if TYPE_CHECKING:
    import tensorflow as tf

    from .gradients import WithGradient

tf = tensorflow()

LONG = 256  # number of tokens from which on the probabilities are computed again

# Number of probabilities of long texts that are computed at once, or those of one text if it has more. On a CPU, fewer numbers stay in
# the cache; a GPU computes many numbers at the same time.
AT_ONCE_CPU, AT_ONCE_GPU = 2**22, 2**27


def at_once() -> int:
    """Returns the number of probabilities that are computed at once on this device."""
    return AT_ONCE_CPU if is_on_cpu() else AT_ONCE_GPU


def attend(
    queries: tf.Tensor, keys: tf.Tensor, values: tf.Tensor, bias: tf.Tensor, rate: float, longest: int | None = None
) -> tf.Tensor:
    """Returns softmax(queries keys^T / sqrt(size) + bias) values, with dropout on the probabilities.

    Args:
        queries: (batch, heads, time of queries, size).
        keys, values: (batch, heads, time of keys, size).
        bias: float32 (batch, 1, 1, time of keys).
        rate: dropout rate.
        longest: largest number of tokens in a training, if it is known. If it is small, the graph is smaller.

    Returns:
        (batch, time of queries, heads, size).
    """
    scale = tf.cast(kept_scale(rate), queries.dtype)
    long = LONG if longest is None or longest >= LONG else None
    forward, backward = _graphs(rate, long, None if is_tpu(tf.distribute.get_strategy()) else at_once())
    seed = new_seed()

    @custom_gradient
    def run(*inputs: tf.Tensor) -> "WithGradient":
        # Without `stop_gradient`, TensorFlow would also trace a gradient of the function.
        y, *stored = forward(seed, *map(tf.stop_gradient, inputs))
        y = tf.transpose(y, (0, 2, 1, 3))

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
            # For each query, the sum of x * d_x over the keys.
            sums = tf.reduce_sum(tf.cast(y, tf.float32) * tf.cast(upstream, tf.float32), -1, keepdims=True)
            upstream, sums = (tf.transpose(each, (0, 2, 1, 3)) for each in (upstream * scale, sums))
            with tf.control_dependencies([upstream]):  # otherwise it would be computed early and stay in memory
                again = [tf.identity(each) for each in inputs]
            return *backward(seed, *again, upstream, sums, *stored), None

        return y, gradient

    return run(queries, keys, values, bias)


@functools.cache
def _graphs(
    rate: float, long: int | None, together: int | None
) -> tuple[Callable[..., list[tf.Tensor]], Callable[..., list[tf.Tensor]]]:
    """Returns the functions for the output and for the gradients. All layers share their graphs, to save time.

    Args:
        rate: dropout rate.
        long: number of tokens from which on the probabilities are computed again, or None to always store them.
        together: number of probabilities that are then computed at once, or None for all.
    """

    def probabilities(first: tf.Tensor, seed: tf.Tensor, *some: tf.Tensor) -> list[tf.Tensor]:
        """Returns the probabilities before dropout and the dropout mask, for the texts from number `first` on."""
        queries, keys, bias = some
        scores = tf.matmul(queries * queries.shape[-1] ** -0.5, keys, transpose_b=True)
        x = tf.nn.softmax(tf.cast(scores, tf.float32) + bias)  # always float32
        seed += tf.stack([0, tf.cast(first, seed.dtype)])
        return [x, kept(tf.shape(x), seed, rate) if rate else tf.zeros((0, 0, 0, 0), tf.bool)]

    def dropped(x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        # A product is faster than `tf.where`. The scale is applied to smaller arrays.
        return x * tf.cast(mask, x.dtype) if rate else x

    def output(values: tf.Tensor, x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        return tf.matmul(dropped(tf.cast(x, values.dtype), mask), values) * kept_scale(rate)

    def gradients(*some: tf.Tensor) -> list[tf.Tensor]:
        queries, keys, values, upstream, sums, x, mask = some
        d_values = tf.matmul(dropped(tf.cast(x, values.dtype), mask), upstream, transpose_a=True)
        d_x = dropped(tf.matmul(upstream, values, transpose_b=True), mask)
        d_scores = tf.cast(x * (tf.cast(d_x, tf.float32) - sums), values.dtype)
        d_queries, d_keys = tf.matmul(d_scores, keys), tf.matmul(d_scores, queries, transpose_a=True)
        factor = queries.shape[-1] ** -0.5
        return [d_queries * factor, d_keys * factor, d_values]

    @functools.partial(tf.function, autograph=False)
    def forward(seed: tf.Tensor, *inputs: tf.Tensor) -> list[tf.Tensor]:
        queries, keys, values, bias = inputs

        def in_groups() -> list[tf.Tensor]:
            def compute(first: tf.Tensor, *some: tf.Tensor) -> list[tf.Tensor]:
                queries, keys, values, bias = some
                return [output(values, *probabilities(first, seed, queries, keys, bias))]

            nothing = tf.zeros((0, 0, 0, 0), tf.float32), tf.zeros((0, 0, 0, 0), tf.bool)
            return [*_in_groups(compute, together, inputs, [queries]), *nothing]

        def stored() -> list[tf.Tensor]:
            found = probabilities(tf.constant(0), seed, queries, keys, bias)
            return [output(values, *found), *found]

        return _either(_is_long(keys, long), in_groups, stored)

    @functools.partial(tf.function, autograph=False)
    def backward(seed: tf.Tensor, *inputs: tf.Tensor) -> list[tf.Tensor]:
        *arrays, x, mask = inputs
        queries, keys, values, _, upstream, sums = arrays

        def in_groups() -> list[tf.Tensor]:
            def compute(first: tf.Tensor, *some: tf.Tensor) -> list[tf.Tensor]:
                queries, keys, values, bias, upstream, sums = some
                found = probabilities(first, seed, queries, keys, bias)
                return gradients(queries, keys, values, upstream, sums, *found)

            return _in_groups(compute, together, arrays, [queries, keys, values])

        return _either(
            _is_long(keys, long), in_groups, lambda: gradients(queries, keys, values, upstream, sums, x, mask)
        )

    return forward, backward


def _is_long(keys: tf.Tensor, long: int | None) -> bool | tf.Tensor:
    """Returns whether the texts are long, as a bool if the number of tokens is known."""
    return long is not None and (keys.shape[2] or tf.shape(keys)[2]) >= long


def _either(
    condition: bool | tf.Tensor, one: Callable[[], list[tf.Tensor]], other: Callable[[], list[tf.Tensor]]
) -> list[tf.Tensor]:
    """Returns the results of one of two functions."""
    if isinstance(condition, bool):
        return one() if condition else other()
    return list(tf.cond(condition, one, other))


def _in_groups(
    compute: Callable[..., list[tf.Tensor]],
    together: int | None,
    arrays: Sequence[tf.Tensor],
    like: Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """Computes a function for groups of texts, one after the other.

    Args:
        compute: function of the number of the first text in the group and the rows of each array that belong to the group.
        together: number of probabilities that are computed at once, or None to compute all texts at once, because XLA on a
            TPU needs fixed shapes.
        arrays: arrays whose first axis is the text; the first two are the queries and the keys.
        like: for each result of `compute`, an array of the same type and shape.

    Returns:
        The results of all groups, concatenated.
    """
    if together is None:
        return compute(tf.constant(0), *arrays)
    queries, keys, *_ = arrays
    of_a_text = queries.shape[1] * tf.shape(queries)[2] * tf.shape(keys)[2]
    size = tf.maximum(together // of_a_text, 1)
    groups = -(-tf.shape(queries)[0] // size)

    def another(i: tf.Tensor, found: list[tf.TensorArray]) -> tuple[tf.Tensor, list[tf.TensorArray]]:
        first = i * size
        results = compute(first, *(each[first : first + size] for each in arrays))
        return i + 1, [array.write(i, result) for array, result in zip(found, results, strict=True)]

    empty = [
        tf.TensorArray(each.dtype, groups, infer_shape=False, element_shape=(None, *each.shape[1:])) for each in like
    ]
    _, found = tf.while_loop(lambda i, _: i < groups, another, (tf.constant(0), empty), parallel_iterations=1)
    return [each.concat() for each in found]
