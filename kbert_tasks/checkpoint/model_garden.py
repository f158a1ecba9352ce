"""Maps the keys of object-based TensorFlow 2 checkpoints of BERT encoders to Google's variable names.

Such a checkpoint names a variable by its path from the saved object, through attributes and numbered layers.

Source: TensorFlow's model garden, `BertEncoder`, `BertEncoderV2` and `BertPretrainerV2` (tensorflow/models,
official/nlp/modeling), and its first release, in which `_attention_output_dense` was an attribute of the layer.
"""

import math
import re
from collections.abc import Iterable, Sequence

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # the string tensor that every object-based checkpoint has
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"

EMBEDDINGS = ("word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm")
# A functional model numbers its layers with weights: first EMBEDDINGS, then the transformer layers, then the pooler.
NUMBERED = re.compile(r"(.*/)?layer_with_weights-(\d+)/((?:(?!layer_with_weights).)+)")
NAMED = re.compile(r"(.*/)?_transformer_layers/(\d+)/(.+)")
OUTSIDE = {
    "_embedding_layer/embeddings": "embeddings/word_embeddings",
    "_position_embedding_layer/embeddings": "embeddings/position_embeddings",
    "_type_embedding_layer/embeddings": "embeddings/token_type_embeddings",
    "_embedding_norm_layer/gamma": "embeddings/LayerNorm/gamma",
    "_embedding_norm_layer/beta": "embeddings/LayerNorm/beta",
    "_pooler_layer/kernel": "pooler/dense/kernel",
    "_pooler_layer/bias": "pooler/dense/bias",
}
INSIDE = {
    "_attention_layer/_query_dense": "attention/self/query",
    "_attention_layer/_key_dense": "attention/self/key",
    "_attention_layer/_value_dense": "attention/self/value",
    "_attention_layer/_output_dense": "attention/output/dense",
    "_attention_output_dense": "attention/output/dense",
    "_attention_layer_norm": "attention/output/LayerNorm",
    "_intermediate_dense": "intermediate/dense",
    "_output_dense": "output/dense",
    "_output_layer_norm": "output/LayerNorm",
}
HEAD = {
    "masked_lm/dense/kernel": "cls/predictions/transform/dense/kernel",
    "masked_lm/dense/bias": "cls/predictions/transform/dense/bias",
    "masked_lm/layer_norm/gamma": "cls/predictions/transform/LayerNorm/gamma",
    "masked_lm/layer_norm/beta": "cls/predictions/transform/LayerNorm/beta",
    "masked_lm/output_bias.Sbias": "cls/predictions/output_bias",
    "masked_lm/bias": "cls/predictions/output_bias",
    "masked_lm/embedding_table": "bert/embeddings/word_embeddings",  # the encoder's table, saved under its shortest path
}


def google_names(keys: Iterable[str]) -> dict[str, str]:
    """Returns a dict from Google's variable name to the key; empty unless the keys belong to exactly one BERT encoder."""
    variables = {key.removesuffix(VALUE): key for key in keys if key.endswith(VALUE)}
    inside = {part: found for part in variables if (found := _in_transformer(part))}
    encoders = {found[1] or "" for found in inside.values()}
    if len(encoders) != 1:
        return {}
    (encoder,) = encoders
    pooler = 1 + max(int(found[2]) for found in inside.values())
    names: dict[str, str] = {}
    for part, key in variables.items():
        if part in inside:
            names[_transformer_name(inside[part])] = key
        elif name := _outside_name(part, encoder, pooler):
            names[name] = key
        elif name := next((HEAD[end] for end in HEAD if f"/{part}".endswith(f"/{end}")), None):
            names.setdefault(name, key)
    return names


def google_shape(name: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Returns the shape of Google's variable; the garden has a separate axis for heads, as in (hidden, heads, size)."""
    if len(shape) < 2 or "/attention/" not in name:
        return tuple(shape)
    if name.endswith("/bias"):
        return (math.prod(shape),)
    return (math.prod(shape[:-1]), shape[-1]) if "/output/" in name else (shape[0], math.prod(shape[1:]))


def _in_transformer(part: str) -> re.Match[str] | None:
    """Returns the match of NAMED or NUMBERED for a variable inside a transformer layer, otherwise None."""
    found = NAMED.fullmatch(part) or NUMBERED.fullmatch(part)
    return found if found and found[3].rpartition("/")[0] in INSIDE else None


def _transformer_name(found: re.Match[str]) -> str:
    number = int(found[2]) - (len(EMBEDDINGS) if found.re is NUMBERED else 0)
    group, _, last = found[3].rpartition("/")
    return f"bert/encoder/layer_{number}/{INSIDE[group]}/{last}"


def _outside_name(part: str, encoder: str, pooler: int) -> str | None:
    """Returns Google's name of a variable of the encoder's embeddings or pooler, or None.

    Args:
        part: path of the variable.
        encoder: path of the encoder, a prefix of `part`.
        pooler: number of the layer with weights that follows the transformer.
    """
    rest = part.removeprefix(encoder)
    if part == encoder + rest and rest in OUTSIDE:
        return f"bert/{OUTSIDE[rest]}"
    found = NUMBERED.fullmatch(part)
    if not found or (found[1] or "") != encoder:
        return None
    number, last = int(found[2]), found[3]
    if number == pooler and last in ("kernel", "bias"):
        return f"bert/pooler/dense/{last}"
    if number < 3 and last == "embeddings":
        return f"bert/embeddings/{EMBEDDINGS[number]}"
    return f"bert/embeddings/LayerNorm/{last}" if number == 3 and last in ("gamma", "beta") else None
