"""Adam, AdamW, learning rate schedules and layer-wise learning rates.

Sources: Loshchilov and Hutter, 2019 (arXiv 1711.05101); google-research/bert, `optimization.py`, for the weights without
decay; Howard and Ruder, 2018 (arXiv 1801.06146), for layer-wise learning rates.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from .._keras import keras2, tensorflow
from ..encoder.ops import register
from ..encoder.pooling import POOLER
from ..errors import InputError
from . import distribution

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

    from .defaults import ResolvedSettings

NUMBERED = re.compile(r"Encoder-(\d+)-")  # a layer's number, from 1

tf = tensorflow()
keras = keras2()

# The values of a step for each device and type of numbers.
ApplyState: TypeAlias = dict[tuple[str, tf.DType], dict[str, tf.Tensor]]


@register
class AdamW(keras.optimizers.legacy.Adam):
    """Adam with decoupled weight decay.

    The class uses TensorFlow's fused kernel; ARCHITECTURE.md explains why it is based on the `legacy` optimizer. In each
    step, `learning rate * weight_decay` times a matrix is subtracted from it, in addition to the update of Adam. Vectors
    do not decay: in BERT they are the biases and gamma and beta of LayerNorm, which Google's code excludes too. As in the
    paper, and unlike in Google's code, Adam corrects the bias of its moments.

    Args:
        learning_rate: a number or a schedule, for example from `warmup_schedule`.
        weight_decay: factor of the decay; it is multiplied by the learning rate.
        epsilon: epsilon of Adam; the default is Google's 1e-6.
        rates: dict from layer name to the factor for its learning rate; see `falling`.
        kwargs: arguments of `keras.optimizers.legacy.Adam`, such as `global_clipnorm`.

    Examples:
        >>> AdamW(warmup_schedule(1e-4, 1000, 10000), weight_decay=0.01, global_clipnorm=1.0).get_config()["weight_decay"]
        0.01
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-4,
        weight_decay: float = 0.01,
        epsilon: float = 1e-6,
        rates: Mapping[str, float] | None = None,
        name: str = "AdamW",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, epsilon=epsilon, name=name, **kwargs)
        self.weight_decay, self.rates = weight_decay, dict(rates or {})

    def _aggregate_gradients(
        self, grads_and_vars: Iterable[tuple[tf.Tensor, tf.Variable]]
    ) -> list[tuple[tf.Tensor, tf.Variable]]:
        # Keras's version leaks the graph of the step into TensorFlow's gradient registry (gradients.py).
        gradients, weights = zip(*grads_and_vars, strict=True)
        return list(zip(distribution.summed([*gradients]), weights, strict=True))

    def _resource_apply_dense(
        self, grad: tf.Tensor, var: tf.Variable, apply_state: ApplyState | None = None
    ) -> tf.Operation:
        apply_state = self._state_of(var, apply_state)
        with tf.control_dependencies(self._decay(var, apply_state)):
            return super()._resource_apply_dense(grad, var, apply_state)

    def _resource_apply_sparse(
        self, grad: tf.Tensor, var: tf.Variable, indices: tf.Tensor, apply_state: ApplyState | None = None
    ) -> tf.Operation:
        apply_state = self._state_of(var, apply_state)
        with tf.control_dependencies(self._decay(var, apply_state)):
            return super()._resource_apply_sparse(grad, var, indices, apply_state)

    def _state_of(self, var: tf.Variable, apply_state: ApplyState | None) -> ApplyState:
        """Returns the values for this step on the variable's device, with the learning rate of its layer."""
        place = var.device, var.dtype.base_dtype
        state = (apply_state or {}).get(place) or self._fallback_apply_state(*place)
        share = self.rates.get(var.name.split("/")[0], 1.0)
        if share != 1.0:  # the kernel for sparse gradients reads `lr`: the rate with the bias correction
            state = state | {name: state[name] * share for name in ("lr", "lr_t") if name in state}
        return {place: state}

    def _decay(self, var: tf.Variable, apply_state: ApplyState) -> list[tf.Operation]:
        """Applies weight decay to a matrix. The order does not matter, because Adam's update ignores the weight."""
        if not self.weight_decay or var.shape.rank < 2:
            return []
        (state,) = apply_state.values()
        change = var.read_value() * (state["lr_t"] * self.weight_decay)
        return [var.assign_sub(change, use_locking=self._use_locking)]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"weight_decay": self.weight_decay, "rates": self.rates}


