"""Integrated gradients.

Source: Sundararajan et al., "Axiomatic Attribution for Deep Networks", 2017 (arXiv 1703.01365).
"""

import numpy as np

from .._keras import tensorflow

AT_ONCE = 512  # tokens: keeps memory even, whatever the number of steps


def integrated(score, start, end, steps):
    """The share of each token in the way of the score from `start` to `end`.

    Args:
        score: function from (n, tokens, hidden) to (n,).
        start, end: float32 (tokens, hidden), the vectors of the baseline and of the text.
        steps: points on the straight line between them, each in the middle of its part (the midpoint rule).

    Returns:
        float64 (tokens,).
    """
    tf = tensorflow()
    shares = ((np.arange(steps) + 0.5) / steps).astype("float32")
    some, total = max(1, AT_ONCE // len(end)), np.zeros(end.shape)
    for i in range(0, steps, some):
        points = tf.constant(start + shares[i : i + some, None, None] * (end - start))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            scores = score(points)
        total += tape.gradient(scores, points).numpy().sum(0, dtype="float64")
    return (total / steps * (end - start)).sum(-1)
