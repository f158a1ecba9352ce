"""The exponential moving average of the weights, which is scored and kept in their place.

Source: Tarvainen and Valpola, 2017 (arXiv 1703.01780), also for the share that grows in the first steps.
"""

import contextlib
from typing import Any

from .._keras import keras2, tensorflow

tf = tensorflow()
Callback: Any = keras2().callbacks.Callback


class Average(Callback):
    """After each step the average moves towards the weights: by 1 - decay, in the first steps by more.

    Args:
        weights: the variables that are trained.
        decay: below 1; the average looks back over some 1 / (1 - decay) steps.

    Attributes:
        averages: variables, as long as `weights`.
        steps: a variable.
    """

    def __init__(self, weights, decay):
        super().__init__()
        self.of, self.decay = list(weights), decay
        self.averages = [tf.Variable(each, trainable=False) for each in self.of]
        self.steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._move = tf.function(self._moved, autograph=False)

    def on_train_batch_end(self, batch, logs=None):
        self._move()

    def _moved(self):
        steps = tf.cast(self.steps.assign_add(1), tf.float32)
        towards = 1 - tf.minimum(
            self.decay, steps / (steps + 9)
        )  # the first step's weights are taken as they are nearly
        for average, weight in zip(self.averages, self.of, strict=True):
            # average -= towards * (average - weight), multiplied and subtracted in one pass over the numbers
            tf.raw_ops.ResourceApplyGradientDescent(var=average.handle, alpha=towards, delta=average - weight)

    @contextlib.contextmanager
    def shown(self):
        """The model has the averages inside the block, and its own weights after it."""
        own = [each.numpy() for each in self.of]
        self.take()
        try:
            yield
        finally:
            for weight, before in zip(self.of, own, strict=True):
                weight.assign(before)

    def take(self):
        """The model has the averages from here on."""
        for weight, average in zip(self.of, self.averages, strict=True):
            weight.assign(average)
