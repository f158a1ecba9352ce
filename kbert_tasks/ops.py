"""What the encoder computes between its matrix products, with gradients written by hand where that saves time.

TensorFlow's own gradients of these go over the numbers again and again; `benchmarks/ops.py` measures both.
"""

from ._keras import keras2, tensorflow

tf = tensorflow()


def seeded(number):
    """Everything that is drawn at random from here on depends on `number`.

    Dropout draws from TensorFlow's global generator: its state is a variable, so that a run that was stopped can go on
    with the very draws that it would have made.
    """
    keras2().utils.set_random_seed(number)
    tf.random.get_global_generator().reset_from_seed(number)


def dropped(x, rate):
    """x with a share `rate` of its numbers, drawn at random, set to 0 and the others scaled so that the mean stays.

    A number takes 16 random bits, where `tf.nn.dropout` takes 32 and makes a float of them. The share is rounded to a
    65536th.
    """
    seed = tf.random.get_global_generator().make_seeds()[:, 0]
    size, limit = tf.size(x), round(rate * 2**16)
    bits = tf.random.stateless_uniform((-(-size // 4),), seed, None, None, tf.uint64)
    bits = tf.reshape(tf.reshape(tf.bitcast(bits, tf.uint16), (-1,))[:size], tf.shape(x))
    scale = tf.cast(2**16 / (2**16 - limit), x.dtype)
    return tf.where(bits >= tf.constant(limit, tf.uint16), x * scale, tf.zeros((), x.dtype))


@tf.custom_gradient
def rows_of(table, numbers):
    """Rows of a matrix, with a dense gradient: the fused kernel of Adam takes no other."""

    def gradient(upstream):
        flat = tf.reshape(upstream, (-1, table.shape[1]))
        return tf.math.unsorted_segment_sum(flat, tf.reshape(numbers, (-1,)), table.shape[0]), None

    return tf.gather(table, numbers), gradient


@tf.custom_gradient
def gelu(x):
    """The Gaussian error linear unit by Google's formula, 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).

    Here as x sigmoid(a x + b x^3), which is the same.
    """
    a = 2 * 0.7978845608028654
    b = a * 0.044715
    share = tf.sigmoid(x * (x * x * b + a))

    def gradient(upstream):
        slope = tf.raw_ops.SigmoidGrad(y=share, dy=x * (x * x * (3 * b) + a))
        return upstream * (share + slope)

    return x * share, gradient


@tf.custom_gradient
def normalised(x, gamma, beta, epsilon=1e-12):
    """Layer normalisation of (..., hidden) in float32: each vector to mean 0 and deviation 1, times gamma, plus beta."""
    wide = tf.cast(x, tf.float32)
    away = wide - tf.reduce_mean(wide, -1, keepdims=True)
    scale = tf.math.rsqrt(tf.reduce_mean(away * away, -1, keepdims=True) + epsilon)
    unit = away * scale

    def gradient(upstream):
        upstream = tf.cast(upstream, tf.float32)
        inner = upstream * gamma
        mean, along = (tf.reduce_mean(each, -1, keepdims=True) for each in (inner, inner * unit))
        flat, rows = (tf.reshape(each, (-1, each.shape[-1])) for each in (upstream, unit))
        down = tf.cast((inner - mean - unit * along) * scale, x.dtype)
        return down, tf.reduce_sum(flat * rows, 0), tf.reduce_sum(flat, 0)

    return tf.cast(unit * gamma + beta, x.dtype), gradient
