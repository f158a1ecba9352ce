"""Load a released BERT checkpoint into a Keras model. Only this module uses keras-bert."""

import contextlib
import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def build_encoder(
    config: dict[str, Any],
    encoder: str = "fast",
    training: bool = False,
    seq_len: int | None = None,
    output_layer_num: int = 1,
    first_only: bool = False,
) -> "Model":
    """Returns the encoder with random weights.

    Args:
        config: the parsed `bert_config.json`.
        encoder: "fast" for the graph of this package, or "keras-bert" for the graph of keras-bert.
        training, seq_len, output_layer_num, first_only: the same as in `load_trained_model_from_checkpoint`.
    """
    computes_here()
    if encoder not in ENCODERS:
        raise InputError(f"encoder should be one of {', '.join(ENCODERS)}, not {encoder!r}")
    if encoder == "fast" and not training:
        return build(config, seq_len, output_layer_num, first_only)
    if config.get("type_vocab_size", 2) != 2:
        raise InputError(
            f"keras-bert supports 2 segment types, this config has {config['type_vocab_size']}: use encoder fast"
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / google_format.CONFIG  # keras-bert reads the config from a file only
        file.write_text(json.dumps(config), encoding="utf-8")
        model, _ = import_keras_bert().build_model_from_config(
            str(file), training=training, trainable=True, seq_len=seq_len, output_layer_num=output_layer_num,
            dropout_rate=config["hidden_dropout_prob"],
        )  # fmt: skip
    if config["hidden_act"] == "gelu":
        _with_named_gelu(model)
    if config["attention_probs_dropout_prob"]:
        log.info("keras-bert's graph has no dropout on attention probabilities (encoder 'fast' has it)")
    return model


def _with_named_gelu(model: "Model") -> None:
    """Replaces the gelu of keras-bert's layers with the function of this package, which has the same formula.

    Keras saves keras-bert's function under the name gelu and would load its own gelu instead, which uses the error
    function.
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
    """Loads a released BERT checkpoint and returns it as a plain Keras model.

    The function has the same arguments as in keras-bert, with three different defaults: all layers are trainable, the
    length of the texts can differ between batches, and the model uses the graph of this package.

    Args:
        config_file: path of `bert_config.json`, which also contains the dropout rates.
        checkpoint_file: path prefix of the checkpoint, such as `DIR/bert_model.ckpt`.
        training: add the masked-word and next-sentence heads, with the graph of keras-bert.
        trainable: whether the layers are trainable; False freezes all of them.
        output_layer_num: number of last layers whose outputs are concatenated along the last axis.
        seq_len: number of tokens in every text, or None for any number up to the positions in the config.
        encoder: "fast" or "keras-bert". "fast" applies dropout in all places where Google's code does.
        first_only: the caller needs only the vector of [CLS]. "fast" then returns only this vector, (batch, 1, hidden).

    Returns:
        A `keras.Model` (Keras 2) that maps [tokens, segments], each (batch, time), to token vectors
        (batch, time, hidden * output_layer_num).
    """
    config = read_config(config_file)
    model = build_encoder(config, encoder, training, seq_len, output_layer_num, first_only)
    # Load as many positions as the graph has: keras-bert's graph has only seq_len of them.
    positions = {"max_position_embeddings": model.get_layer("Embedding-Position").weights[0].shape[0]}
    with _loader_reads(google_format.Reader(checkpoint_file)) as load_weights:
        load_weights(model, config | positions, str(checkpoint_file), training=training)
    for layer in model.layers:
        layer.trainable = trainable
    weights = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    log.info("%s trainable weights in %d arrays", f"{weights:,}", len(model.trainable_weights))
    return model


@contextlib.contextmanager
def _loader_reads(reader: google_format.Reader) -> Iterator[Callable[..., None]]:
    """Yields keras-bert's function for loading weights, which inside the block reads from a `google_format.Reader`.

    keras-bert itself looks up Google's names in the file, but an object-based checkpoint uses other names.
    """
    keras_bert = import_keras_bert()
    before = keras_bert.loader.checkpoint_loader
    keras_bert.loader.checkpoint_loader = lambda checkpoint_file: reader.tensor
    try:
        yield keras_bert.load_model_weights_from_checkpoint
    finally:
        keras_bert.loader.checkpoint_loader = before
