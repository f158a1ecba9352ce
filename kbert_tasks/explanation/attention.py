"""Attention probabilities of all layers and heads."""

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from .._keras import keras2
from ..encoder.bert import SEGMENTS, TOKENS
from ..inference.predict import inputs
from ..text.tokenizer import Encoded

if TYPE_CHECKING:
    from .._keras import Layer, Model


def maps(model: "Model", window: Encoded, heads: int) -> np.ndarray:
    """Computes the attention probabilities from the inputs and the weights of the attention layers.

    Args:
        model: a model with the layer names of keras-bert.
        window: an Encoded.
        heads: number of heads of each layer.

    Returns:
        float32 (layers, heads, query tokens, key tokens).
    """
    layers = [layer for layer in model.layers if layer.name.endswith("-MultiHeadSelfAttention")]
    # Use the first input. The second one is the padding bias, which is zero for a single window.
    into = [layer.input[0] if isinstance(layer.input, list) else layer.input for layer in layers]
    x = inputs([window])
    read = keras2().Model([model.get_layer(name).output for name in (TOKENS, SEGMENTS)], into)
    found = read([x[TOKENS], x[SEGMENTS]], training=False)
    found = found if isinstance(found, list) else [found]  # Keras returns a single tensor if there is one layer
    return np.stack([_probabilities(each.numpy()[0], layer, heads) for each, layer in zip(found, layers, strict=True)])


def _probabilities(x: np.ndarray, layer: "Layer", heads: int) -> np.ndarray:
    """Returns the attention probabilities (heads, tokens, tokens) of a layer for its input (tokens, hidden)."""
    Wq, bq, Wk, bk = layer.get_weights()[:4]
    queries, keys = (
        (x @ W + b).reshape(len(x), heads, -1).transpose(1, 0, 2)  # (heads, tokens, hidden / heads)
        for W, b in ((Wq, bq), (Wk, bk))
    )
    scores = queries @ keys.transpose(0, 2, 1) * queries.shape[-1] ** -0.5
    return softmax(scores, axis=-1)
