"""Defines settings as a frozen dataclass that is converted to JSON; `cli/options.py` makes command line options of it.

A task adds its own settings in a subclass. The metadata of a field contains its help text and its limits.
"""

import dataclasses
import difflib
import numbers
import operator
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from .errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")

ENCODERS = ("fast", "keras-bert")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")

DEVICES = "auto, cpu, gpu, tpu, or cpu:N (N virtual devices on the CPU, for testing)"

AUTO: Final = "auto"
Auto = Literal["auto"]
COMPILE = (AUTO, "on", "off")
SCHEDULES = ("constant", "linear")


# Groups of options in the command line help, in display order.
GROUPS = {
    "common": "options",
    "data": "data",
    "training": "training",
    "regularisation": "regularisation",
    "memory": "memory",
    "output": "output",
    "task": "options of this task",
}


def option(
    default: T,
    help: str,
    *,
    group: str = "task",
    later: bool = False,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] | None = None,
    check: Callable[[Any], object] | None = None,
) -> T:
    """Returns a dataclass field with a help text and the allowed values.

    Args:
        default: the default value.
        help: description of the option in `kbert-train --help` and the guide.
        group: key of GROUPS.
        later: whether the option can also be set for a trained task.
        least, above, most, below: limits of a number.
        choices: the allowed texts.
        check: function that raises InputError for an invalid value.
    """
    limits = {"least": least, "above": above, "most": most, "below": below, "choices": choices, "check": check}
    return field(default=default, metadata={"help": help, "group": group, "later": later} | limits)


def check_device(device: str) -> str:
    """Returns the name of a device; raises InputError if it is invalid."""
    if not re.fullmatch(r"auto|cpu|gpu|tpu|cpu:[1-9]\d?", device):
        raise InputError(f"device should be one of {DEVICES}, not {device!r}")
    return device


