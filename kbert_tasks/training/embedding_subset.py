"""Train only the rows of the token embeddings whose tokens occur in the texts.

A token that does not occur in any text has no gradient, so Adam never changes its vector. However, Adam processes every
row in every step and stores two moments for each row. Without the unused rows the results are the same. They are three
fifths (SST-2) to three quarters (CCKS 2019) of the table and then need no time and no memory.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .._keras import Model
    from ..text.tokenizer import Encoded

TABLE = "Embedding-Token"


def numbers(texts: Iterable[np.ndarray]) -> np.ndarray:
    """Returns the distinct ids in lists of token ids, and 0 for padding, as a sorted int32 array."""
    return np.unique(np.concatenate([[0], *texts])).astype(np.int32)


def renumbered(ids: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Replaces token ids with their positions in `used`."""
    return np.searchsorted(used, ids).astype(np.int32)


def encoded(windows: "Iterable[Sequence[Encoded]]", used: np.ndarray) -> "list[list[Encoded]]":
    """Replaces the ids in lists of Encoded with their positions in `used`."""
    return [[dataclasses.replace(each, ids=renumbered(each.ids, used)) for each in parts] for parts in windows]


def restrict(encoder: "Model", used: np.ndarray, build: "Callable[[int], Model]") -> "tuple[Model, np.ndarray]":
    """Returns an encoder with only the used rows of the embedding table, and the whole table (vocabulary, hidden).

    Args:
        encoder: a `keras.Model` with the weights of the checkpoint.
        used: the ids that `numbers` returned.
        build: a function that takes the number of tokens and returns an encoder with random weights.
    """
    small = build(len(used))
    table = encoder.get_layer(TABLE).get_weights()[0]
    for layer in small.layers:
        layer.set_weights([table[used]] if layer.name == TABLE else encoder.get_layer(layer.name).get_weights())
    return small, table


def expand(model: "Model", table: np.ndarray, used: np.ndarray, whole: "Model") -> "Model":
    """Copies the trained weights into a model with the whole embedding table and returns it.

    Args:
        model: the trained model with the used rows.
        table: the whole table (vocabulary, hidden) before training; unused rows keep these values.
        used: the ids that `numbers` returned.
        whole: a model with the same layers and all rows.
    """
    table = table.copy()
    for trained, layer in zip(model.layers, whole.layers, strict=True):
        weights = trained.get_weights()
        if layer.name == TABLE:
            table[used] = weights[0]
            weights = [table]
        layer.set_weights(weights)
    return whole
