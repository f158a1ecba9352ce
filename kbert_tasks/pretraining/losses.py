"""What pretraining minimises, and what it counts.

Loss of a batch: the mean over its masked tokens, plus the mean over its pairs; both are cross entropies in float32.
"""

from typing import Any

from .._keras import keras2, tensorflow
from ..encoder.bert import register
from ..encoder.gradients import custom_gradient

tf = tensorflow()
keras: Any = keras2()


@custom_gradient
def cross_entropy(gold, logits):
    """-log softmax(logits)[gold] of each row, float32 (rows,), from int32 (rows,) and float32 (rows, classes).

    TensorFlow's own takes twice as long on a CPU: for 1,216 rows of a vocabulary of 21,128, with the products before it and
    their gradients, a step took 308 ms with it and 178 ms with this one (two cores, busy with other work).
    """
    chances = tf.nn.softmax(logits)
    best = tf.argmax(logits, -1, tf.int32)  # as in Accuracy, so that TensorFlow computes it once

    def of(array, column):
        return tf.gather(array, column, batch_dims=1)

    # The logarithm of the sum, by the highest logit: its probability is never rounded to 0, while that of gold may be.
    each = of(logits, best) - tf.math.log(of(chances, best)) - of(logits, gold)

    def gradient(upstream):
        places = tf.stack([tf.range(tf.shape(logits)[0]), gold], -1)
        return None, tf.tensor_scatter_nd_sub(chances * upstream[:, None], places, upstream)

    return each, gradient


@register
def masked_words(gold, logits):
    """Mean cross entropy of the masked tokens, a number.

    Args:
        gold: ids (batch, masked), -1 where there is none.
        logits: float32 (batch, masked, vocabulary).
    """
    gold = tf.reshape(tf.cast(gold, tf.int32), (-1,))
    counted = tf.cast(gold >= 0, tf.float32)
    each = cross_entropy(tf.maximum(gold, 0), tf.reshape(logits, (-1, logits.shape[-1])))
    return tf.math.divide_no_nan(tf.reduce_sum(each * counted), tf.reduce_sum(counted))


@register
def next_sentence(gold, logits):
    """Mean cross entropy of gold (batch, 1), 0 or 1, under logits (batch, 2)."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(gold[:, 0], tf.int32), logits))


@register
class Accuracy(keras.metrics.Mean):
    """Share of gold ids, -1 not counted, whose logit is the highest."""

    def __init__(self, name="accuracy", **kwargs):
        super().__init__(name, **kwargs)

    def update_state(self, gold, logits, sample_weight=None):
        gold = tf.reshape(tf.cast(gold, tf.int32), (-1,))
        best = tf.argmax(tf.reshape(logits, (-1, logits.shape[-1])), -1, tf.int32)
        return super().update_state(tf.equal(best, gold), gold >= 0)


def losses():
    """For `model.compile`, by the outputs' names."""
    return {"MLM": masked_words, "NSP": next_sentence}


def metrics():
    return {"MLM": Accuracy(), "NSP": Accuracy()}
