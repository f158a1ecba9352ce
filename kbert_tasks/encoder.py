"""The encoder: Google's graph in few, large operations.

Its layers bear keras-bert's names and keep their weights in keras-bert's order, so that keras-bert's own
`load_model_weights_from_checkpoint` fills it. Unlike keras-bert's graph it has every dropout of the config
where Google has it (after the embeddings' LayerNorm, on the attention probabilities) and any number of
segment types. Source: Devlin et al., 2018 (arXiv 1810.04805); google-research/bert, `modeling.py`.
"""

from ._keras import keras2, tensorflow

tf, keras = tensorflow(), keras2()

TOKENS, SEGMENTS = "Input-Token", "Input-Segment"
NORM_EPSILON = 1e-12  # Google's
MASKED = -10000.0  # what Google adds to the score of a padded position before the softmax

register = keras.utils.register_keras_serializable(package="kbert_tasks")


def build(config, seq_len=None, output_layer_num=1):
    """A BERT encoder with random weights.

    Args:
        config: the parsed `bert_config.json`.
        seq_len: tokens of every text; None lets each batch have its own (a TPU needs a number).
        output_layer_num: so many of the last layers are joined along the last axis.

    Returns:
        A `keras.Model` from two int32 inputs (batch, time), `Input-Token` and `Input-Segment`, where token 0 is
        padding, to the token vectors (batch, time, hidden * output_layer_num).
    """
    hidden, rate = config["hidden_size"], config["hidden_dropout_prob"]

    def start():
        return keras.initializers.TruncatedNormal(stddev=config.get("initializer_range", 0.02))

    def normalised_sum(name, x, y):
        y = keras.layers.Dropout(rate, name=f"{name}-Dropout")(y)
        x = keras.layers.Add(name=f"{name}-Add")([x, y])
        return keras.layers.LayerNormalization(epsilon=NORM_EPSILON, name=f"{name}-Norm")(x)

    tokens = keras.Input((seq_len,), dtype="int32", name=TOKENS)
    segments = keras.Input((seq_len,), dtype="int32", name=SEGMENTS)
    words = keras.layers.Embedding(config["vocab_size"], hidden, start(), name="Embedding-Token")(tokens)
    types = keras.layers.Embedding(config.get("type_vocab_size", 2), hidden, start(), name="Embedding-Segment")(
        segments
    )
    x = keras.layers.Add(name="Embedding-Token-Segment")([words, types])
    x = PositionEmbedding(config["max_position_embeddings"], name="Embedding-Position")(x)
    x = keras.layers.LayerNormalization(epsilon=NORM_EPSILON, name="Embedding-Norm")(x)
    x = keras.layers.Dropout(rate, name="Embedding-Dropout")(x)  # (batch, time, hidden)
    bias = PaddingBias(name="Padding-Bias")(tokens)
    layers = []
    for i in range(1, config["num_hidden_layers"] + 1):
        name = f"Encoder-{i}-MultiHeadSelfAttention"
        heads, attention_rate = config["num_attention_heads"], config["attention_probs_dropout_prob"]
        x = normalised_sum(name, x, SelfAttention(heads, attention_rate, name=name)([x, bias]))
        name = f"Encoder-{i}-FeedForward"
        x = normalised_sum(name, x, FeedForward(config["intermediate_size"], config["hidden_act"], name=name)(x))
        layers.append(x)
    last = layers[-output_layer_num:]
    x = last[0] if len(last) == 1 else keras.layers.Concatenate(name="Encoder-Output")(last)
    return keras.Model([tokens, segments], x, name="bert")


@register
class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector for each position to (batch, time, hidden)."""

    def __init__(self, positions, **kwargs):
        super().__init__(**kwargs)
        self.positions = positions

    def build(self, shape):
        self.table = self.add_weight("embeddings", (self.positions, shape[-1]), initializer="uniform")

    def call(self, x):
        return x + self.table[: tf.shape(x)[1]]

    def get_config(self):
        return super().get_config() | {"positions": self.positions}


@register
class PaddingBias(keras.layers.Layer):
    """Token ids (batch, time) to what is added to attention scores: (batch, 1, 1, time), 0 or -10000."""

    def call(self, tokens):
        return tf.where(tokens[:, None, None, :] == 0, MASKED, 0.0)


@register
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention on [(batch, time, hidden), padding bias], with dropout on the probabilities."""

    def __init__(self, heads, dropout_rate, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.dropout_rate = heads, dropout_rate

    def build(self, shapes):
        size = shapes[0][-1]
        for part in "qkvo":
            setattr(self, f"W{part}", self.add_weight(f"W{part}", (size, size), initializer="glorot_normal"))
            setattr(self, f"b{part}", self.add_weight(f"b{part}", (size,), initializer="zeros"))

    def call(self, inputs, training=None):
        x, bias = inputs
        size = x.shape[-1]
        batch, time = tf.unstack(tf.shape(x)[:2])
        # One product for queries, keys and values.
        joined = tf.concat([self.Wq, self.Wk, self.Wv], axis=1)
        qkv = tf.reshape(x, (-1, size)) @ joined + tf.concat([self.bq, self.bk, self.bv], axis=0)
        qkv = tf.reshape(qkv, (batch, time, 3, self.heads, size // self.heads))
        queries, keys, values = tf.unstack(tf.transpose(qkv, (2, 0, 3, 1, 4)))  # each (batch, heads, time, size/heads)
        scores = tf.matmul(queries, keys, transpose_b=True) * (size // self.heads) ** -0.5 + bias
        probabilities = tf.nn.softmax(scores)  # (batch, heads, time, time)
        if training and self.dropout_rate:
            probabilities = tf.nn.dropout(probabilities, self.dropout_rate)
        y = tf.transpose(tf.matmul(probabilities, values), (0, 2, 1, 3))
        y = tf.reshape(y, (-1, size)) @ self.Wo + self.bo
        return tf.reshape(y, (batch, time, size))

    def get_config(self):
        return super().get_config() | {"heads": self.heads, "dropout_rate": self.dropout_rate}


@register
class FeedForward(keras.layers.Layer):
    """Two dense layers on each token: hidden to intermediate, activation, and back."""

    def __init__(self, units, activation, **kwargs):
        super().__init__(**kwargs)
        self.units, self.activation = units, activation

    def build(self, shape):
        size = shape[-1]
        self.W1 = self.add_weight("W1", (size, self.units), initializer="glorot_normal")
        self.b1 = self.add_weight("b1", (self.units,), initializer="zeros")
        self.W2 = self.add_weight("W2", (self.units, size), initializer="glorot_normal")
        self.b2 = self.add_weight("b2", (size,), initializer="zeros")

    def call(self, x):
        size = x.shape[-1]
        y = tf.reshape(x, (-1, size)) @ self.W1 + self.b1
        if self.activation == "gelu":
            y = tf.nn.gelu(y, approximate=True)  # the tanh formula is Google's
        else:
            y = keras.activations.get(self.activation)(y)
        return tf.reshape(y @ self.W2 + self.b2, tf.shape(x))

    def get_config(self):
        return super().get_config() | {"units": self.units, "activation": self.activation}
