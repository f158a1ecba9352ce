"""AdamW and its learning rate: up in a line, down in a line.

Sources: Loshchilov and Hutter, 2019 (arXiv 1711.05101); google-research/bert, `optimization.py`, for what is not decayed.
"""

from ._keras import keras2, tensorflow
from .encoder import register
from .errors import InputError

tf, keras = tensorflow(), keras2()


@register
class AdamW(keras.optimizers.legacy.Adam):
    """Adam with decoupled weight decay, by the fused kernel (see ARCHITECTURE.md for why `legacy`).

    In each step a matrix loses `learning rate * weight_decay` of itself beside what Adam changes. Vectors do not decay:
    in a BERT they are the biases and LayerNorm's gamma and beta, which Google leaves out too. As in the article, and
    unlike Google's code, Adam corrects the bias of its moments.

    Args:
        learning_rate: a number or a schedule, such as `warmed` makes.
        weight_decay: share of a matrix, times the learning rate, that a step takes away.
        epsilon: Google's 1e-6.
        kwargs: of `keras.optimizers.legacy.Adam`, such as `global_clipnorm`.

    Example:
        >>> AdamW(warmed(1e-4, 1000, 10000), weight_decay=0.01, global_clipnorm=1.0).get_config()["weight_decay"]
        0.01
    """

    def __init__(self, learning_rate=1e-4, weight_decay=0.01, epsilon=1e-6, name="AdamW", **kwargs):
        super().__init__(learning_rate, epsilon=epsilon, name=name, **kwargs)
        self.weight_decay = weight_decay

    def _resource_apply_dense(self, grad, var, apply_state=None):
        with tf.control_dependencies(self._decay(var, apply_state)):
            return super()._resource_apply_dense(grad, var, apply_state)

    def _resource_apply_sparse(self, grad, var, indices, apply_state=None):
        with tf.control_dependencies(self._decay(var, apply_state)):
            return super()._resource_apply_sparse(grad, var, indices, apply_state)

    def _decay(self, var, apply_state):
        """Takes its share off a matrix. Adam's own change does not look at the weight, so what comes first is one."""
        if not self.weight_decay or var.shape.rank < 2:
            return []
        place = var.device, var.dtype.base_dtype
        rate = ((apply_state or {}).get(place) or self._fallback_apply_state(*place))["lr_t"]
        return [var.assign_sub(var.read_value() * (rate * self.weight_decay), use_locking=self._use_locking)]

    def get_config(self):
        return super().get_config() | {"weight_decay": self.weight_decay}


def warmed(peak, warm_up_steps, steps):
    """The learning rate of each step: up to `peak` in `warm_up_steps` steps, then down in a line, to 0 after the last.

    Args:
        peak: the highest learning rate, that of step `warm_up_steps` counted from 1.
        warm_up_steps: may be 0.
        steps: of the whole training.

    Returns:
        A `LearningRateSchedule` of the number of steps done.

    Raises:
        InputError: the warm-up is longer than the training.
    """
    if warm_up_steps > steps:
        raise InputError(f"warm_up_steps should be at most the {steps} steps of the training, not {warm_up_steps}")
    return WarmUp(peak, warm_up_steps, steps)


@register
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """See `warmed`."""

    def __init__(self, peak, warm_up_steps, steps):
        super().__init__()
        self.peak, self.warm_up_steps, self.steps = peak, warm_up_steps, steps

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        up = (step + 1) / max(self.warm_up_steps, 1)
        down = (self.steps - step) / max(self.steps - self.warm_up_steps, 1)
        return self.peak * tf.clip_by_value(tf.minimum(up, down) if self.warm_up_steps else down, 0.0, 1.0)

    def get_config(self):
        return {"peak": self.peak, "warm_up_steps": self.warm_up_steps, "steps": self.steps}
