"""Whether a training compiles its chains of element-wise operations with XLA (`compiled.py`): where that takes less time in all."""

import math

import numpy as np

from .._keras import is_on_cpu
from ..data.batches import order
from ..encoder import compiled
from ..errors import InputError
from ..settings import AUTO
from .defaults import Resolved

# CPU seconds on one core with AMX; with tiny-zh and at base size the second was the same to a fifth.
PER_SIZE = 1.0  # to compile the four chains that all layers share, for each number of rows
SAVED = 8e-9  # by compiled chains, for each number that they go over, forward and backward


def chosen(settings, config, computed_in, first_only, strategy, lengths):
    """The setting `compile` as "on" or "off": Resolved.

    Args:
        settings: the task's Settings; only `compile` may be "auto".
        config: the parsed `bert_config.json`.
        computed_in: float32, bfloat16 or float16.
        first_only: whether the last layer computes the first token alone.
        strategy: of `devices.strategy`.
        lengths: tokens of each text, or window of a text, to train on.

    Raises:
        InputError: "on" where it is not possible.
    """
    problem = _impossible(settings, strategy)
    if settings.compile != AUTO:
        if problem and settings.compile == "on":
            raise InputError(f"compile cannot be on: it is for {problem}; use compile off or auto")
        return Resolved(settings.compile, "as requested")
    if problem or computed_in != "bfloat16":
        return Resolved("off", f"it is for {problem or 'bfloat16'}")
    layers = max(0, config["num_hidden_layers"] - first_only)
    return _by_cost(settings, layers * _saved_for_a_token(config), lengths)


def _impossible(settings, strategy):
    """What compiling is for, where that is not at hand; None where it is."""
    if settings.encoder != "fast":
        return "encoder fast"
    if strategy.num_replicas_in_sync > 1 or not is_on_cpu():
        return "training on one processor"
    return None


def _saved_for_a_token(config):
    """Seconds in each layer and step: gelu goes over the wide numbers, and two sums are normalised."""
    wide = config["intermediate_size"] if config["hidden_act"] == "gelu" else 0
    return SAVED * (wide + 2 * config["hidden_size"])


def _by_cost(settings, saved_for_a_token, lengths):
    """`on` where the steps of the training save more time than compiling takes."""
    rows = _rows(settings, lengths)
    parts = settings.micro_batches * (1 + bool(settings.fgm_epsilon))
    saved = settings.epochs * sum(rows) * parts * saved_for_a_token
    cost = PER_SIZE * len({compiled.size_of(each) for each in rows})
    told = f"it takes about {cost:.0f} s of CPU time and saves about {saved:.0f} s in {settings.epochs * len(rows):,} steps"
    return Resolved("on" if saved > cost else "off", told)


def _rows(settings, lengths):
    """Rows that a layer computes at once, in each step of the first epoch."""
    lengths = np.asarray(lengths)
    batches = order(lengths, settings.batch_size, settings.seed, 0)
    return [math.ceil(len(texts) / settings.micro_batches) * int(lengths[texts].max()) for texts in batches]
