"""Decide whether training compiles chains of element-wise operations with XLA (`compiled.py`).

Compiling is chosen when it reduces the total training time.
"""

import math

import numpy as np

from .._keras import is_on_cpu
from ..data.batches import order
from ..encoder import compiled
from ..errors import InputError
from ..settings import AUTO
from .defaults import Resolved

# CPU seconds measured on one core with AMX. SAVED differed by at most a fifth between tiny-zh and base size.
PER_SIZE = 1.0  # time to compile the four chains that all layers share, for each number of rows
SAVED = 8e-9  # time saved for each number that a compiled chain processes, forward and backward


def chosen(settings, config, computed_in, first_only, strategy, lengths):
    """Returns the setting `compile` as "on" or "off", with a reason, as a Resolved.

    Args:
        settings: the Settings of the task; only `compile` may be "auto".
        config: the parsed `bert_config.json`.
        computed_in: "float32", "bfloat16" or "float16".
        first_only: whether the last layer computes only the first token.
        strategy: the strategy that `distribution.strategy` returned.
        lengths: number of tokens of each training text, or of each window of a text.

    Raises:
        InputError: `compile` is "on", but compiling is not possible.
    """
    problem = _impossible(settings, strategy)
    if settings.compile != AUTO:
        if problem and settings.compile == "on":
            raise InputError(f"compile cannot be on: it needs {problem}; use compile off or auto")
        return Resolved(settings.compile, "as requested")
    if problem or computed_in != "bfloat16":
        return Resolved("off", f"it needs {problem or 'bfloat16'}")
    layers = max(0, config["num_hidden_layers"] - first_only)
    return _by_cost(settings, layers * _saved_for_a_token(config), lengths)


def _impossible(settings, strategy):
    """Returns the condition for compiling that is not met, or None if all are met."""
    if settings.encoder != "fast":
        return "encoder fast"
    if strategy.num_replicas_in_sync > 1 or not is_on_cpu():
        return "training on one processor"
    return None


def _saved_for_a_token(config):
    """Returns the seconds saved for each token in each layer and step.

    The compiled chains are gelu on the intermediate size and two normalised sums on the hidden size.
    """
    wide = config["intermediate_size"] if config["hidden_act"] == "gelu" else 0
    return SAVED * (wide + 2 * config["hidden_size"])


def _by_cost(settings, saved_for_a_token, lengths):
    """Returns "on" if the training steps save more time than compiling takes."""
    rows = _rows(settings, lengths)
    parts = settings.micro_batches * (1 + bool(settings.fgm_epsilon))
    saved = settings.epochs * sum(rows) * parts * saved_for_a_token
    cost = PER_SIZE * len({compiled.size_of(each) for each in rows})
    reason = f"it takes about {cost:.0f} s of CPU time and saves about {saved:.0f} s in {settings.epochs * len(rows):,} steps"
    return Resolved("on" if saved > cost else "off", reason)


def _rows(settings, lengths):
    """Returns the number of rows that a layer computes at once, for each step of the first epoch."""
    lengths = np.asarray(lengths)
    batches = order(lengths, settings.batch_size, settings.seed, 0)
    return [math.ceil(len(texts) / settings.micro_batches) * int(lengths[texts].max()) for texts in batches]
