"""The pretraining model: the encoder with Google's two heads, and the mapping of its weights to Google's names.

The names of the layers and the order of their weights are those of keras-bert's model with `training=True`, so that the
loader of keras-bert works. Source: Devlin et al., 2018 (arXiv 1810.04805); google-research/bert, `run_pretraining.py`.
"""

import logging
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import keras2, tensorflow
from ..checkpoint import google_format
from ..checkpoint.config import read_config
from ..encoder import bert as encoder
from ..encoder import layers
from ..encoder.bert import TOKENS
from ..encoder.ops import gelu, register
from ..encoder.pooling import First
from ..errors import InputError

if TYPE_CHECKING:
    from tensorflow import Tensor, TensorShape

    from .._keras import Model

tf = tensorflow()
keras: Any = keras2()
log = logging.getLogger("kbert_tasks")

POSITIONS = "Masked-Position"
# Number of layers and hidden size of Google's "Smaller BERT Models" (google-research/bert). The head size is 64.
CONFIGS = {"tiny": (2, 128), "mini": (4, 256), "small": (4, 512), "medium": (8, 512), "base": (12, 768)}


def configured(name: str | PathLike[str], vocabulary_size: int, cased: bool) -> dict[str, Any]:
    """Returns the contents of `bert_config.json` for a new model, as a dict.

    Args:
        name: one of `CONFIGS`, or the path of a `bert_config.json`; its vocabulary size is replaced.
        vocabulary_size: number of tokens.
        cased: stored as `do_lower_case`, so that the casing of the checkpoint is known.
    """
    config = shape(name)
    if config.get("vocab_size", vocabulary_size) != vocabulary_size:
        log.info(
            "%s: vocab_size %d is changed to %d, the size of the vocabulary",
            name,
            config["vocab_size"],
            vocabulary_size,
        )
    return config | {"vocab_size": vocabulary_size, "do_lower_case": not cased}


def shape(name: str | PathLike[str]) -> dict[str, Any]:
    """Returns the config for a name in `CONFIGS` (without the vocabulary size), or from a file.

    Raises:
        InputError: the name is not known and there is no such file.
    """
    if name not in CONFIGS:
        if not Path(name).is_file():
            known = ", ".join(CONFIGS)
            raise InputError(f"config should be one of {known}, or the path of a bert_config.json, not {name}")
        return read_config(name)
    layers, hidden = CONFIGS[str(name)]
    return {
        "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": hidden,
        "initializer_range": 0.02, "intermediate_size": 4 * hidden, "max_position_embeddings": 512,
        "num_attention_heads": hidden // 64, "num_hidden_layers": layers, "type_vocab_size": 2,
    }  # fmt: skip


def build(config: dict[str, Any]) -> "Pretraining":
    """Builds the encoder with the masked-word and next-sentence heads; `fill` sets the weights.

    Args:
        config: the parsed `bert_config.json`.

    Returns:
        A `keras.Model` with three int32 inputs, `Input-Token` and `Input-Segment` (batch, time), where token 0 is padding,
        and `Masked-Position` (batch, masked). It returns float32 logits: {"MLM": (batch, masked, vocabulary), "NSP":
        (batch, 2)}. Class 0 of NSP means that the second part follows the first.
    """
    bert, hidden = encoder.build(config), config["hidden_size"]
    activation = gelu if config["hidden_act"] == "gelu" else keras.activations.get(config["hidden_act"])
    positions = keras.Input((None,), dtype="int32", name=POSITIONS)
    x = AtPositions(name="Extract-Masked")([bert.output, positions])  # (batch * masked, hidden)
    x = keras.layers.Dense(hidden, activation, name="MLM-Dense")(x)
    x = layers.LayerNormalization(name="MLM-Norm")(x)
    table = bert.get_layer("Embedding-Token")(bert.input[0], whole=True)
    words = TokenScores(config["vocab_size"], name="MLM-Sim")([x, positions, table])
    words = keras.layers.Activation("linear", dtype="float32", name="MLM")(words)  # Keras uses its name for the loss
    first = First(name="Extract")(bert.output)
    first = keras.layers.Dense(hidden, "tanh", dtype="float32", name="NSP-Dense")(first)
    following = keras.layers.Dense(2, dtype="float32", name="NSP")(first)
    return Pretraining([*bert.inputs, positions], {"MLM": words, "NSP": following}, name="pretraining")


@register
class Pretraining(keras.Model):
    """A `keras.Model` whose variable `tokens` counts the training tokens, without padding."""

    # These are the parameters of a functional model, so that Keras can clone and load it.
    def __init__(
        self,
        inputs: "Sequence[Tensor]",
        outputs: "Mapping[str, Tensor]",
        name: str | None = None,
        trainable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs, outputs, name=name, trainable=trainable, **kwargs)
        self.tokens = tf.Variable(0, dtype=tf.int64, trainable=False, name="tokens")

    def train_step(self, data: "tuple[Mapping[str, Tensor], Mapping[str, Tensor]]") -> "dict[str, Tensor]":
        self.tokens.assign_add(tf.math.count_nonzero(data[0][TOKENS], dtype=tf.int64))
        return super().train_step(data)


@register
class AtPositions(layers.Traced):
    """Gathers vectors at positions.

    Input: [(batch, time, hidden), positions (batch, masked)]. Output: (batch * masked, hidden).
    """

    def call(self, inputs: "Sequence[Tensor]") -> "Tensor":
        x, positions = inputs
        return tf.reshape(tf.gather(x, positions, batch_dims=1), (-1, x.shape[-1]))


