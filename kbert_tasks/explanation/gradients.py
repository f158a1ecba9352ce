"""Integrated gradients.

Source: Sundararajan et al., "Axiomatic Attribution for Deep Networks", 2017 (arXiv 1703.01365).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .._keras import tensorflow

if TYPE_CHECKING:
    import tensorflow as tf

AT_ONCE = 512  # maximum number of tokens in a batch, so that memory does not depend on the number of steps


def integrated(score: "Callable[[tf.Tensor], tf.Tensor]", start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Computes the contribution of each token to the change of a score from `start` to `end`.

    Args:
        score: function from (n, tokens, hidden) to (n,).
        start, end: float32 (tokens, hidden), the token embeddings of the baseline and of the text.
        steps: number of points on the straight line between them (midpoint rule).

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
