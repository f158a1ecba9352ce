"""log(p / (1 - p)) of an answer from a model's scores, in forms that stay exact where p is near 0 or 1.

The log-odds rather than the score itself: a number added to all scores of a softmax moves no probability. Rather than
log p: that stands still where the model is sure.
"""

from .._keras import tensorflow


def one_of(scores, right, wrong):
    """Of one choice among several: its score against those of the others.

    Args:
        scores: (batch, choices), before the softmax.
        right: place of the answer.
        wrong: int array, places of all other choices.

    Returns:
        (batch,).
    """
    tf = tensorflow()
    return scores[:, right] - tf.reduce_logsumexp(tf.gather(scores, wrong, axis=1), -1)


def all_of(*scores):
    """Of several things being so together, whose probabilities are multiplied: (batch,) each, before the sigmoid."""
    tf = tensorflow()
    log_p = tf.add_n([tf.math.log_sigmoid(each) for each in scores])
    return log_p - tf.math.log(-tf.math.expm1(log_p))
