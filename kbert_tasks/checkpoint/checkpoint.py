"""A checkpoint as Google releases it, and the Keras model made from it. The only room that imports keras_bert."""

import json
import logging
import tempfile
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import import_keras_bert, tensorflow
from ..errors import InputError
from ..settings import ENCODERS
from . import google_format

if TYPE_CHECKING:
    from .._keras import Model

log = logging.getLogger("kbert_tasks")


@dataclass(frozen=True)
class Checkpoint:
    """Three files, checked: made by `Checkpoint.find`.

    Attributes:
        folder: where the files are.
        config_file, checkpoint_file, vocabulary_file: paths; `checkpoint_file` is the prefix TensorFlow wants.
        config: the parsed `bert_config.json`.
        vocabulary: list of tokens; the position is the id.
        cased: whether capital letters and accents are kept.
        casing: how that is known, in words.
    """

    folder: Path
    config_file: Path
    checkpoint_file: str
    vocabulary_file: Path
    config: dict[str, Any]
    vocabulary: list[str]
    cased: bool
    casing: str

    @classmethod
    def find(cls, path: "str | PathLike[str] | Checkpoint", cased: bool | None = None) -> "Checkpoint":
        """The checkpoint at `path`, after every check of `kbert_tasks.checkpoint.validate`.

        Args:
            path: a folder (its files may lie one level down), a path prefix such as `DIR/bert_model.ckpt`, a name
                in the catalogue (`kbert-checkpoint list`), `hf:OWNER/NAME`, or a Checkpoint, which comes back.
            cased: True or False overrules what the names and files say.

        Raises:
            InputError: the first thing that is wrong with it.
        """
        from .catalog import locate
        from .validate import examine

        if isinstance(path, cls):
            return path
        parts: dict[str, Any] = {}
        for finding in examine(locate(path), cased, parts):
            if finding.problem:
                raise InputError(finding.problem)
        return cls(**parts)

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def language(self) -> str:
        """Of the sample that fits: "zh" where the vocabulary has over a thousand Chinese characters, else "en"."""
        return "zh" if sum("一" <= token <= "鿿" for token in self.vocabulary if len(token) == 1) > 1000 else "en"

    def tensors(self) -> dict[str, np.ndarray]:
        """All weights of the model and its pretraining heads: dict from Google's name to float32 array."""
        reader = tensorflow().train.load_checkpoint(self.checkpoint_file)
        optimizer = ("adam_m", "adam_v", "Adam", "Adam_1", "global_step")
        names = [n for n in reader.get_variable_to_shape_map() if n.startswith(("bert/", "cls/"))]
        return {n: np.asarray(reader.get_tensor(n)) for n in sorted(names) if n.rsplit("/", 1)[-1] not in optimizer}

    def pooler(self) -> list[np.ndarray] | None:
        """[kernel (hidden, hidden), bias (hidden,)] of the dense layer on [CLS], or None where there is none."""
        reader = tensorflow().train.load_checkpoint(self.checkpoint_file)
        if not all(map(reader.has_tensor, google_format.POOLER)):
            return None
        return [reader.get_tensor(name) for name in google_format.POOLER]


def build_encoder(config, encoder="fast", training=False, seq_len=None, output_layer_num=1, first_only=False):
    """The encoder's graph with random weights.

    Args:
        config: the parsed `bert_config.json`.
        encoder: "fast", the package's own graph, or "keras-bert", keras-bert's.
        training, seq_len, output_layer_num, first_only: as in `load_trained_model_from_checkpoint`.
    """
    if encoder not in ENCODERS:
        raise InputError(f"encoder must be one of {', '.join(ENCODERS)}, not {encoder!r}")
    if encoder == "fast" and not training:
        from ..encoder.bert import build

        return build(config, seq_len, output_layer_num, first_only)
    if config.get("type_vocab_size", 2) != 2:
        raise InputError(
            f"keras-bert knows 2 segment types, this config has {config['type_vocab_size']}: use encoder fast"
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / google_format.CONFIG  # keras-bert wants a file
        file.write_text(json.dumps(config), encoding="utf-8")
        model, _ = import_keras_bert().build_model_from_config(
            str(file), training=training, trainable=True, seq_len=seq_len, output_layer_num=output_layer_num,
            dropout_rate=config["hidden_dropout_prob"],
        )  # fmt: skip
    if config["attention_probs_dropout_prob"]:
        log.info("keras-bert's graph has no dropout on attention probabilities (the encoder 'fast' has)")
    return model


def load_trained_model_from_checkpoint(
    config_file: str | PathLike[str],
    checkpoint_file: str | PathLike[str],
    training: bool = False,
    trainable: bool = True,
    output_layer_num: int = 1,
    seq_len: int | None = None,
    encoder: str = "fast",
    first_only: bool = False,
) -> "Model":
    """A released BERT as a plain Keras model, filled by keras-bert's loader, every layer trainable.

    The same call as keras-bert's, with three other defaults: everything trains, texts are as long as the batch
    makes them, and the graph is the package's own.

    Args:
        config_file: path of `bert_config.json`; its dropout rates are used.
        checkpoint_file: path prefix, such as `DIR/bert_model.ckpt`.
        training: True adds the masked-word and next-sentence heads (keras-bert's graph).
        trainable: False freezes all layers.
        output_layer_num: so many of the last layers are joined along the last axis.
        seq_len: tokens of every text, or None for any number up to the config's positions.
        encoder: "fast" or "keras-bert". The first has dropout wherever Google has it.
        first_only: the caller reads the vector of [CLS] alone; "fast" then gives no other, (batch, 1, hidden).

    Returns:
        A `keras.Model` (Keras 2) from [tokens, segments], each (batch, time), to token vectors
        (batch, time, hidden * output_layer_num).
    """
    from .validate import read_config

    config = read_config(config_file)
    model = build_encoder(config, encoder, training, seq_len, output_layer_num, first_only)
    # As many rows of positions as the graph has: keras-bert's has no more than seq_len.
    positions = {"max_position_embeddings": model.get_layer("Embedding-Position").weights[0].shape[0]}
    import_keras_bert().load_model_weights_from_checkpoint(
        model, config | positions, str(checkpoint_file), training=training
    )
    for layer in model.layers:
        layer.trainable = trainable
    weights = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    log.info("%s weights in %d arrays train", f"{weights:,}", len(model.trainable_weights))
    return model
