"""Reads `bert_config.json`, which holds the sizes of a model."""

import json
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import InputError

SIZES = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings", "vocab_size",
)  # fmt: skip
ACTIVATIONS = ("gelu", "relu", "tanh", "linear")


def read_config(file: str | PathLike[str]) -> dict[str, Any]:
    """Parses `bert_config.json` and adds default values for optional keys.

    Raises:
        InputError: the file is not JSON or does not describe a BERT model.
    """
    file = Path(file)
    try:
        config = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise InputError(
            f"{file} should contain a JSON object with the settings of a BERT model, found a {type(config).__name__}"
        )
    for key in SIZES:
        if type(config.get(key)) is not int or config[key] < 1:
            raise InputError(f"{file}: {key} should be a whole number above 0, found {config.get(key, 'nothing')!r}")
    if config["hidden_size"] % config["num_attention_heads"]:
        heads = config["num_attention_heads"]
        raise InputError(
            f"{file}: hidden_size {config['hidden_size']} is not a multiple of num_attention_heads, {heads}"
        )
    if config.setdefault("hidden_act", "gelu") not in ACTIVATIONS:
        raise InputError(
            f"{file}: hidden_act should be one of {', '.join(ACTIVATIONS)}, found {config['hidden_act']!r}"
        )
    for key in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        rate = config.setdefault(key, 0.1)
        if not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise InputError(f"{file}: {key} should be at least 0 and below 1, found {rate!r}")
    return config
