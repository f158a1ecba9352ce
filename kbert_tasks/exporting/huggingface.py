"""Exports a folder that `transformers` loads: BertForSequenceClassification, or BertModel and the arrays of the head.

Hugging Face's classifier always has a dense layer with tanh on [CLS] (the pooler). A head on the vector of [CLS] itself is
mapped with a pooler that multiplies by SMALL, where tanh changes a value by about a millionth of it.
"""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checkpoint.convert import KEYS, PLAIN, RULES, SPECIAL
from ..encoder.pooling import POOLER
from ..tasks.client import Client

if TYPE_CHECKING:
    from ..tasks.base import Task

Arrays = dict[str, np.ndarray]

CLASSIFIER, ENCODER = "BertForSequenceClassification", "BertModel"
HEAD = "head.safetensors"
SMALL = 2.0**-12
# Hugging Face's names of the weights of each layer, in the order of Keras.
EMBEDDINGS = {
    "Embedding-Token": ("word_embeddings.weight",),
    "Embedding-Segment": ("token_type_embeddings.weight",),
    "Embedding-Position": ("position_embeddings.weight",),
    "Embedding-Norm": ("LayerNorm.weight", "LayerNorm.bias"),
}
LAYER = {
    "MultiHeadSelfAttention": tuple(
        f"attention.{part}.{kind}"
        for part in ("self.query", "self.key", "self.value", "output.dense")
        for kind in ("weight", "bias")
    ),
    "MultiHeadSelfAttention-Norm": ("attention.output.LayerNorm.weight", "attention.output.LayerNorm.bias"),
    "FeedForward": ("intermediate.dense.weight", "intermediate.dense.bias", "output.dense.weight", "output.dense.bias"),
    "FeedForward-Norm": ("output.LayerNorm.weight", "output.LayerNorm.bias"),
}


@contextlib.contextmanager
def without_triton() -> Iterator[None]:
    """Inside the block, triton cannot be imported, unless it was before.

    PyTorch imports it if it is installed. Its library ends the process with a segmentation fault if TensorFlow was loaded
    first. On a CPU, PyTorch does not need it.
    """
    modules: dict[str, Any] = sys.modules
    if "triton" in modules:
        yield
        return
    modules["triton"] = None
    try:
        yield
    finally:
        del modules["triton"]


def architecture(client: Client) -> str:
    """Returns the class of transformers that can contain the model."""
    return CLASSIFIER if client.about.get("pooling") in ("cls", "pooler") else ENCODER


def write(task: "Task[Any]", client: Client, folder: Path) -> None:
    """Writes `config.json`, `tokenizer_config.json`, `model.safetensors` and, for BertModel, HEAD."""
    from safetensors.numpy import save

    kind, encoder = architecture(client), _encoder(task)
    if kind == CLASSIFIER:
        files = {
            "model.safetensors": {f"bert.{name}": each for name, each in encoder.items()} | _classifier(task, client)
        }
    else:
        files = {"model.safetensors": encoder, HEAD: head(task, client)}
    for name, arrays in files.items():
        made = {key: np.ascontiguousarray(each) for key, each in arrays.items()}
        (folder / name).write_bytes(save(made, metadata={"format": "pt"}))
    for name, content in {"config": _config(task, client, kind), "tokenizer_config": _tokenizer_config(task)}.items():
        text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


def head(task: "Task[Any]", client: Client) -> Arrays:
    """Returns the weights of the head, with the names LAYER/WEIGHT."""
    layers = list(task.prediction_model(task.model).layers)
    if client.second:
        layers.append(task.model.get_layer(client.second))
    return {
        f"{layer.name}/{weight.name.split(':')[0].split('/')[-1]}": np.asarray(weight)
        for layer in layers
        if not layer.name.startswith(("Embedding-", "Encoder-"))
        for weight in layer.weights
    }


def _encoder(task: "Task[Any]") -> Arrays:
    places = [(layer, "embeddings", names) for layer, names in EMBEDDINGS.items()]
    for i in range(task.config["num_hidden_layers"]):
        places += [(f"Encoder-{i + 1}-{layer}", f"encoder.layer.{i}", names) for layer, names in LAYER.items()]
    arrays = {}
    for layer, part, names in places:
        weights = [np.asarray(each) for each in task.model.get_layer(layer).weights]
        for name, array in zip(names, weights, strict=True):
            # Dense layers have transposed kernels, embeddings have not.
            arrays[f"{part}.{name}"] = array if array.ndim == 1 or layer in EMBEDDINGS else array.T
    return arrays


def _classifier(task: "Task[Any]", client: Client) -> Arrays:
    kernel, bias = (np.asarray(each) for each in task.model.get_layer("label").weights)
    if client.about["pooling"] == "pooler":
        dense, shift = (np.asarray(each) for each in task.model.get_layer(POOLER).weights)
        pooler = {"weight": dense.T, "bias": shift}
    else:
        size = len(kernel)
        pooler = {"weight": np.eye(size, dtype="float32") * SMALL, "bias": np.zeros(size, "float32")}
        kernel = kernel / SMALL
    return {f"bert.pooler.dense.{name}": each for name, each in pooler.items()} | {
        "classifier.weight": kernel.T,
        "classifier.bias": bias,
    }


def _config(task: "Task[Any]", client: Client, kind: str) -> dict[str, Any]:
    config = {key: task.config.get(key, default) for key, default in KEYS.items()} | PLAIN
    config |= {
        "architectures": [kind],
        "layer_norm_eps": 1e-12,
        "pad_token_id": task.tokenizer.vocabulary.index("[PAD]"),
    }
    config["hidden_act"] = config["hidden_act"].replace("gelu", "gelu_new")  # Google's formula
    if kind == CLASSIFIER:
        labels = client.about["labels"]
        several = client.activation == "sigmoid"
        config |= {
            "id2label": {str(i): label for i, label in enumerate(labels)},
            "label2id": {label: i for i, label in enumerate(labels)},
            "problem_type": "multi_label_classification" if several else "single_label_classification",
        }
    return config


def _tokenizer_config(task: "Task[Any]") -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": not task.tokenizer.cased, **SPECIAL,
        "model_max_length": task.settings.max_length, "tokenize_chinese_chars": RULES["tokenize_chinese_chars"][0],
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],  # pairs need token_type_ids
        "split_special_tokens": True,  # "[SEP]" in a text is text
    }  # fmt: skip
