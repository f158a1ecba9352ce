"""The BERT encoder, built from a few large operations.

The layers have the same names and the same order of weights as in keras-bert, so `load_model_weights_from_checkpoint` of
keras-bert can load a checkpoint into the encoder. Unlike keras-bert's graph, the encoder applies dropout in all places
where Google's code does (after the LayerNorm of the embeddings and on the attention probabilities) and supports any number
of segment types.

Source: Devlin et al., 2018 (arXiv 1810.04805); google-research/bert, `modeling.py`.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .._keras import keras2, tensorflow
from . import bfloat16, compiled, ops
from .ops import dropped, normalised, register, rows_of

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

tf = tensorflow()
keras = keras2()

TOKENS, SEGMENTS = "Input-Token", "Input-Segment"
MASKED = -10000.0  # added to the attention score of a padded position before the softmax, as in Google's code


def build(
    config: dict[str, Any], seq_len: int | None = None, output_layer_num: int = 1, first_only: bool = False
) -> keras.Model:
    """Returns a BERT encoder with random weights.

    Args:
        config: the parsed `bert_config.json`.
        seq_len: number of tokens in every text, or None if it can differ between batches (a TPU needs a number).
        output_layer_num: number of last layers whose outputs are concatenated along the last axis.
        first_only: return only the vector of [CLS]. The last layer then computes keys and values for all tokens, but
            everything else only for the first token, which gives the same numbers in less time.

    Returns:
        A `keras.Model` with two int32 inputs (batch, time), `Input-Token` and `Input-Segment`. Token 0 is padding. The
        output contains the token vectors (batch, time, hidden * output_layer_num); with `first_only`, time is 1.
    """
    hidden, rate, depth = config["hidden_size"], config["hidden_dropout_prob"], config["num_hidden_layers"]
    first_only = first_only and output_layer_num == 1

    def normalised_sum(name: str, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return SumNormalization(rate, name=f"{name}-Norm")([x, y])

    def embedding(number: int, name: str) -> "Embedding":
        start = keras.initializers.TruncatedNormal(stddev=config.get("initializer_range", 0.02))
        return Embedding(number, hidden, start, dtype="float32", name=name)

    tokens = keras.Input((seq_len,), dtype="int32", name=TOKENS)
    segments = keras.Input((seq_len,), dtype="int32", name=SEGMENTS)
    words = embedding(config["vocab_size"], "Embedding-Token")(tokens)
    types = embedding(config.get("type_vocab_size", 2), "Embedding-Segment")(segments)
    x = keras.layers.Add(dtype="float32", name="Embedding-Token-Segment")([words, types])
    x = PositionEmbedding(config["max_position_embeddings"], dtype="float32", name="Embedding-Position")(x)
    x = LayerNormalization(name="Embedding-Norm")(x)
    x = Dropout(rate, name="Embedding-Dropout")(x)  # (batch, time, hidden)
    bias = PaddingBias(name="Padding-Bias")(tokens)
    layers = []
    for i in range(1, depth + 1):
        name = f"Encoder-{i}-MultiHeadSelfAttention"
        heads, attention_rate = config["num_attention_heads"], config["attention_probs_dropout_prob"]
        alone = first_only and i == depth
        y = SelfAttention(heads, attention_rate, alone, name=name)([x, bias])
        x = normalised_sum(name, FirstToken(name="Extract-First")(x) if alone else x, y)
        name = f"Encoder-{i}-FeedForward"
        x = normalised_sum(name, x, FeedForward(config["intermediate_size"], config["hidden_act"], name=name)(x))
        layers.append(x)
    last = layers[-output_layer_num:]
    x = last[0] if len(last) == 1 else keras.layers.Concatenate(name="Encoder-Output")(last)
    return keras.Model([tokens, segments], x, name="bert")


@register
class Layer(keras.layers.Layer):
    """A layer with weights that is built only when it is called, even if Keras loads it from a saved model."""

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Does nothing.

        Keras would build the layer twice, and the first time without its name in the variable names, which `optimizers`
        reads.
        """


class Random:
    """Base class of the layers with dropout, which makes TensorFlow save its generator in a SavedModel.

    A SavedModel contains the graph of the training, and its format requires each variable that the graph uses. Checkpoints of
    weights do not contain the generator.
    """

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        children = super()._trackable_children(save_type, **kwargs)  # type: ignore[misc]  # of keras.layers.Layer
        if save_type == "savedmodel":
            children = children | {"generator": tf.random.get_global_generator()}
        return children


