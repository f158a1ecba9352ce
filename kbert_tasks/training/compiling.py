"""Decide whether training compiles chains of element-wise operations with XLA (`compiled.py`).

Compiling is chosen when it reduces the total training time.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import is_on_cpu
from ..data.batches import order
from ..encoder import compiled
from ..errors import InputError
from ..settings import AUTO, Settings
from .defaults import Resolved

if TYPE_CHECKING:
    from tensorflow.distribute import Strategy

    from .._keras import Model
    from .defaults import ResolvedSettings

# CPU seconds measured on one core with AMX. SAVED differed by at most a fifth between tiny-zh and base size.
PER_SIZE = 1.0  # time to compile the four chains that all layers share, for each number of rows
SAVED = 8e-9  # time saved for each number that a compiled chain processes, forward and backward


def resolve_compile(
    settings: "ResolvedSettings",
    config: dict[str, Any],
    computed_in: str,
    first_only: bool,
    strategy: "Strategy",
    lengths: Sequence[int],
    halves: bool = False,
) -> Resolved[str]:
    """Returns the setting `compile` of a fine-tuning as "on" or "off", with a reason, as a Resolved.

    Args:
        settings: the Settings of the task; only `compile` may be "auto".
        config: the parsed `bert_config.json`.
        computed_in: "float32", "bfloat16" or "float16".
        first_only: whether the last layer computes only the first token.
        strategy: the strategy that `distribution.strategy` returned.
        lengths: number of tokens of each training text, or of each window of a text.
        halves: whether a step computes the two halves of its batch at the same time.

    Raises:
        InputError: `compile` is "on", but compiling is not possible.
    """
    parts = settings.micro_batches * (1 + halves)
    return decide(
        settings.compile, config, computed_in, strategy,
        rows=lambda: _rows(settings, lengths, parts),
        steps=settings.epochs * math.ceil(len(lengths) / settings.batch_size),
        parts=parts * (1 + bool(settings.fgm_epsilon)),
        encoder=settings.encoder, first_only=first_only,
    )  # fmt: skip


def decide(
    requested: str,
    config: dict[str, Any],
    computed_in: str,
    strategy: "Strategy",
    rows: Callable[[], Sequence[int]],
    steps: int,
    parts: int = 1,
    encoder: str = "fast",
    first_only: bool = False,
) -> Resolved[str]:
    """Returns the setting `compile` of any training as "on" or "off", with a reason, as a Resolved.

    Args:
        requested: "auto", "on" or "off".
        config: the parsed `bert_config.json`.
        computed_in: "float32", "bfloat16" or "float16".
        strategy: the TensorFlow strategy of the training.
        rows: function that returns the number of rows that a layer computes at once, for each step of a sample. It is called
            only if the result depends on it.
        steps: number of training steps.
        parts: how often a step computes so many rows.
        encoder: "fast" or "keras-bert".
        first_only: whether the last layer computes only the first token.

    Raises:
        InputError: `requested` is "on", but compiling is not possible.
    """
    problem = _impossible(encoder, strategy)
    if requested != AUTO:
        if problem and requested == "on":
            raise InputError(f"compile cannot be on: it needs {problem}; use compile off or auto")
        return Resolved(requested, "as requested")
    if problem or computed_in != "bfloat16":
        return Resolved("off", f"it needs {problem or 'bfloat16'}")
    layers = max(0, config["num_hidden_layers"] - first_only)
    return _by_cost(rows(), steps, parts * layers * _saved_for_a_token(config))


def set_compiled(model: "Model", value: str) -> None:
    """Sets whether the layers of a model compile their chains in training; `value` is "on" or "off"."""
    for layer in model.layers:
        if hasattr(layer, "compiled"):
            layer.compiled = value == "on"


def _impossible(encoder: str, strategy: "Strategy") -> str | None:
    """Returns the condition for compiling that is not met, or None if all are met."""
    if encoder != "fast":
        return "encoder fast"
    if strategy.num_replicas_in_sync > 1 or not is_on_cpu():
        return "training on one processor"
    return None


def _saved_for_a_token(config: dict[str, Any]) -> float:
    """Returns the seconds saved for each token in each layer and step.

    The compiled chains are gelu on the intermediate size and two normalised sums on the hidden size.
    """
    wide = config["intermediate_size"] if config["hidden_act"] == "gelu" else 0
    return SAVED * (wide + 2 * config["hidden_size"])


def _by_cost(rows: Sequence[int], steps: int, saved_for_a_row: float) -> Resolved[str]:
    """Returns "on" if the training steps save more time than compiling takes."""
    saved = steps * float(np.mean(rows)) * saved_for_a_row
    cost = PER_SIZE * len({compiled.size_of(each) for each in rows})
    reason = f"it takes about {cost:.0f} s of CPU time and saves about {saved:.0f} s in {steps:,} steps"
    return Resolved("on" if saved > cost else "off", reason)


def _rows(settings: Settings, lengths: Sequence[int] | np.ndarray, parts: int) -> list[int]:
    """Returns the number of rows that a layer computes at once, for each step of the first epoch in so many parts."""
    lengths = np.asarray(lengths)
    batches = order(lengths, settings.batch_size, settings.seed, 0)
    return [math.ceil(len(texts) / parts) * int(lengths[texts].max()) for texts in batches]
