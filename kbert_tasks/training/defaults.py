"""Choose training settings from the checkpoint size, the task, the number of texts and the number of steps.

A setting with the value "auto" gets its value here, with a reason. The plan prints both, and `report.json` contains them.
A value that the user sets is not changed, but other automatic settings can depend on it, such as the warm-up of a linear
schedule. `benchmarks/defaults.md` contains the measurements behind the constants.
"""

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ..settings import AUTO, Settings

BASE_HIDDEN = 768  # hidden size of Google's base model; Adam(1e-5) of the specification is for this size and larger
FEW_TEXTS = 300  # with fewer texts, a tenth of them is too small to choose an epoch
HELD_OUT = 0.1

V = TypeVar("V", bound=float | str)  # the type of a setting

if TYPE_CHECKING:

    class ResolvedSettings(Settings):
        """Settings without "auto", as `resolve` returns them."""

        epochs: int
        learning_rate: float
        head_lr_multiplier: float
        warmup_ratio: float
        ema_decay: float
        fgm_epsilon: float
        patience: int


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Default training settings for a kind of task.

    Attributes:
        base_rate: learning rate for a checkpoint of base size or larger.
        highest_rate: smaller checkpoints use `base_rate * (768 / hidden size)^3`, with this value as the maximum.
        head_multiplier: factor for the learning rate of newly initialised layers.
        epochs: minimum number of epochs.
        steps: minimum number of steps in total; small files get more epochs to reach it.
        base_epochs, base_steps: the same minimums for a checkpoint of base size or larger.
        fgm_epsilon: norm of the perturbation of adversarial training, for a small checkpoint.
    """

    base_rate: float
    highest_rate: float
    head_multiplier: float
    epochs: int
    steps: int
    base_epochs: int
    base_steps: int
    fgm_epsilon: float


# Recipes for tasks that predict something of the whole text, and for tasks that find spans in it.
TEXTS = Recipe(1e-5, 4e-4, 1.0, epochs=4, steps=300, base_epochs=3, base_steps=300, fgm_epsilon=1.0)
SPANS = Recipe(2e-5, 6e-4, 5.0, epochs=6, steps=700, base_epochs=5, base_steps=700, fgm_epsilon=0.0)
MOST_EPOCHS = 30
AVERAGED = 0.99  # decay of the moving average of the weights
ADVERSARIAL_HIDDEN = 256  # at 384, adversarial training gained only 0.4 points
ADVERSARIAL_STEPS = 2000  # maximum number of steps of an adversarial training, whose steps take 1.6 times as long


@dataclasses.dataclass(frozen=True)
class Resolved(Generic[V]):
    """A value and why it was chosen."""

    value: V
    reason: str


def held_out_share(settings: Settings, texts: int) -> Resolved[float]:
    """Returns the share of training texts to hold out if there is no development file, as a Resolved.

    Args:
        settings: the Settings of the task.
        texts: number of training texts.
    """
    if texts < FEW_TEXTS:
        how = (
            "a fixed number of steps"
            if settings.epochs == AUTO
            else f"the requested number of epochs, {settings.epochs}"
        )
        found = Resolved(0.0, f"{texts} texts are too few to hold some out: train on all of them, for {how}")
    else:
        found = Resolved(HELD_OUT, f"{texts:,} texts are enough to hold out a tenth, to choose the best epoch")
    return chosen(settings.validation_split, found)


def resolve(
    settings: Settings, recipe: Recipe, hidden: int, windows: int, developing: bool, on_tpu: bool = False
) -> "tuple[ResolvedSettings, dict[str, Resolved[Any]]]":
    """Replaces each "auto" in the settings with a value and returns the reasons.

    Args:
        settings: the Settings of the task.
        recipe: the Recipe of the task.
        hidden: hidden size of the checkpoint.
        windows: number of texts, or windows of texts, in an epoch.
        developing: whether there are development texts.
        on_tpu: whether the model trains on a TPU. A TPU is slow to return the weights after each step, which the moving
            average needs.

    Returns:
        (Settings without "auto", {name: Resolved} for the settings that can be "auto").
    """
    large = hidden >= BASE_HIDDEN
    size = f"hidden size {hidden}: " + ("base size or larger" if large else f"smaller than base ({BASE_HIDDEN})")
    steps = math.ceil(windows / settings.batch_size)
    derived: dict[str, Resolved[Any]] = {
        "learning_rate": _rate(recipe, hidden, size),
        "head_lr_multiplier": Resolved(recipe.head_multiplier, "for the newly initialised layers of this task"),
        "epochs": _epochs(recipe, large, steps),
        "schedule": _schedule(large, on_tpu),
    }
    found = {name: chosen(getattr(settings, name), each) for name, each in derived.items()}
    falling = found["schedule"].value == "linear"
    found["warmup_ratio"] = chosen(settings.warmup_ratio, _warm_up(large, falling))
    found["ema_decay"] = chosen(settings.ema_decay, _average(large, falling, on_tpu))
    found["fgm_epsilon"] = chosen(
        settings.fgm_epsilon, _adversarial(recipe, hidden, settings.freeze_layers, steps * found["epochs"].value)
    )
    found["patience"] = chosen(settings.patience, _patience(found["epochs"].value, falling, developing))
    values = {name: each.value for name, each in found.items()}
    return cast("ResolvedSettings", dataclasses.replace(settings, **values)), found


def chosen(requested: Any, derived: Resolved[V]) -> Resolved[V]:
    """Returns the derived value if the requested one is "auto", otherwise the requested one, as a Resolved."""
    return derived if requested == AUTO else Resolved(requested, "as requested")


def _rate(recipe: Recipe, hidden: int, size: str) -> Resolved[float]:
    if hidden >= BASE_HIDDEN:
        return Resolved(recipe.base_rate, size)
    rate = min(recipe.base_rate * (BASE_HIDDEN / hidden) ** 3, recipe.highest_rate)
    return Resolved(float(f"{rate:.1e}"), f"{size}, and smaller checkpoints need a higher learning rate")


def _epochs(recipe: Recipe, large: bool, steps: int) -> Resolved[int]:
    epochs, least = (recipe.base_epochs, recipe.base_steps) if large else (recipe.epochs, recipe.steps)
    if steps * epochs >= least:
        return Resolved(epochs, f"{steps:,} steps per epoch: {epochs} epochs are at least {least} steps")
    found = min(math.ceil(least / steps), MOST_EPOCHS)
    return Resolved(found, f"{steps:,} steps per epoch are few: enough epochs for {least} steps, at most {MOST_EPOCHS}")


def _schedule(large: bool, on_tpu: bool) -> Resolved[str]:
    if large:
        return Resolved("constant", "base size or larger")
    if on_tpu:
        return Resolved("linear", "replaces the moving average of the weights")
    return Resolved("constant", "the moving average of the weights replaces a decaying learning rate")


def _warm_up(large: bool, falling: bool) -> Resolved[float]:
    if large and not falling:
        return Resolved(0.0, "a constant learning rate of this size needs no warm-up")
    return Resolved(0.1, "a linear schedule needs a warm-up" if falling else "a high learning rate needs a warm-up")


def _average(large: bool, falling: bool, on_tpu: bool) -> Resolved[float]:
    if on_tpu:
        return Resolved(0.0, "reading the weights after each step is slow on a TPU")
    if large or falling:
        return Resolved(0.0, "base size or larger" if large else "the linear schedule replaces it")
    return Resolved(AVERAGED, "it stabilises small checkpoints, which are trained with a high learning rate")


def _adversarial(recipe: Recipe, hidden: int, frozen: int, steps: int) -> Resolved[float]:
    if hidden > ADVERSARIAL_HIDDEN:
        return Resolved(0.0, f"hidden size {hidden}: a clear gain was measured only for up to {ADVERSARIAL_HIDDEN}")
    if not recipe.fgm_epsilon:
        return Resolved(0.0, "training this task would take nearly twice as long")
    if frozen:
        return Resolved(0.0, "freeze_layers freezes the embeddings")
    if steps > ADVERSARIAL_STEPS:
        return Resolved(
            0.0, f"{steps:,} steps would take 1.6 times as long, and its gain was measured only in short trainings"
        )
    return Resolved(recipe.fgm_epsilon, "it improves small checkpoints, and training takes 1.6 times as long")


def _patience(epochs: int, falling: bool, developing: bool) -> Resolved[int]:
    if falling:
        return Resolved(0, "early stopping would end the linear schedule too early")
    if not developing:
        return Resolved(0, "early stopping needs development texts")
    return Resolved(max(2, math.ceil(epochs / 4)), f"a quarter of {epochs} epochs, at least 2")
