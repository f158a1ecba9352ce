"""Fast products, biases and gelu in bfloat16 on a CPU, for training.

The standard operations are slow for two reasons. If TensorFlow fuses a bias with the product before it, oneDNN uses a
kernel without AMX, which takes 1.7 times as long. And each element-wise operation on bfloat16 converts the numbers to
float32 and back, so gelu here converts them only once. In prediction the weights are constants, and the fused form is
faster.
"""

from typing import TYPE_CHECKING

from .._keras import is_on_cpu, tensorflow
from .gradients import custom_gradient
from .ops import GELU_A, GELU_B

if TYPE_CHECKING:
    import tensorflow as tf

    from .gradients import WithGradient

tf = tensorflow()


def applies(x: tf.Tensor) -> bool:
    """Returns whether a tensor is bfloat16 and TensorFlow computes on a CPU."""
    return x.dtype == tf.bfloat16 and is_on_cpu()


def column_sums(x: tf.Tensor) -> tf.Tensor:
    """Returns the sum of each column of a matrix.

    It is computed as a matrix product, which is faster than `reduce_sum` and accumulates in float32.
    """
    return (tf.ones((1, tf.shape(x)[0]), x.dtype) @ x)[0]


@custom_gradient
def biased(y: tf.Tensor, b: tf.Tensor) -> "WithGradient":
    """Returns y (rows, size) + b. The additional axis prevents TensorFlow from fusing it with the product before it."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return upstream, column_sums(upstream)

    return tf.reshape(tf.reshape(y, (1, -1, y.shape[-1])) + b, tf.shape(y)), gradient


@custom_gradient
def _product(x: tf.Tensor, *weights: tf.Tensor) -> "WithGradient":
    """Multiplies x by several matrices of the same shape at once: (tokens, hidden) to (tokens, total columns)."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.control_dependencies([upstream]):  # otherwise the concatenated matrix would stay in memory
            W = tf.concat([tf.identity(each) for each in weights], -1)
        dW, dx = tf.matmul(x, upstream, transpose_a=True), tf.matmul(upstream, W, transpose_b=True)
        return dx, *tf.split(dW, len(weights), -1)

    return x @ tf.concat(weights, -1), gradient


def one_product(x: tf.Tensor, *weights: tf.Tensor) -> tf.Tensor:
    """The same as `ops.one_product`, for bfloat16 on a CPU."""
    number = len(weights) // 2
    return biased(_product(x, *weights[:number]), tf.concat(weights[number:], -1))


def feed_forward(x: tf.Tensor, W1: tf.Tensor, b1: tf.Tensor, W2: tf.Tensor, b2: tf.Tensor) -> tf.Tensor:
    """The same as `ops.feed_forward`, for bfloat16 on a CPU, with gelu in float32."""
    return biased(_gelu_between(x, W1, b1, W2), b2)


@custom_gradient
def _gelu_between(x: tf.Tensor, W1: tf.Tensor, b1: tf.Tensor, W2: tf.Tensor) -> "WithGradient":
    """Returns gelu(x W1 + b1) W2. Of the intermediate results, only x W1 stays in memory for the gradient."""
    product = x @ W1

    def wide(product: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.reshape(product, (1, -1, product.shape[-1])), tf.float32) + tf.cast(b1, tf.float32)

    def narrow(each: tf.Tensor) -> tf.Tensor:
        return tf.cast(each, x.dtype)[0]

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.control_dependencies([upstream]):  # otherwise it would be computed early and stay in memory
            w = wide(tf.identity(product))
        square = tf.square(w)
        share = tf.sigmoid(w * (square * GELU_B + GELU_A))
        slope = share + tf.raw_ops.SigmoidGrad(y=share, dy=w * (square * (3 * GELU_B) + GELU_A))
        dW2 = tf.matmul(narrow(w * share), upstream, transpose_a=True)
        down = narrow(tf.cast(tf.matmul(upstream, W2, transpose_b=True), tf.float32) * slope)
        dW1 = tf.matmul(x, down, transpose_a=True)
        return tf.matmul(down, W1, transpose_b=True), dW1, column_sums(down), dW2

    w = wide(product)
    return narrow(w * tf.sigmoid(w * (tf.square(w) * GELU_B + GELU_A))) @ W2, gradient
