"""Reads and writes Google's checkpoint format, and lists the variables that belong to a `bert_config.json`.

Source: google-research/bert, `modeling.py` and `run_pretraining.py`, which define the variable names.
"""

import json
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .._keras import tensorflow
from . import model_garden

CONFIG = "bert_config.json"
PREFIX = "bert_model.ckpt"
VOCABULARY = "vocab.txt"

POOLER = ("bert/pooler/dense/kernel", "bert/pooler/dense/bias")
HEADS = ("cls/predictions/", "cls/seq_relationship/")


class Reader:
    """Reads the numeric tensors of a TensorFlow checkpoint, under Google's names if these can be determined.

    Args:
        prefix: path prefix, such as `DIR/bert_model.ckpt`.

    Attributes:
        shapes: dict from name to a tuple of ints.
        skipped: names of the tensors that are not numeric, such as strings.
        object_based: whether `tf.train.Checkpoint` saved the file; `model_garden` then provides the names.
    """

    def __init__(self, prefix: str | PathLike[str]) -> None:
        self._reader = tensorflow().train.load_checkpoint(str(prefix))
        kinds = self._reader.get_variable_to_dtype_map()
        numeric = {name for name, kind in kinds.items() if kind.is_floating or kind.is_integer or kind.is_bool}
        self.skipped = sorted(kinds.keys() - numeric)
        self.object_based = model_garden.GRAPH in kinds and not any(name.startswith("bert/") for name in numeric)
        found = model_garden.google_names(numeric) if self.object_based else {}
        self._keys = {name: name for name in numeric - set(found.values())} | found
        shapes = self._reader.get_variable_to_shape_map()
        self.shapes: dict[str, tuple[int, ...]] = {name: tuple(shapes[key]) for name, key in self._keys.items()}
        self.shapes |= {name: model_garden.google_shape(name, self.shapes[name]) for name in found}

    def tensor(self, name: str) -> np.ndarray:
        """Returns the tensor as an array; TensorFlow verifies its checksum."""
        return np.asarray(self._reader.get_tensor(self._keys[name])).reshape(self.shapes[name])


def is_checkpoint(folder: Path) -> bool:
    """Returns whether `bert_config.json` is in the folder, or one level below as in some archives."""
    return (folder / CONFIG).is_file() or any(folder.glob(f"*/{CONFIG}"))


def variables(config: Mapping[str, Any], pooler: bool = True, heads: bool = False) -> dict[str, tuple[int, ...]]:
    """Returns the names and shapes of the weights of a BERT with this config.

    Args:
        config: the parsed `bert_config.json`.
        pooler: whether to include the dense layer on [CLS].
        heads: whether to include the masked-word and next-sentence heads.

    Returns:
        A dict from Google's variable name to a tuple of ints.
    """
    h, inner, words = config["hidden_size"], config["intermediate_size"], config["vocab_size"]

    def dense(name: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}/kernel": (rows, columns), f"{name}/bias": (columns,)}

    def norm(name: str) -> dict[str, tuple[int, ...]]:
        return {f"{name}/LayerNorm/gamma": (h,), f"{name}/LayerNorm/beta": (h,)}

    shapes: dict[str, tuple[int, ...]] = {
        "bert/embeddings/word_embeddings": (words, h),
        "bert/embeddings/position_embeddings": (config["max_position_embeddings"], h),
        "bert/embeddings/token_type_embeddings": (config.get("type_vocab_size", 2), h),
        **norm("bert/embeddings"),
    }
    for i in range(config["num_hidden_layers"]):
        layer = f"bert/encoder/layer_{i}"
        for part in ("query", "key", "value"):
            shapes |= dense(f"{layer}/attention/self/{part}", h, h)
        shapes |= dense(f"{layer}/attention/output/dense", h, h) | norm(f"{layer}/attention/output")
        shapes |= dense(f"{layer}/intermediate/dense", h, inner)
        shapes |= dense(f"{layer}/output/dense", inner, h) | norm(f"{layer}/output")
    if pooler:
        shapes |= dense("bert/pooler/dense", h, h)
    if heads:
        shapes |= dense("cls/predictions/transform/dense", h, h) | norm("cls/predictions/transform")
        shapes |= {"cls/predictions/output_bias": (words,)}
        shapes |= {"cls/seq_relationship/output_weights": (2, h), "cls/seq_relationship/output_bias": (2,)}
    return shapes


def write(
    folder: str | PathLike[str], config: dict[str, Any], vocabulary: Iterable[str], tensors: Mapping[str, np.ndarray]
) -> None:
    """Writes a checkpoint folder in Google's format.

    Args:
        folder: the folder to write to; it is created if it does not exist.
        config: content of `bert_config.json`.
        vocabulary: list of tokens, the lines of `vocab.txt`.
        tensors: dict from Google's variable names to float32 arrays.
    """
    tf = tensorflow()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    (folder / VOCABULARY).write_text("".join(token + "\n" for token in vocabulary), encoding="utf-8", newline="\n")
    names = sorted(tensors)
    arrays = [np.ascontiguousarray(tensors[name]) for name in names]
    tf.raw_ops.SaveV2(
        prefix=str(folder / PREFIX), tensor_names=names, shape_and_slices=[""] * len(names), tensors=arrays
    )
    state = f'model_checkpoint_path: "{PREFIX}"\nall_model_checkpoint_paths: "{PREFIX}"\n'
    (folder / "checkpoint").write_text(state, encoding="utf-8")
