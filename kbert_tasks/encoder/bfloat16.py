"""Products, biases and gelu in bfloat16 on a processor, in the forms that are fast there; for training.

Two things are slow otherwise: a bias that TensorFlow joins with the product before it takes oneDNN to a kernel without AMX (1.7 times
as long), and element-wise operations on bfloat16 convert each number to float32 and back, so gelu converts once instead.
In prediction, where weights are constants, the joined form is the fast one.
"""

from .._keras import is_on_cpu, tensorflow
from .gradients import custom_gradient
from .ops import GELU_A, GELU_B

tf = tensorflow()


def applies(x):
    """Whether a tensor is bfloat16 and computed on a processor."""
    return x.dtype == tf.bfloat16 and is_on_cpu()


def column_sums(x):
    """Sums over the rows of a matrix, by a product: faster than `reduce_sum`, and added up in float32."""
    return (tf.ones((1, tf.shape(x)[0]), x.dtype) @ x)[0]


@custom_gradient
def biased(y, b):
    """y (rows, size) + b. The additional axis keeps TensorFlow from joining it with the product before it."""

    def gradient(upstream):
        return upstream, column_sums(upstream)

    return tf.reshape(tf.reshape(y, (1, -1, y.shape[-1])) + b, tf.shape(y)), gradient


@custom_gradient
def _product(x, *weights):
    """x by several matrices of one shape at once: (tokens, hidden) to (tokens, sum of their columns)."""

    def gradient(upstream):
        with tf.control_dependencies([upstream]):  # or the joined matrix would be kept
            W = tf.concat([tf.identity(each) for each in weights], -1)
        dW, dx = tf.matmul(x, upstream, transpose_a=True), tf.matmul(upstream, W, transpose_b=True)
        return dx, *tf.split(dW, len(weights), -1)

    return x @ tf.concat(weights, -1), gradient


def one_product(x, *weights):
    """As `ops.one_product`."""
    number = len(weights) // 2
    return biased(_product(x, *weights[:number]), tf.concat(weights[number:], -1))


def feed_forward(x, W1, b1, W2, b2):
    """As `ops.feed_forward`, with gelu in float32."""
    return biased(_gelu_between(x, W1, b1, W2), b2)


@custom_gradient
def _gelu_between(x, W1, b1, W2):
    """gelu(x W1 + b1) W2; of the wide numbers only x W1 waits for the gradient."""
    product = x @ W1

    def wide(product):
        return tf.cast(tf.reshape(product, (1, -1, product.shape[-1])), tf.float32) + tf.cast(b1, tf.float32)

    def narrow(each):
        return tf.cast(each, x.dtype)[0]

    def gradient(upstream):
        with tf.control_dependencies([upstream]):  # or it would be computed at once, and kept
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
