"""Chains of element-wise operations that XLA compiles to one loop each, for training.

XLA compiles a chain again for each new number of rows, which takes 0.1 to 0.3 s. The rows are therefore padded with zeros
to one of a few sizes (`SIZES`), and `compiling.py` decides whether training is long enough to save time. Inside a chain,
all numbers are float32, for all types of inputs and outputs. Dropout computes its random numbers as a hash of a key and
the position, so the gradient can recompute them and no mask is stored.
"""

import bisect
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._keras import tensorflow
from .bfloat16 import applies, biased, column_sums
from .gradients import custom_gradient
from .ops import GELU_A, GELU_B, new_seed

if TYPE_CHECKING:
    import tensorflow as tf

    from .gradients import WithGradient

tf = tensorflow()

# Numbers of rows to compile for: powers of 2, and 1.5 times each of them.
SIZES = sorted(size << i for size in (128, 192) for i in range(20))
EPSILON = 1e-12  # epsilon of layer normalisation


def size_of(rows: int) -> int:
    """Returns the size in SIZES to which this number of rows is padded."""
    return SIZES[bisect.bisect_left(SIZES, rows)]


def sum_norm(x: tf.Tensor, y: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, rate: float) -> tf.Tensor:
    """Applies layer normalisation to x + dropout(y), both (rows, hidden).

    Args:
        x, y: (rows, hidden).
        gamma, beta: float32 (hidden,).
        rate: dropout rate.
    """
    forward, backward = _sum_norm(x.shape[-1], x.dtype, rate)
    key = _key()

    @custom_gradient
    def run(x: tf.Tensor, y: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> "WithGradient":
        rows = tf.shape(x)[0]
        value, total, mean, scale = forward(*_filled(rows, x, y), gamma, beta, key)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            dx, dy, products = backward(total, mean, scale, gamma, key, *_filled(rows, upstream))
            dgamma, dbeta = (tf.cast(_column_sums(each), tf.float32) for each in (products, upstream))
            return dx[:rows], dy[:rows], dgamma, dbeta

        return value[:rows], gradient

    return run(x, y, gamma, beta)


def feed_forward(x: tf.Tensor, W1: tf.Tensor, b1: tf.Tensor, W2: tf.Tensor, b2: tf.Tensor) -> tf.Tensor:
    """The same as `ops.feed_forward`, compiled by XLA."""
    y = _gelu_between(x, W1, b1, W2)
    return biased(y, b2) if applies(y) else y + b2


@custom_gradient
def _gelu_between(x: tf.Tensor, W1: tf.Tensor, b1: tf.Tensor, W2: tf.Tensor) -> "WithGradient":
    """Returns gelu(x W1 + b1) W2 for x (rows, hidden).

    Of the intermediate results, only x W1 stays in memory for the gradient.
    """
    forward, backward = _gelu(W1.shape[1], x.dtype)
    rows = tf.shape(x)[0]
    (wide,) = _filled(rows, x @ W1)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        value, down = backward(wide, b1, *_filled(rows, tf.matmul(upstream, W2, transpose_b=True)))
        value, down = value[:rows], down[:rows]
        dW1, dW2 = tf.matmul(x, down, transpose_a=True), tf.matmul(value, upstream, transpose_a=True)
        return tf.matmul(down, W1, transpose_b=True), dW1, _column_sums(down), dW2

    return forward(wide, b1)[:rows] @ W2, gradient


def _column_sums(x: tf.Tensor) -> tf.Tensor:
    return column_sums(x) if applies(x) else tf.reduce_sum(x, 0)


# Chains: each has one graph for any number of rows ---------------------------------------------------------------------


def _chain(*signature: tuple[tuple[int | None, ...], tf.DType]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: compiles a function of tensors with the given (shape, dtype) pairs with XLA."""
    specs = [tf.TensorSpec(*each) for each in signature]
    return lambda function: tf.function(function, specs, autograph=False, jit_compile=True)


@functools.cache
def _gelu(size: int, dtype: tf.DType) -> tuple[Callable[..., tf.Tensor], Callable[..., tuple[tf.Tensor, tf.Tensor]]]:
    rows, bias = ((None, size), dtype), ((size,), dtype)

    def share(w: tf.Tensor) -> tf.Tensor:  # sigmoid, written with tanh because XLA computes tanh faster
        return 0.5 + 0.5 * tf.tanh(w * (w * w * (GELU_B / 2) + GELU_A / 2))

    @_chain(rows, bias)
    def forward(product: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        w = _wide(product) + _wide(b)
        return tf.cast(w * share(w), dtype)

    @_chain(rows, bias, rows)
    def backward(product: tf.Tensor, b: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        w = _wide(product) + _wide(b)
        s = share(w)
        slope = s * (1 + w * (w * w * (3 * GELU_B) + GELU_A) * (1 - s))
        return tf.cast(w * s, dtype), tf.cast(_wide(upstream) * slope, dtype)

    return forward, backward


@functools.cache
def _sum_norm(
    size: int, dtype: tf.DType, rate: float
) -> tuple[Callable[..., tuple[tf.Tensor, ...]], Callable[..., list[tf.Tensor]]]:
    rows, row, column, key = ((None, size), dtype), ((size,), tf.float32), ((None, 1), tf.float32), ((2,), tf.int32)

    @_chain(rows, rows, row, row, key)
    def forward(x: tf.Tensor, y: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, ...]:
        total = _wide(x) + _dropped(_wide(y), key, rate)
        mean = _row_means(total)
        scale = tf.math.rsqrt(_row_means(tf.math.squared_difference(total, mean)) + EPSILON)
        return tf.cast((total - mean) * (scale * gamma) + beta, dtype), tf.cast(total, dtype), mean, scale

    @_chain(rows, column, column, row, key, rows)
    def backward(
        total: tf.Tensor, mean: tf.Tensor, scale: tf.Tensor, gamma: tf.Tensor, key: tf.Tensor, upstream: tf.Tensor
    ) -> list[tf.Tensor]:
        upstream, unit = _wide(upstream), (_wide(total) - mean) * scale
        inner = upstream * gamma
        dx = (inner - _row_means(inner) - unit * _row_means(inner * unit)) * scale
        return [tf.cast(each, dtype) for each in (dx, _dropped(dx, key, rate), upstream * unit)]

    return forward, backward


def _wide(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.float32)


def _row_means(x: tf.Tensor) -> tf.Tensor:
    """Returns the mean of each row, as a matrix product, which XLA computes faster than a mean."""
    return x @ tf.fill((x.shape[1], 1), 1 / x.shape[1])


def _filled(rows: tf.Tensor, *matrices: tf.Tensor) -> list[tf.Tensor]:
    """Pads each matrix with rows of zeros up to the next size in SIZES."""
    sizes = tf.constant(SIZES)
    missing = sizes[tf.searchsorted(sizes, rows[None])[0]] - rows

    def longer() -> list[tf.Tensor]:
        return [tf.concat([x, tf.zeros((missing, x.shape[1]), x.dtype)], 0) for x in matrices]

    found = tf.cond(missing > 0, longer, lambda: [tf.identity(x) for x in matrices])
    for each, x in zip(found, matrices, strict=True):
        each.set_shape((None, x.shape[1]))
    return found


# Dropout ---------------------------------------------------------------------------------------------------------------


def _key() -> tf.Tensor:
    """Returns a 64-bit key, as two int32 numbers, from TensorFlow's global generator.

    All dropout uses this generator, and its state is part of the saved progress.
    """
    return tf.bitcast(new_seed()[0], tf.int32)


def _dropped(x: tf.Tensor, key: tf.Tensor, rate: float) -> tf.Tensor:
    """Applies dropout to x; the key and the position of each number determine whether it becomes 0."""
    return tf.where(_kept(tf.size(x), key, rate, tf.shape(x)), x * (1 / (1 - rate)), 0.0) if rate else x


def _kept(number: tf.Tensor, key: tf.Tensor, rate: float, shape: tf.Tensor) -> tf.Tensor:
    """Returns a bool tensor of the given shape: the positions that dropout keeps.

    The hash is the finalizer of murmur3, applied to the position and the first half of the key. The second half of the
    key is added after the first mixing step.
    """
    key = tf.bitcast(key, tf.uint32)
    v = tf.bitwise.bitwise_xor(tf.cast(tf.range(number), tf.uint32), key[0]) * _unsigned(0x9E3779B1)
    v = _shifted(v, 15) + key[1]
    v = _shifted(v * _unsigned(0x85EBCA77), 13)
    v = _shifted(v * _unsigned(0xC2B2AE3D), 16)
    return tf.reshape(v >= _unsigned(round(rate * 2**32)), shape)


def _unsigned(number: int) -> tf.Tensor:
    return tf.constant(number, tf.uint32)


def _shifted(v: tf.Tensor, bits: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(v, tf.bitwise.right_shift(v, _unsigned(bits)))
