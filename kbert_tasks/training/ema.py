"""Exponential moving average of the weights, which replaces the weights for scoring and in the trained model.

Source: Tarvainen and Valpola, 2017 (arXiv 1703.01780), also for the decay that increases in the first steps.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._keras import keras2, tensorflow

if TYPE_CHECKING:
    import tensorflow as tf

tf = tensorflow()
Callback: Any = keras2().callbacks.Callback


class Average(Callback):
    """Updates an exponential moving average of the weights after each step.

    The first steps use a smaller decay.

    Args:
        weights: the trained variables.
        decay: a number below 1; the average covers about 1 / (1 - decay) steps.

    Attributes:
        averages: list of variables, one for each variable in `weights`.
        steps: a variable with the number of steps.
    """

    def __init__(self, weights: Iterable[tf.Variable], decay: float) -> None:
        super().__init__()
        self.of, self.decay = list(weights), decay
        self.averages = [tf.Variable(each, trainable=False) for each in self.of]
        self.steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._move = tf.function(self._moved, autograph=False)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._move()

    def _moved(self) -> None:
        steps = tf.cast(self.steps.assign_add(1), tf.float32)
        # After the first step, the average is nearly equal to the weights.
        towards = 1 - tf.minimum(self.decay, steps / (steps + 9))
        for average, weight in zip(self.averages, self.of, strict=True):
            # average -= towards * (average - weight) as one operation, which reads the numbers only once
            tf.raw_ops.ResourceApplyGradientDescent(var=average.handle, alpha=towards, delta=average - weight)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Gives the model the averaged weights inside the block and restores its own weights afterwards."""
        own = [each.numpy() for each in self.of]
        self.take()
        try:
            yield
        finally:
            for weight, before in zip(self.of, own, strict=True):
                weight.assign(before)

    def take(self) -> None:
        """Replaces the weights of the model with the averages."""
        for weight, average in zip(self.of, self.averages, strict=True):
            weight.assign(average)
