"""Operations of the encoder, with custom gradients where they save time.

TensorFlow's own gradients of these operations read the numbers several times. `benchmarks/ops.py` compares both.
"""

from typing import TYPE_CHECKING

import numpy as np

from .._keras import is_tpu, keras2, tensorflow
from .gradients import custom_gradient

if TYPE_CHECKING:
    import tensorflow as tf

    from .gradients import WithGradient

tf = tensorflow()

# Decorator for classes and functions that Keras must find when it loads a saved model.
register = keras2().utils.register_keras_serializable(package="kbert_tasks")


def seeded(number: int) -> None:
    """Sets all random seeds to `number`.

    Dropout uses TensorFlow's global generator. Its state is a variable, so an interrupted run can resume with the same
    random numbers. Inside the scope of a strategy, each device has its own random numbers.
    """
    keras2().utils.set_random_seed(number)
    tf.random.set_global_generator(tf.random.Generator.from_seed(number))


def new_seed() -> tf.Tensor:
    """Returns the seed (2,), int64, of one dropout mask, from TensorFlow's global generator.

    The generator puts all its random bits in the first number; the second one is 0.
    """
    return tf.random.get_global_generator().make_seeds()[:, 0]


def kept(shape: tf.Tensor, seed: tf.Tensor, rate: float) -> tf.Tensor:
    """Returns a bool tensor of the given shape: the positions that dropout keeps.

    The function uses 16 random bits for each number, while `tf.nn.dropout` uses 32 and converts them to a float. The rate
    is rounded to a multiple of 1 / 65536. On a TPU, which cannot split 64-bit integers, it uses 32 bits. The same seed
    and shape give the same positions.
    """
    limit = round(rate * 2**16)
    if is_tpu(tensorflow().distribute.get_strategy()):
        return tf.random.stateless_uniform(shape, seed, None, None, tf.uint32) >= tf.constant(limit * 2**16, tf.uint32)
    size = tf.reduce_prod(shape)
    bits = tf.random.stateless_uniform((-(-size // 4),), seed, None, None, tf.uint64)
    bits = tf.reshape(tf.reshape(tf.bitcast(bits, tf.uint16), (-1,))[:size], shape)
    return bits >= tf.constant(limit, tf.uint16)


def kept_scale(rate: float) -> float:
    """Returns the factor by which dropout multiplies the numbers that it keeps, so that their mean does not change."""
    return 2**16 / (2**16 - round(rate * 2**16))


def dropped(x: tf.Tensor, rate: float) -> tf.Tensor:
    """Applies dropout: sets a random share `rate` of x to 0 and scales the rest to keep the mean."""
    there = kept(tf.shape(x), new_seed(), rate)
    return tf.where(there, x * tf.cast(kept_scale(rate), x.dtype), tf.zeros((), x.dtype))


@custom_gradient
def rows_of(table: tf.Tensor, numbers: tf.Tensor) -> "WithGradient":
    """Returns rows of a matrix, with a dense gradient, because the fused kernel of Adam needs one."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        flat = tf.reshape(upstream, (-1, table.shape[1]))
        rows = table.shape[0] or tf.shape(table)[0]
        return tf.math.unsorted_segment_sum(flat, tf.reshape(numbers, (-1,)), rows), None

    return tf.gather(table, numbers), gradient


@register  # otherwise Keras would load its own gelu, which uses the error function, from an .h5 file
def gelu(x: tf.Tensor) -> tf.Tensor:
    """Returns the Gaussian error linear unit of x by Google's formula.

    The formula is 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), computed in the equivalent form
    x sigmoid(a x + b x^3).
    """
    return _gelu(x)  # Keras can save only plain functions, and custom_gradient does not return one


@custom_gradient
def _gelu(x: tf.Tensor) -> "WithGradient":
    share = _share(x)
    return x * share, lambda upstream: upstream * _slope(x, share)


GELU_A = 2 * 0.7978845608028654
GELU_B = GELU_A * 0.044715


def _share(x: tf.Tensor) -> tf.Tensor:
    return tf.sigmoid(x * (x * x * GELU_B + GELU_A))


def _slope(x: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    return share + tf.raw_ops.SigmoidGrad(y=share, dy=x * (x * x * (3 * GELU_B) + GELU_A))


@custom_gradient
def feed_forward(x: tf.Tensor, W1: tf.Tensor, b1: tf.Tensor, W2: tf.Tensor, b2: tf.Tensor) -> "WithGradient":
    """Returns gelu(x W1 + b1) W2 + b2 for x (tokens, hidden).

    Of the intermediate results, only x W1 + b1 stays in memory for the gradient.
    """
    wide = x @ W1 + b1

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.control_dependencies([upstream]):  # otherwise it would be computed early and stay in memory
            again = tf.identity(wide)
        share = _share(again)
        dW2 = tf.matmul(again * share, upstream, transpose_a=True)
        down = tf.matmul(upstream, W2, transpose_b=True) * _slope(again, share)
        dW1 = tf.matmul(x, down, transpose_a=True)
        dx = tf.matmul(down, W1, transpose_b=True)
        return dx, dW1, tf.reduce_sum(down, 0), dW2, tf.reduce_sum(upstream, 0)

    return wide * _share(wide) @ W2 + b2, gradient


@custom_gradient
def one_product(x: tf.Tensor, *weights: tf.Tensor) -> "WithGradient":
    """Multiplies x by several matrices at once and adds their biases: (tokens, hidden) to (tokens, total columns).

    The gradient concatenates the matrices again instead of storing the result.

    Args:
        x: (tokens, hidden).
        weights: the matrices, all of the same shape, followed by their biases.
    """
    number = len(weights) // 2

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.control_dependencies([upstream]):
            W = tf.concat([tf.identity(each) for each in weights[:number]], -1)
        dW, db = tf.matmul(x, upstream, transpose_a=True), tf.reduce_sum(upstream, 0)
        dx = tf.matmul(upstream, W, transpose_b=True)
        return dx, *tf.split(dW, number, -1), *tf.split(db, number, -1)

    return x @ tf.concat(weights[:number], -1) + tf.concat(weights[number:], -1), gradient


@custom_gradient
def normalised(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float = 1e-12) -> "WithGradient":
    """Applies layer normalisation to x (..., hidden) in float32, with the factor gamma and the offset beta."""
    wide = tf.cast(x, tf.float32)
    away = wide - tf.reduce_mean(wide, -1, keepdims=True)
    scale = tf.math.rsqrt(tf.reduce_mean(away * away, -1, keepdims=True) + epsilon)
    unit = away * scale

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        upstream = tf.cast(upstream, tf.float32)
        inner = upstream * gamma
        mean, along = (tf.reduce_mean(each, -1, keepdims=True) for each in (inner, inner * unit))
        flat, rows = (tf.reshape(each, (-1, each.shape[-1])) for each in (upstream, unit))
        down = tf.cast((inner - mean - unit * along) * scale, x.dtype)
        return down, tf.reduce_sum(flat * rows, 0), tf.reduce_sum(flat, 0)

    return tf.cast(unit * gamma + beta, x.dtype), gradient


def normalised_by_onednn(x: tf.Tensor, gamma: np.ndarray, beta: np.ndarray) -> tf.Tensor:
    """Applies layer normalisation to x (..., hidden), float32, in the form that TensorFlow computes as one oneDNN kernel.

    The kernel always adds 0.001 to the variance. So x is multiplied by 2^15, which is exact and makes 0.001 as small as
    BERT's 1e-12. Where TensorFlow does not recognise the form, it computes the same in several operations.

    Args:
        x: (..., hidden).
        gamma, beta: factor and offset (hidden,); the form is recognised for constants only.
    """
    axis = [x.shape.rank - 1]  # the form is not recognised with -1
    x = x * 2.0**15
    mean = tf.reduce_mean(x, axis, keepdims=True)
    variance = tf.reduce_mean(tf.math.squared_difference(x, mean), axis, keepdims=True)
    scale = tf.math.rsqrt(variance + 1e-3) * gamma
    return x * scale + (beta - mean * scale)
