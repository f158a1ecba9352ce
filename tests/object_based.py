"""Writes object-based checkpoints like TensorFlow's model garden: by attributes and numbered layers."""

from pathlib import Path

import numpy as np

from kbert_tasks._keras import tensorflow
from kbert_tasks.checkpoint import google_format

PARTS = {
    "attention/self/query": "_attention_layer/_query_dense",
    "attention/self/key": "_attention_layer/_key_dense",
    "attention/self/value": "_attention_layer/_value_dense",
    "attention/output/dense": "_attention_layer/_output_dense",
    "attention/output/LayerNorm": "_attention_layer_norm",
    "intermediate/dense": "_intermediate_dense",
    "output/dense": "_output_dense",
    "output/LayerNorm": "_output_layer_norm",
}
OUTSIDE = {  # (in a functional model, in a layer)
    "embeddings/word_embeddings": ("layer_with_weights-0/embeddings", "_embedding_layer/embeddings"),
    "embeddings/position_embeddings": ("layer_with_weights-1/embeddings", "_position_embedding_layer/embeddings"),
    "embeddings/token_type_embeddings": ("layer_with_weights-2/embeddings", "_type_embedding_layer/embeddings"),
    "embeddings/LayerNorm": ("layer_with_weights-3", "_embedding_norm_layer"),
    "pooler/dense": ("layer_with_weights-{pooler}", "_pooler_layer"),
}
HEAD = {
    "cls/predictions/transform/dense": "masked_lm/dense",
    "cls/predictions/transform/LayerNorm": "masked_lm/layer_norm",
    "cls/predictions/output_bias": "masked_lm/bias",
}


def places(config, tensors, functional, top, attention_output=PARTS["attention/output/dense"]):
    """{Google's name: location of the variable}, for everything except the next-sentence head."""
    found = {}
    for name in tensors:
        group, _, last = name.rpartition("/")
        if last not in ("kernel", "bias", "gamma", "beta"):
            group, last = name, None
        if group.startswith("bert/encoder/"):
            number, part = group.removeprefix("bert/encoder/layer_").split("/", 1)
            layer = f"layer_with_weights-{int(number) + 4}" if functional else f"_transformer_layers/{number}"
            location = attention_output if part == "attention/output/dense" else PARTS[part]
            found[name] = f"{top}/{layer}/{location}/{last}"
        elif group.startswith("bert/"):
            location = OUTSIDE[group.removeprefix("bert/")][not functional]
            location = location.format(pooler=config["num_hidden_layers"] + 4)
            found[name] = f"{top}/{location}/{last}" if last else f"{top}/{location}"
        elif group in HEAD:
            found[name] = f"{HEAD[group]}/{last}" if last else HEAD[group]
    return found


def with_heads(name, array, heads):
    """The array with a separate axis for the attention heads."""
    if "/attention/self/" in name:
        return array.reshape(*array.shape[:-1], heads, -1)
    if name.endswith("/attention/output/dense/kernel"):
        return array.reshape(heads, -1, array.shape[-1])
    return array


def write(folder, config, vocabulary, tensors, locations):
    """Like `google_format.write`, but object-based; `locations` is the result of `places`, possibly changed."""
    tf = tensorflow()
    google_format.write(folder, config, vocabulary, {"global_step": np.zeros((), "int64")})
    for file in Path(folder).glob(f"{google_format.PREFIX}.*"):
        file.unlink()
    root = {}
    for name, location in locations.items():
        *path, last = location.split("/")
        inner = root
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = tf.Variable(with_heads(name, np.asarray(tensors[name]), config["num_attention_heads"]))
    tracked(root).write(str(Path(folder) / google_format.PREFIX))
    return str(folder)


def tracked(parts):
    """Nested checkpoints from nested dicts."""
    made = {name: tracked(part) if isinstance(part, dict) else part for name, part in parts.items()}
    return tensorflow().train.Checkpoint(**made)