@dataclass(frozen=True)
class Options:
    """A frozen dataclass of options. Unknown names and invalid values raise an InputError."""

    def __post_init__(self) -> None:
        """Validates each field and converts it to its type; raises InputError for an invalid value."""
        for each in dataclasses.fields(self):
            object.__setattr__(self, each.name, checked(each, getattr(self, each.name)))

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Self":
        """Creates settings from a dict of names and values; raises InputError for an unknown name."""
        names = [each.name for each in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                raise InputError(
                    f"unknown setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else f": {', '.join(names)}")
                )
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Settings(Options):
    """The settings that all tasks share."""

    # For "auto", `defaults.py` derives the value from the checkpoint, the task and the training texts. The plan prints it.
    epochs: int | Auto = option(AUTO, "number of passes over the training texts", group="common", least=1)
    batch_size: int = option(32, "number of texts in one training step", group="common", least=1)
    learning_rate: float | Auto = option(AUTO, "learning rate after the warm-up", group="common", above=0, most=1)
    head_lr_multiplier: float | Auto = option(
        AUTO,
        "learning rate of the new output layers (the head), as a multiple of learning_rate",
        group="training",
        above=0,
    )
    schedule: str = option(
        AUTO,
        "after the warm-up: constant learning rate, or linear decay to 0",
        group="training",
        choices=(AUTO, *SCHEDULES),
    )
    warmup_ratio: float | Auto = option(
        AUTO,
        "share of the training steps in which the learning rate rises from 0 to learning_rate",
        group="training",
        least=0,
        most=1,
    )
    weight_decay: float = option(
        0.0,
        "weight decay of the weight matrices (AdamW); biases and LayerNorm have none; 0 trains with Adam",
        group="regularisation",
        least=0,
        most=1,
    )
    global_clipnorm: float | None = option(
        None, "clip the global norm of the gradients to this value", group="regularisation", above=0
    )
    layerwise_lr_decay: float = option(
        1.0,
        "learning rate of each layer, as a multiple of that of the layer above it; below 1, lower layers learn more slowly",
        group="training",
        above=0,
        most=1,
    )
    freeze_layers: int = option(0, "do not train the embeddings and the lowest N layers", group="training", least=0)
    ema_decay: float | Auto = option(
        AUTO,
        "evaluate and save an exponential moving average of the weights with this decay, such as 0.99; 0 switches it off",
        group="regularisation",
        least=0,
        below=1,
    )
    fgm_epsilon: float | Auto = option(
        AUTO,
        "FGM adversarial training: norm of the perturbation added to the embeddings; 0 switches it off",
        group="regularisation",
        least=0,
    )
    micro_batches: int = option(
        1,
        "number of parts of a batch that are computed one after the other; more parts need less memory and give the same result",
        group="memory",
        least=1,
    )
    auto_micro_batches: bool = option(
        False, "choose micro_batches automatically, so that the training fits in memory", group="memory"
    )
    max_length: int = option(
        128, "maximum number of tokens that the model reads at once, [CLS] and [SEP] included", group="common", least=4
    )
    dropout: float = option(
        0.1, "dropout rate before the output layers (the head)", group="regularisation", least=0, below=1
    )
    save_minutes: float = option(
        10.0,
        "minutes between two saves of the training progress, which is also saved after each epoch",
        group="output",
        above=0,
    )
    tensorboard: str | None = option(
        None, "folder for TensorBoard logs; each training gets its own subfolder", group="output"
    )
    patience: int | Auto = option(
        AUTO,
        "stop after this many epochs without a better development score; 0 never stops early",
        group="training",
        least=0,
    )
    validation_split: float | Auto = option(
        AUTO,
        "share of the training texts that is held out for development if there is no development file",
        group="data",
        least=0,
        below=1,
    )
    seed: int = option(1, "seed of all random numbers", group="training", least=0, most=2**31 - 1)
    encoder: str = option(
        "fast",
        "implementation of BERT: that of this package (fast), or that of keras-bert",
        group="training",
        choices=ENCODERS,
    )
    precision: str = option(
        "auto",
        "number format in which BERT computes; auto: a 16-bit format if the hardware is faster with it, otherwise float32",
        group="training",
        choices=PRECISIONS,
    )
    compile: str = option(
        AUTO,
        "compile element-wise operations of BERT with XLA; auto: only if this saves more time than compiling takes",
        group="training",
        choices=COMPILE,
    )
    device: str = option("auto", "device to train on: " + DEVICES, group="training", check=check_device)
    cased: bool | None = option(
        None,
        "the checkpoint is cased: keep capital letters and accents (default: detected from its name and files)",
        group="data",
    )
    distillation_weight: float = option(
        0.5,
        "with a teacher: weight of its answers for labelled texts; the gold answers have the rest",
        group="training",
        least=0,
        most=1,
    )
    text_column: str = option("text", "column of the text", group="data", later=True)
    label_column: str = option("label", "column of the gold answer (the correct label)", group="data", later=True)


def checked(each: dataclasses.Field[Any], value: Any) -> Any:
    """Converts `value` to the type of a dataclass field; raises InputError if it is not allowed."""
    kind, other = kind_of(each)
    if value is None and None in other or isinstance(value, str) and value in other:
        return value
    if not isinstance(value, bool):  # includes NumPy's numbers
        if kind is int and isinstance(value, numbers.Integral):
            value = int(value)
        elif kind is float and isinstance(value, numbers.Real):
            value = float(value)
    if type(value) is not kind:
        auto = " or 'auto'" if AUTO in other else ""
        raise InputError(f"{each.name} should be {NAMES[kind]}{auto}, not {value!r}")
    if each.metadata["check"]:
        each.metadata["check"](value)
    for limit, (holds, words) in LIMITS.items():
        bound = each.metadata[limit]
        if bound is not None and not holds(value, bound):
            raise InputError(
                f"{each.name} should be {words} {', '.join(bound) if limit == 'choices' else bound}, not {value!r}"
            )
    return value


LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "choices": (lambda value, choices: value in choices, "one of"),
    "least": (operator.ge, "at least"),
    "above": (operator.gt, "above"),
    "most": (operator.le, "at most"),
    "below": (operator.lt, "below"),
}
NAMES: dict[type, str] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def kind_of(each: dataclasses.Field[Any]) -> tuple[type, tuple[str | None, ...]]:
    """Returns (type of the field, additional values such as None and "auto")."""
    parts = (
        typing.get_args(each.type) if typing.get_origin(each.type) in (typing.Union, types.UnionType) else (each.type,)
    )
    other = [value for part in parts for value in typing.get_args(part)] + [None] * (type(None) in parts)
    return next(part for part in parts if isinstance(part, type) and part is not type(None)), tuple(other)
