"""Attention for training, which stores no (time, time) matrix of long texts for the gradient.

The probabilities of all layers would take more memory than everything else that training stores of long texts. Here,
the gradient computes them again from the queries and the keys, a few texts at a time, and draws the same dropout masks
again from their seeds. For shorter texts, whose probabilities take little memory, it reads stored ones, which is faster.

Source: Dao et al., 2022 (arXiv 2205.14135), for the gradient of the softmax from the output and its gradient.
"""

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


def attend(queries: tf.Tensor, keys: tf.Tensor, values: tf.Tensor, bias: tf.Tensor, rate: float) -> tf.Tensor:
    """Returns softmax(queries keys^T / sqrt(size) + bias) values, with dropout on the probabilities.

    Args:
        queries: (batch, heads, time of queries, size).
        keys, values: (batch, heads, time of keys, size).
        bias: float32 (batch, 1, 1, time of keys).
        rate: dropout rate.

    Returns:
        (batch, time of queries, heads, size).
    """
    factor, scale = queries.shape[-1] ** -0.5, tf.cast(kept_scale(rate), queries.dtype)
    seed, texts, long = new_seed(), _texts_at_once(queries, keys), _is_long(keys)
    nothing = tf.zeros((0, 0, 0, 0), tf.float32), tf.zeros((0, 0, 0, 0), tf.bool)

    def probabilities(
        first: tf.Tensor, queries: tf.Tensor, keys: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the probabilities before dropout and the dropout mask, for the texts from number `first` on."""
        scores = tf.cast(tf.matmul(queries * factor, keys, transpose_b=True), tf.float32) + bias
        mask = kept(tf.shape(scores), seed + tf.stack([0, tf.cast(first, seed.dtype)]), rate) if rate else nothing[1]
        return tf.nn.softmax(scores), mask  # always float32

    def dropped(x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        # A product is faster than `tf.where`. The scale is applied to smaller arrays.
        return x * tf.cast(mask, x.dtype) if rate else x

    def forward(first: tf.Tensor, *some: tf.Tensor) -> list[tf.Tensor]:
        queries, keys, values, bias = some
        x, mask = probabilities(first, queries, keys, bias)
        return [tf.matmul(dropped(tf.cast(x, values.dtype), mask), values) * scale, x, mask]

    def backward(first: tf.Tensor, *some: tf.Tensor, stored: Sequence[tf.Tensor] = ()) -> list[tf.Tensor]:
        queries, keys, values, bias, upstream, sums = some
        x, mask = stored or probabilities(first, queries, keys, bias)
        d_values = tf.matmul(dropped(tf.cast(x, values.dtype), mask), upstream, transpose_a=True)
        d_x = dropped(tf.matmul(upstream, values, transpose_b=True), mask)
        d_scores = tf.cast(x * (tf.cast(d_x, tf.float32) - sums), values.dtype)
        d_queries, d_keys = tf.matmul(d_scores, keys), tf.matmul(d_scores, queries, transpose_a=True)
        return [d_queries * factor, d_keys * factor, d_values]

    @custom_gradient
    def run(*inputs: tf.Tensor) -> "WithGradient":
        y, *stored = _either(
            long,
            lambda: [*_in_groups(lambda *some: forward(*some)[:1], texts, inputs, inputs[:1]), *nothing],
            lambda: forward(tf.constant(0), *inputs),
        )
        y = tf.transpose(y, (0, 2, 1, 3))

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
            # For each query, the sum of x * d_x over the keys.
            sums = tf.reduce_sum(tf.cast(y, tf.float32) * tf.cast(upstream, tf.float32), -1, keepdims=True)
            upstream, sums = (tf.transpose(each, (0, 2, 1, 3)) for each in (upstream * scale, sums))
            with tf.control_dependencies([upstream]):  # otherwise it would be computed early and stay in memory
                arrays = [*map(tf.identity, inputs), upstream, sums]
            found = _either(
                long,
                lambda: _in_groups(backward, texts, arrays, inputs[:3]),
                lambda: backward(tf.constant(0), *arrays, stored=stored),
            )
            return *found, None

        return y, gradient

    return run(queries, keys, values, bias)


def _is_long(keys: tf.Tensor) -> bool | tf.Tensor:
    """Returns whether the probabilities are computed again, as a bool if the number of tokens is known."""
    return (keys.shape[2] or tf.shape(keys)[2]) >= LONG


def _either(
    condition: bool | tf.Tensor, one: Callable[[], list[tf.Tensor]], other: Callable[[], list[tf.Tensor]]
) -> list[tf.Tensor]:
    """Returns the results of one of two functions."""
    if isinstance(condition, bool):
        return one() if condition else other()
    return list(tf.cond(condition, one, other))


def _texts_at_once(queries: tf.Tensor, keys: tf.Tensor) -> tf.Tensor | None:
    """Returns the number of texts in a group, or None for one group, because XLA on a TPU needs fixed shapes."""
    if is_tpu(tf.distribute.get_strategy()):
        return None
    return tf.maximum(at_once() // (queries.shape[1] * tf.shape(queries)[2] * tf.shape(keys)[2]), 1)


def _in_groups(
    compute: Callable[..., list[tf.Tensor]],
    size: tf.Tensor | None,
    arrays: Sequence[tf.Tensor],
    like: Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """Computes a function for groups of texts, one after the other.

    Args:
        compute: function of the number of the first text in the group and the rows of each array that belong to the group.
        size: number of texts in a group, or None to compute all texts at once.
        arrays: arrays whose first axis is the text.
        like: for each result of `compute`, an array of the same type and shape.

    Returns:
        The results of all groups, concatenated.
    """
    if size is None:
        return compute(tf.constant(0), *arrays)
    batch = tf.shape(arrays[0])[0]
    groups = -(-batch // size)

    def another(i: tf.Tensor, found: list[tf.TensorArray]) -> tuple[tf.Tensor, list[tf.TensorArray]]:
        first = i * size
        results = compute(first, *(each[first : first + size] for each in arrays))
        return i + 1, [array.write(i, result) for array, result in zip(found, results, strict=True)]

    empty = [
        tf.TensorArray(each.dtype, groups, infer_shape=False, element_shape=(None, *each.shape[1:])) for each in like
    ]
    _, found = tf.while_loop(lambda i, _: i < groups, another, (tf.constant(0), empty), parallel_iterations=1)
    return [each.concat() for each in found]