@register
class TokenScores(layers.Layer):
    """Computes a logit for each token of the vocabulary from the shared token embeddings and its own bias.

    Input: [(batch * masked, hidden), positions (batch, masked), token embeddings (vocabulary, hidden)]. Output: (batch,
    masked, vocabulary).

    Args:
        number: size of the vocabulary.
    """

    def __init__(self, number: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number = number

    def build(self, shapes: "Sequence[TensorShape]") -> None:
        self.bias = self.add_weight("bias", (self.number,), initializer="zeros", experimental_autocast=False)

    def call(self, inputs: "Sequence[Tensor]") -> "Tensor":
        x, positions, table = inputs
        logits = tf.matmul(x, tf.cast(table, x.dtype), transpose_b=True)  # (batch * masked, vocabulary)
        logits = tf.nn.bias_add(tf.cast(logits, tf.float32), tf.convert_to_tensor(self.bias))
        return tf.reshape(logits, (*tf.unstack(tf.shape(positions)), self.number))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"number": self.number}


def places(config: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Returns a dict of the name of each variable in Google's checkpoints to (layer name, index of the weight)."""
    layers = {
        "bert/embeddings/word_embeddings": "Embedding-Token",
        "bert/embeddings/position_embeddings": "Embedding-Position",
        "bert/embeddings/token_type_embeddings": "Embedding-Segment",
        "cls/predictions/output_bias": "MLM-Sim",
    }
    found = {name: (layer, 0) for name, layer in layers.items()}

    def pair(
        google: str, layer: str, first: int = 0, parts: Sequence[str] = ("kernel", "bias"), join: str = "/"
    ) -> None:
        found.update({f"{google}{join}{part}": (layer, first + i) for i, part in enumerate(parts)})

    def norm(google: str, layer: str) -> None:
        pair(f"{google}/LayerNorm", layer, parts=("gamma", "beta"))

    norm("bert/embeddings", "Embedding-Norm")
    for i in range(config["num_hidden_layers"]):
        google, layer = f"bert/encoder/layer_{i}", f"Encoder-{i + 1}"
        for n, part in enumerate(("self/query", "self/key", "self/value", "output/dense")):
            pair(f"{google}/attention/{part}", f"{layer}-MultiHeadSelfAttention", 2 * n)
        norm(f"{google}/attention/output", f"{layer}-MultiHeadSelfAttention-Norm")
        pair(f"{google}/intermediate/dense", f"{layer}-FeedForward")
        pair(f"{google}/output/dense", f"{layer}-FeedForward", 2)
        norm(f"{google}/output", f"{layer}-FeedForward-Norm")
    pair("bert/pooler/dense", "NSP-Dense")
    pair("cls/predictions/transform/dense", "MLM-Dense")
    norm("cls/predictions/transform", "MLM-Norm")
    pair("cls/seq_relationship/output", "NSP", parts=("weights", "bias"), join="_")
    return found


def tensors(model: "Model", config: dict[str, Any]) -> dict[str, np.ndarray]:
    """Returns the weights of the model for `google_format.write`: a dict of Google's names to float32 arrays."""
    layers = {layer.name: layer.get_weights() for layer in model.layers}
    return {name: _turned(name, layers[layer][i]) for name, (layer, i) in places(config).items()}


def fill(model: "Model", config: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Sets the weights of the model from arrays with Google's names.

    A layer with a missing weight does not change.

    Args:
        model: the model.
        config: the parsed `bert_config.json`.
        arrays: dict of Google's names to arrays.

    Returns:
        A list of the names that are missing in `arrays`.
    """
    missing: list[str] = []
    layers: dict[str, list[tuple[int, str]]] = {}
    for name, (layer, i) in places(config).items():
        layers.setdefault(layer, []).append((i, name))
    for layer, names in layers.items():
        if absent := [name for _, name in names if name not in arrays]:
            missing += absent
        else:
            model.get_layer(layer).set_weights([_turned(name, arrays[name]) for _, name in sorted(names)])
    return missing


def drawn(config: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """Returns initial weights: a dict of Google's names to float32 arrays.

    As in Google's code, matrices are sampled from a truncated normal distribution with standard deviation
    `initializer_range`, biases are 0, and LayerNorm has gamma 1 and beta 0. Position embeddings differ: they start as sines
    and cosines, so that one projection can find the neighbours of all positions, whereas random vectors must be learned
    one by one. The result depends only on the config and the seed.
    """
    deviation = config.get("initializer_range", 0.02)
    made: dict[str, np.ndarray] = {}
    for i, (name, shape) in enumerate(google_format.variables(config, heads=True).items()):
        if name == "bert/embeddings/position_embeddings":
            made[name] = (waves(*shape) * deviation * 2**0.5).astype("float32")
        elif len(shape) > 1:
            made[name] = tf.random.stateless_truncated_normal(shape, (seed, i), stddev=deviation).numpy()
        else:
            made[name] = tf.fill(shape, float(name.endswith("gamma"))).numpy()
    return made


def waves(positions: int, size: int) -> np.ndarray:
    """Returns sinusoidal position embeddings (positions, size).

    Source: Vaswani et al., 2017 (arXiv 1706.03762), section 3.5.
    """
    angles = np.arange(positions)[:, None] / 10000 ** (np.arange(0, size, 2) / size)
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(positions, -1)[:, :size]


def _turned(name: str, array: np.ndarray) -> np.ndarray:
    """Transposes the next-sentence matrix, which Google stores as (outputs, inputs); other arrays do not change."""
    return array.T if name == "cls/seq_relationship/output_weights" else array
