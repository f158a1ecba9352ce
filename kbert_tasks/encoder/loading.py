"""The BERT encoder as a Keras model, filled from a released checkpoint. The only module that uses keras-bert."""

import contextlib
import json
import logging
import tempfile
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._keras import computes_here, import_keras_bert
from ..checkpoint import google_format
from ..checkpoint.config import read_config
from ..errors import InputError
from ..settings import ENCODERS
from .bert import build
from .ops import gelu

if TYPE_CHECKING:
    from .._keras import Model

log = logging.getLogger("kbert_tasks")


def build_encoder(config, encoder="fast", training=False, seq_len=None, output_layer_num=1, first_only=False):
    """The encoder's graph with random weights.

    Args:
        config: the parsed `bert_config.json`.
        encoder: "fast", the package's own graph, or "keras-bert", keras-bert's.
        training, seq_len, output_layer_num, first_only: as in `load_trained_model_from_checkpoint`.
    """
    computes_here()
    if encoder not in ENCODERS:
        raise InputError(f"encoder must be one of {', '.join(ENCODERS)}, not {encoder!r}")
    if encoder == "fast" and not training:
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
    if config["hidden_act"] == "gelu":
        _with_named_gelu(model)
    if config["attention_probs_dropout_prob"]:
        log.info("keras-bert's graph has no dropout on attention probabilities (the encoder 'fast' has)")
    return model


def _with_named_gelu(model):
    """Gives keras-bert's layers this package's function of the same formula.

    Theirs is saved under the name gelu, and Keras would load its own, by the error function, in its place.
    """
    for layer in model.layers:
        if getattr(getattr(layer, "activation", None), "__name__", "").startswith("gelu"):
            layer.activation = gelu


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
    config = read_config(config_file)
    model = build_encoder(config, encoder, training, seq_len, output_layer_num, first_only)
    # As many rows of positions as the graph has: keras-bert's has no more than seq_len.
    positions = {"max_position_embeddings": model.get_layer("Embedding-Position").weights[0].shape[0]}
    with _loader_reads(google_format.Reader(checkpoint_file)) as load_weights:
        load_weights(model, config | positions, str(checkpoint_file), training=training)
    for layer in model.layers:
        layer.trainable = trainable
    weights = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    log.info("%s weights in %d arrays train", f"{weights:,}", len(model.trainable_weights))
    return model


@contextlib.contextmanager
def _loader_reads(reader):
    """keras-bert's function that fills a model, which inside the block takes each tensor from an `google_format.Reader`.

    keras-bert looks for Google's names in the file itself, where an object-based checkpoint has others.
    """
    keras_bert = import_keras_bert()
    before = keras_bert.loader.checkpoint_loader
    keras_bert.loader.checkpoint_loader = lambda checkpoint_file: reader.tensor
    try:
        yield keras_bert.load_model_weights_from_checkpoint
    finally:
        keras_bert.loader.checkpoint_loader = before
