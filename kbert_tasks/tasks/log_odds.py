"""Log-odds log(p / (1 - p)) of an answer, computed from logits so that they are accurate for p near 0 or 1.

Explanations use log-odds instead of logits, because adding a constant to all logits of a softmax does not change any
probability, and instead of log p, because log p is almost constant where the model is certain.
"""

from typing import TYPE_CHECKING

import numpy as np

from .._keras import tensorflow

if TYPE_CHECKING:
    from tensorflow import Tensor


def one_of(scores: "Tensor", right: int, wrong: np.ndarray) -> "Tensor":
    """Returns the log-odds of one class of a softmax.

    Args:
        scores: logits (batch, classes).
        right: index of the class.
        wrong: int array, indices of all other classes.

    Returns:
        (batch,).
    """
    tf = tensorflow()
    return scores[:, right] - tf.reduce_logsumexp(tf.gather(scores, wrong, axis=1), -1)


def all_of(*scores: "Tensor") -> "Tensor":
    """Returns the log-odds of the product of probabilities.

    Args:
        *scores: logits (batch,) of each probability, before the sigmoid.

    Returns:
        (batch,).
    """
    tf = tensorflow()
    log_p = tf.add_n([tf.math.log_sigmoid(each) for each in scores])
    return log_p - tf.math.log(-tf.math.expm1(log_p))
