"""Training on those rows of the token embeddings that stand in the texts.

A token that no text holds gets no gradient, so Adam never moves its vector; but Adam goes over every row it is given,
in every step, and keeps two more of each. With the other rows left out the numbers are the same, and three fifths
of the table (SST-2) to three quarters (CCKS 2019) cost neither time nor memory.
"""

import dataclasses

import numpy as np

TABLE = "Embedding-Token"


def numbers(texts):
    """The tokens that stand in lists of ids, and 0 for padding: sorted int32."""
    return np.unique(np.concatenate([[0], *texts])).astype(np.int32)


def renumbered(ids, used):
    """Ids as places in `used`."""
    return np.searchsorted(used, ids).astype(np.int32)


def encoded(windows, used):
    """Lists of Encoded, renumbered."""
    return [[dataclasses.replace(each, ids=renumbered(each.ids, used)) for each in parts] for parts in windows]


def narrow(encoder, used, build):
    """An encoder with the used rows of the table alone, and the whole table (vocabulary, hidden).

    Args:
        encoder: the filled `keras.Model`.
        used: from `numbers`.
        build: number of tokens to an encoder with random weights.
    """
    small = build(len(used))
    table = encoder.get_layer(TABLE).get_weights()[0]
    for layer in small.layers:
        layer.set_weights([table[used]] if layer.name == TABLE else encoder.get_layer(layer.name).get_weights())
    return small, table


def widen(model, table, used, whole):
    """`whole`, a model like the trained one with all rows, filled with the trained weights; others as they were."""
    table = table.copy()
    for trained, layer in zip(model.layers, whole.layers, strict=True):
        weights = trained.get_weights()
        if layer.name == TABLE:
            table[used] = weights[0]
            weights = [table]
        layer.set_weights(weights)
    return whole
