"""The space of a search: which values each searched setting can have, and the default space of a task."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..settings import AUTO, Settings
from ..training.defaults import MOST_EPOCHS

if TYPE_CHECKING:
    import optuna

DIGITS = 3  # significant digits of a number that is not an integer


@dataclass(frozen=True)
class Choices:
    """A list of values without an order."""

    values: tuple[Any, ...]

    def suggest(self, trial: "optuna.Trial", name: str) -> Any:
        """Returns the value that Optuna chooses for a trial."""
        return trial.suggest_categorical(name, self.values)

    def __contains__(self, value: Any) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return f"[{', '.join(_written(value) for value in self.values)}]"


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`: integers if both are, otherwise floats.

    Attributes:
        low, high: the limits, both included.
        log: whether the logarithm of the value is distributed evenly.
        step: distance between two values, or None for any value.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def suggest(self, trial: "optuna.Trial", name: str) -> float:
        """Returns the value that Optuna chooses for a trial, rounded to DIGITS significant digits."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, step=int(self.step or 1), log=self.log)
        value = trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def __contains__(self, value: Any) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high
        return number and (not self.step or abs((value - self.low) / self.step % 1) < 1e-9)

    def __str__(self) -> str:
        more = ", log: true" if self.log else f", step: {self.step}" if self.step else ""
        return f"{{low: {_written(self.low)}, high: {_written(self.high)}{more}}}"


Space: TypeAlias = "dict[str, Choices | Range]"


def default_space(settings: Settings, automatic: Mapping[str, Any], without: Mapping[str, Any]) -> Space:
    """Returns the space that is searched if the user defines none. It contains the automatic values.

    Args:
        settings: the requested settings of the task; those that are not searched keep their value.
        automatic: dict of name to value, with the values that replace "auto".
        without: dict of the name of a setting to values that are not possible here.
    """
    now = settings.as_dict() | dict(automatic)
    rate, epochs = now["learning_rate"], now["epochs"]
    space: Space = {
        # The automatic rate is right within a factor of two in benchmarks/defaults.md; this is twice as wide.
        "learning_rate": Range(_rounded(rate / 4), min(_rounded(rate * 4), 1.0), log=True),
        "epochs": Range(max(1, epochs // 2), max(epochs, min(2 * epochs, MOST_EPOCHS))),
        "batch_size": _with(now["batch_size"], 16, 32, 64),
        "warmup_ratio": _wide(now["warmup_ratio"], 0.0, 0.3),
        "dropout": _wide(now["dropout"], 0.0, 0.3),
        "layerwise_lr_decay": _wide(now["layerwise_lr_decay"], 0.7, 1.0),
        "ema_decay": _with(now["ema_decay"], 0.0, 0.98, 0.99),
        "fgm_epsilon": _with(now["fgm_epsilon"], 0.0, 0.5, 1.0),
    }
    fields = {each.name: each for each in dataclasses.fields(settings)}
    if "pooling" in fields:  # only tasks with one answer per text pool the vectors of the tokens
        space["pooling"] = Choices(tuple(each for each in fields["pooling"].metadata["choices"] if each != AUTO))
    for name, values in without.items():
        if isinstance(found := space.get(name), Choices):
            space[name] = Choices(tuple(each for each in found.values if each not in values))
    return {name: each for name, each in space.items() if not isinstance(each, Choices) or len(each.values) > 1}


def space_text(space: Space) -> str:
    """Returns a space as lines of a YAML file."""
    return "".join(f"{name}: {each}\n" for name, each in space.items())


def as_json(space: Space) -> dict[str, str]:
    """Returns a space as a dict for JSON, for the comparison with the space of an earlier search."""
    return {name: str(each) for name, each in space.items()}


def _with(value: Any, *others: Any) -> Choices:
    return Choices(tuple(sorted({value, *others})))


def _wide(value: float, low: float, high: float) -> Range:
    return Range(min(value, low), max(value, high))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _written(value: Any) -> str:
    """Returns a value as in YAML."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