@register
class Dropout(Random, keras.layers.Dropout):
    """The same as Keras's Dropout, but with fewer random bits."""

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return dropped(x, self.rate) if training and self.rate else x


@register
class FirstToken(keras.layers.Layer):
    """Selects the first token: (batch, time, hidden) to (batch, 1, hidden)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x[:, :1]


@register
class Embedding(Layer):
    """Looks up ids (batch, time) in an embedding table and returns vectors (batch, time, hidden).

    With `whole`, the layer returns the table (number, hidden) itself. A head that shares the table receives it as an
    input, so the graph and a saved copy of it include the sharing.
    """

    def __init__(
        self,
        number: int,
        size: int,
        initializer: str | dict[str, Any] | keras.initializers.Initializer = "uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.number, self.size, self.initializer = number, size, keras.initializers.get(initializer)

    def build(self, shape: tf.TensorShape) -> None:
        self.table = self.add_weight("embeddings", (self.number, self.size), initializer=self.initializer)

    def call(self, numbers: tf.Tensor, whole: bool = False) -> tf.Tensor:
        table = tf.convert_to_tensor(self.table)
        return table if whole else rows_of(table, numbers)

    def get_config(self) -> dict[str, Any]:
        own = {"number": self.number, "size": self.size}
        return super().get_config() | own | {"initializer": keras.initializers.serialize(self.initializer)}


@register
class LayerNormalization(Layer):
    """Normalises each vector of (batch, time, hidden), then multiplies it by gamma and adds beta."""

    def build(self, shape: tf.TensorShape) -> None:
        # float32 also under mixed precision
        self.gamma = self.add_weight("gamma", shape[-1:], initializer="ones", experimental_autocast=False)
        self.beta = self.add_weight("beta", shape[-1:], initializer="zeros", experimental_autocast=False)

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        if training:
            return normalised(x, gamma, beta)
        # TensorFlow and OpenVINO recognise this form and compute it as one operation.
        wide = tf.cast(x, tf.float32)
        mean, variance = tf.nn.moments(wide, [-1], keepdims=True)
        return tf.cast(tf.nn.batch_normalization(wide, mean, variance, beta, gamma, 1e-12), x.dtype)


@register
class SumNormalization(Random, LayerNormalization):
    """Applies layer normalisation to x + dropout(y), for the inputs [x, y], both (batch, time, hidden)."""

    compiled = False  # whether training uses XLA, see `compiling.py`

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def build(self, shapes: Sequence[tf.TensorShape]) -> None:
        super().build(shapes[0])

    def call(self, inputs: Sequence[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        x, y = inputs
        if training and self.compiled and x.shape[1] != 1:  # compiling saves little for one token in each text
            gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
            flat_x, flat_y = (tf.reshape(each, (-1, each.shape[-1])) for each in inputs)
            return tf.reshape(compiled.sum_norm(flat_x, flat_y, gamma, beta, self.rate), tf.shape(x))
        return super().call(x + (dropped(y, self.rate) if training and self.rate else y), training)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate}


@register
class PositionEmbedding(Layer):
    """Adds a learned vector for each position to (batch, time, hidden)."""

    def __init__(self, positions: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positions = positions

    def build(self, shape: tf.TensorShape) -> None:
        self.table = self.add_weight("embeddings", (self.positions, shape[-1]), initializer="uniform")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.table[: tf.shape(x)[1]]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"positions": self.positions}


@register
class PaddingBias(keras.layers.Layer):
    """Returns the bias for attention scores from token ids (batch, time): float32 (batch, 1, 1, time), 0 or -10000."""

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        return tf.where(tokens[:, None, None, :] == 0, MASKED, 0.0)


@register
class SelfAttention(Random, Layer):
    """Multi-head self-attention on [(batch, time, hidden), padding bias], with dropout on the probabilities.

    With `first_only`, only the first token has a query, and the output is (batch, 1, hidden).
    """

    def __init__(self, heads: int, dropout_rate: float, first_only: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads, self.dropout_rate, self.first_only = heads, dropout_rate, first_only

    def build(self, shapes: Sequence[tf.TensorShape]) -> None:
        size = shapes[0][-1]
        for part in "qkvo":
            setattr(self, f"W{part}", self.add_weight(f"W{part}", (size, size), initializer="glorot_normal"))
            setattr(self, f"b{part}", self.add_weight(f"b{part}", (size,), initializer="zeros"))

    def call(self, inputs: Sequence[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        x, bias = inputs
        size = x.shape[-1]
        if self.first_only:
            (queries,), (keys, values) = self.heads_of(x[:, :1], "q", training), self.heads_of(x, "kv", training)
        else:
            queries, keys, values = self.heads_of(x, "qkv", training)
        scores = tf.matmul(queries, keys, transpose_b=True) * (size // self.heads) ** -0.5
        # The softmax is always float32.
        probabilities = tf.nn.softmax(tf.cast(scores, tf.float32) + tf.cast(bias, tf.float32))
        probabilities = tf.cast(probabilities, x.dtype)  # (batch, heads, time of queries, time of keys)
        if training and self.dropout_rate:
            probabilities = dropped(probabilities, self.dropout_rate)
        y = tf.transpose(tf.matmul(probabilities, values), (0, 2, 1, 3))
        time = 1 if self.first_only else tf.shape(x)[1]
        y, bias = tf.reshape(y, (-1, size)) @ self.Wo, tf.convert_to_tensor(self.bo)
        y = bfloat16.biased(y, bias) if training and bfloat16.applies(x) else y + bias
        return tf.reshape(y, (tf.shape(x)[0], time, size))

    def heads_of(self, x: tf.Tensor, parts: str, training: bool | None = None) -> list[tf.Tensor]:
        """Computes queries, keys and values with one matrix product.

        Args:
            x: (batch, time, hidden).
            parts: letters of the results: "q" for queries, "k" for keys, "v" for values.
            training: whether the model is training.

        Returns:
            A list with one tensor (batch, heads, time, hidden / heads) for each letter.
        """
        size = x.shape[-1]
        batch, time = tf.unstack(tf.shape(x)[:2])
        weights = [tf.convert_to_tensor(getattr(self, kind + part)) for kind in "Wb" for part in parts]
        one_product = bfloat16.one_product if training and bfloat16.applies(x) else ops.one_product
        y = one_product(tf.reshape(x, (-1, size)), *weights)
        y = tf.reshape(y, (batch, time, len(parts), self.heads, size // self.heads))
        return tf.unstack(tf.transpose(y, (2, 0, 3, 1, 4)))

    def get_config(self) -> dict[str, Any]:
        own = {"heads": self.heads, "dropout_rate": self.dropout_rate, "first_only": self.first_only}
        return super().get_config() | own


@register
class FeedForward(Layer):
    """Applies two dense layers to each token: hidden to intermediate size, activation, and back to hidden."""

    compiled = False  # whether training uses XLA, see `compiling.py`

    def __init__(self, units: int, activation: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.activation = units, activation

    def build(self, shape: tf.TensorShape) -> None:
        size = shape[-1]
        self.W1 = self.add_weight("W1", (size, self.units), initializer="glorot_normal")
        self.b1 = self.add_weight("b1", (self.units,), initializer="zeros")
        self.W2 = self.add_weight("W2", (self.units, size), initializer="glorot_normal")
        self.b2 = self.add_weight("b2", (size,), initializer="zeros")

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        flat = tf.reshape(x, (-1, x.shape[-1]))
        if training and self.activation == "gelu":
            weights = (tf.convert_to_tensor(each) for each in (self.W1, self.b1, self.W2, self.b2))
            return tf.reshape(self.with_gelu(x)(flat, *weights), tf.shape(x))
        y = flat @ self.W1 + self.b1
        if self.activation == "gelu":  # TensorFlow can fuse this form with the product
            y = tf.nn.gelu(y, approximate=True)
        else:
            y = keras.activations.get(self.activation)(y)
        return tf.reshape(y @ self.W2 + self.b2, tf.shape(x))

    def with_gelu(self, x: tf.Tensor) -> Callable[..., tf.Tensor]:
        """Returns the function to use for training on x (batch, time, hidden)."""
        if self.compiled and x.shape[1] != 1:
            return compiled.feed_forward
        return bfloat16.feed_forward if bfloat16.applies(x) else ops.feed_forward

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"units": self.units, "activation": self.activation}
