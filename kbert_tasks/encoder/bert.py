"""The BERT encoder, built from a few large operations.

The layers have the same names and the same order of weights as in keras-bert, so `load_model_weights_from_checkpoint` of
keras-bert can load a checkpoint into the encoder. Unlike keras-bert's graph, the encoder applies dropout in all places
where Google's code does (after the LayerNorm of the embeddings and on the attention probabilities) and supports any number
of segment types.

Source: Devlin et al., 2018 (arXiv 1810.04805); google-research/bert, `modeling.py`.
"""

from typing import TYPE_CHECKING, Any

from .._keras import keras2, tensorflow
from .embeddings import Embedding, PaddingBias, PositionEmbedding
from .layers import Dropout, FeedForward, FirstToken, LayerNormalization, SelfAttention, SumNormalization

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

tf = tensorflow()
keras = keras2()

TOKENS, SEGMENTS = "Input-Token", "Input-Segment"


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
