"""Adam, AdamW and the learning rate: of each step, of each layer.

Sources: Loshchilov and Hutter, 2019 (arXiv 1711.05101); google-research/bert, `optimization.py`, for what is not decayed;
Howard and Ruder, 2018 (arXiv 1801.06146), for rates that fall from layer to layer.
"""

import re
from typing import Any

from .._keras import keras2, tensorflow
from ..encoder.bert import register
from ..encoder.layers import POOLER
from ..errors import InputError
from . import distribution

NUMBERED = re.compile(r"Encoder-(\d+)-")  # a layer's number, from 1

tf = tensorflow()
keras: Any = keras2()


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
        rates: layer name to what its learning rate is multiplied by; see `falling`.
        kwargs: of `keras.optimizers.legacy.Adam`, such as `global_clipnorm`.

    Examples:
        >>> AdamW(warmed(1e-4, 1000, 10000), weight_decay=0.01, global_clipnorm=1.0).get_config()["weight_decay"]
        0.01
    """

    def __init__(self, learning_rate=1e-4, weight_decay=0.01, epsilon=1e-6, rates=None, name="AdamW", **kwargs):
        super().__init__(learning_rate, epsilon=epsilon, name=name, **kwargs)
        self.weight_decay, self.rates = weight_decay, dict(rates or {})

    def _aggregate_gradients(self, grads_and_vars):
        # Keras's own leaves the graph of the step in TensorFlow's registry of gradients (gradients.py).
        gradients, weights = zip(*grads_and_vars, strict=True)
        return list(zip(distribution.summed([*gradients]), weights, strict=True))

    def _resource_apply_dense(self, grad, var, apply_state=None):
        apply_state = self._state_of(var, apply_state)
        with tf.control_dependencies(self._decay(var, apply_state)):
            return super()._resource_apply_dense(grad, var, apply_state)

    def _resource_apply_sparse(self, grad, var, indices, apply_state=None):
        apply_state = self._state_of(var, apply_state)
        with tf.control_dependencies(self._decay(var, apply_state)):
            return super()._resource_apply_sparse(grad, var, indices, apply_state)

    def _state_of(self, var, apply_state):
        """What the step knows of the variable's place, with the learning rate of its layer."""
        place = var.device, var.dtype.base_dtype
        state = (apply_state or {}).get(place) or self._fallback_apply_state(*place)
        share = self.rates.get(var.name.split("/")[0], 1.0)
        if share != 1.0:  # `lr` is what the kernel for sparse gradients reads: the rate with the moments' correction
            state = state | {name: state[name] * share for name in ("lr", "lr_t") if name in state}
        return {place: state}

    def _decay(self, var, apply_state):
        """Takes its share off a matrix. Adam's own change does not look at the weight, so what comes first is one."""
        if not self.weight_decay or var.shape.rank < 2:
            return []
        (state,) = apply_state.values()
        change = var.read_value() * (state["lr_t"] * self.weight_decay)
        return [var.assign_sub(change, use_locking=self._use_locking)]

    def get_config(self):
        return super().get_config() | {"weight_decay": self.weight_decay, "rates": self.rates}


def chosen(settings, steps, layers):
    """The optimizer that the settings of a task ask for: Adam as it is, unless they ask for more.

    Args:
        settings: with `learning_rate`, `head_lr_multiplier`, `warmup_ratio`, `schedule`, `weight_decay`, `layerwise_lr_decay` and
            `global_clipnorm`; none of them "auto".
        steps: of the whole training.
        layers: names of the model's layers.
    """
    rate = settings.learning_rate
    if settings.warmup_ratio or settings.schedule != "constant":
        rate = warmed(rate, round(settings.warmup_ratio * steps), steps, settings.schedule)
    clipped = {} if settings.global_clipnorm is None else {"global_clipnorm": settings.global_clipnorm}
    rates = falling(layers, settings.layerwise_lr_decay) | heads(layers, settings.head_lr_multiplier)
    if not settings.weight_decay and set(rates.values()) <= {1}:
        return keras.optimizers.legacy.Adam(rate, **clipped)
    epsilon = 1e-6 if settings.weight_decay else 1e-7  # as Adam has it, where it is Adam but for the layers' rates
    return AdamW(rate, settings.weight_decay, epsilon, rates, **clipped)


def begun(optimizer, weights):
    """The optimizer with its moments made beforehand. Made in the first step, they would let TensorFlow trace it twice."""
    optimizer._create_all_weights(weights)
    return optimizer


def numbered(layer):
    """The number of the encoder's layer that a Keras layer belongs to: 0 for the embeddings, None for a head."""
    found = NUMBERED.match(layer)
    return int(found[1]) if found else 0 if layer.startswith("Embedding-") else None


def falling(layers, decay):
    """Layer name to the share of the learning rate it gets: 1 for the head, `decay` for the last layer, and so on down.

    The embeddings come below the first layer.
    """
    numbers = {name: number for name in layers if (number := numbered(name)) is not None}
    highest = max(numbers.values(), default=0)
    return {name: decay ** (highest - number + 1) for name, number in numbers.items()}


def heads(layers, multiplier):
    """Name of each newly initialised layer to `multiplier`. The pooler is not one: its weights come with the checkpoint."""
    return {name: multiplier for name in layers if numbered(name) is None and name != POOLER}


def warmed(peak, warmup_steps, steps, schedule="linear"):
    """The learning rate of each step: up to `peak` in `warmup_steps` steps, then down in a line, to 0 after the last.

    Args:
        peak: the highest learning rate, that of step `warmup_steps` counted from 1.
        warmup_steps: may be 0.
        steps: of the whole training.
        schedule: "linear", or "constant" to stay at the peak.

    Returns:
        A `LearningRateSchedule` of the number of steps done.

    Raises:
        InputError: the warm-up is longer than the training.
    """
    if warmup_steps > steps:
        raise InputError(f"warmup_steps should be at most the {steps} steps of the training, not {warmup_steps}")
    return WarmUp(peak, warmup_steps, steps, schedule)


@register
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """See `warmed`."""

    def __init__(self, peak, warmup_steps, steps, schedule="linear"):
        super().__init__()
        self.peak, self.warmup_steps, self.steps, self.schedule = peak, warmup_steps, steps, schedule

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        up = (step + 1) / max(self.warmup_steps, 1)
        down = (self.steps - step) / max(self.steps - self.warmup_steps, 1) if self.schedule == "linear" else 1.0
        return self.peak * tf.clip_by_value(tf.minimum(up, down) if self.warmup_steps else down, 0.0, 1.0)

    def get_config(self):
        return {name: getattr(self, name) for name in ("peak", "warmup_steps", "steps", "schedule")}