def build_optimizer(
    settings: "ResolvedSettings", steps: int, layers: Sequence[str]
) -> keras.optimizers.legacy.Optimizer:
    """Returns the optimizer for the settings of a task: plain Adam if they need nothing else, otherwise AdamW.

    Args:
        settings: Settings with `learning_rate`, `head_lr_multiplier`, `warmup_ratio`, `schedule`, `weight_decay`,
            `layerwise_lr_decay` and `global_clipnorm`, none of them "auto".
        steps: number of steps in the whole training.
        layers: names of the layers of the model.
    """
    rate: float | WarmUp = settings.learning_rate
    if settings.warmup_ratio or settings.schedule != "constant":
        rate = warmup_schedule(settings.learning_rate, round(settings.warmup_ratio * steps), steps, settings.schedule)
    clipped: dict[str, Any] = {} if settings.global_clipnorm is None else {"global_clipnorm": settings.global_clipnorm}
    rates = falling(layers, settings.layerwise_lr_decay) | heads(layers, settings.head_lr_multiplier)
    if not settings.weight_decay and set(rates.values()) <= {1}:
        return keras.optimizers.legacy.Adam(rate, **clipped)
    epsilon = (
        1e-6 if settings.weight_decay else 1e-7
    )  # Keras's default for Adam, if only the layer rates differ from Adam
    return AdamW(rate, settings.weight_decay, epsilon, rates, **clipped)


def with_slots(
    optimizer: keras.optimizers.legacy.Optimizer, weights: Sequence[tf.Variable]
) -> keras.optimizers.legacy.Optimizer:
    """Creates the moments of the optimizer and returns it.

    If the first step created them, TensorFlow would trace the step twice.
    """
    optimizer._create_all_weights(weights)
    return optimizer


def numbered(layer: str) -> int | None:
    """Returns the number of the encoder layer that a Keras layer belongs to: 0 for embeddings, None for a head."""
    found = NUMBERED.match(layer)
    return int(found[1]) if found else 0 if layer.startswith("Embedding-") else None


def falling(layers: Iterable[str], decay: float) -> dict[str, float]:
    """Returns a dict from layer name to its learning rate factor under layer-wise decay.

    The factor is 1 for the head, `decay` for the last encoder layer, `decay` squared for the layer below it, and so on.
    The embeddings are below the first layer.
    """
    numbers = {name: number for name in layers if (number := numbered(name)) is not None}
    highest = max(numbers.values(), default=0)
    return {name: decay ** (highest - number + 1) for name, number in numbers.items()}


def heads(layers: Iterable[str], multiplier: float) -> dict[str, float]:
    """Returns a dict from the name of each newly initialised layer to `multiplier`.

    The pooler is excluded, because its weights come from the checkpoint.
    """
    return {name: multiplier for name in layers if numbered(name) is None and name != POOLER}


def warmup_schedule(peak: float, warmup_steps: int, steps: int, schedule: str = "linear") -> "WarmUp":
    """Returns a learning rate schedule with a linear warm-up, followed by a linear decay to 0.

    Args:
        peak: the highest learning rate, reached at step `warmup_steps`, counted from 1.
        warmup_steps: number of warm-up steps; may be 0.
        steps: number of steps in the whole training.
        schedule: "linear" for the decay, or "constant" to stay at the peak.

    Returns:
        A `LearningRateSchedule` that takes the number of completed steps.

    Raises:
        InputError: the warm-up is longer than the training.
    """
    if warmup_steps > steps:
        raise InputError(f"warmup_steps should be at most the {steps} steps of the training, not {warmup_steps}")
    return WarmUp(peak, warmup_steps, steps, schedule)


@register
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate schedule of `warmup_schedule`."""

    def __init__(self, peak: float, warmup_steps: int, steps: int, schedule: str = "linear") -> None:
        super().__init__()
        self.peak, self.warmup_steps, self.steps, self.schedule = peak, warmup_steps, steps, schedule

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        up = (step + 1) / max(self.warmup_steps, 1)
        down = (self.steps - step) / max(self.steps - self.warmup_steps, 1) if self.schedule == "linear" else 1.0
        return self.peak * tf.clip_by_value(tf.minimum(up, down) if self.warmup_steps else down, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("peak", "warmup_steps", "steps", "schedule")}
