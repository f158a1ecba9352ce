"""Initial weights of pretraining: random, or from a checkpoint whose vocabulary may have been extended."""

import logging
import re
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from ..checkpoint.checkpoint import Checkpoint
from ..checkpoint.find import find_checkpoint
from ..errors import InputError
from ..text.tokenizer import Tokenizer
from ..training.optimizers import warmup_schedule
from . import model
from .corpus import Corpus
from .settings import TrainingSettings

log = logging.getLogger("kbert_tasks")

UNUSED = re.compile(r"\[unused\d+\]")
WORDS, BIAS = "bert/embeddings/word_embeddings", "cls/predictions/output_bias"


def starting(
    corpus: Corpus, config: str | PathLike[str] | None, checkpoint: str | PathLike[str] | Checkpoint | None, seed: int
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, Any]]:
    """Returns the config and the initial weights of a model for a corpus.

    Args:
        corpus: the Corpus, which defines the vocabulary and the casing of the model.
        config: a name in `model.CONFIGS` or the path of a `bert_config.json`, to start from random weights; or None.
        checkpoint: checkpoint to continue from, as accepted by `find_checkpoint`; or None.
        seed: seed of random weights.

    Returns:
        (config, weights, about): the contents of `bert_config.json`, a dict of Google's names to arrays, and a dict that
        describes the start for `pretraining.json`.

    Raises:
        InputError: both or none of config and checkpoint are given, or the checkpoint does not match the corpus.
    """
    check(config, checkpoint)
    if checkpoint is None:
        assert config is not None  # otherwise `check` raised an InputError
        made = model.configured(config, len(corpus.vocabulary), corpus.cased)
        return made, model.drawn(made, seed), {"config": str(config)}
    return _going_on(corpus, find_checkpoint(checkpoint), seed)


def check(config: str | PathLike[str] | None, checkpoint: str | PathLike[str] | Checkpoint | None) -> None:
    """Checks that either a config or a checkpoint is given, before a long text is prepared.

    Raises:
        InputError: both or none are given, or the config does not exist.
    """
    if (config is None) == (checkpoint is None):
        raise InputError(
            f"give either a config ({', '.join(model.CONFIGS)}, or a bert_config.json) to start from random weights, "
            f"or a checkpoint to continue from{'' if config is None else ', not both'}"
        )
    if config is not None:
        model.shape(config)


def fits(settings: TrainingSettings, config: Mapping[str, Any]) -> None:
    """Checks the `TrainingSettings` against each other and the model, before a long text is prepared.

    Raises:
        InputError: the warm-up does not fit the number of steps, or max_length is too large for the model.
    """
    warmup_schedule(settings.learning_rate, settings.warmup, settings.steps)
    if settings.max_length > (most := config["max_position_embeddings"]):
        raise InputError(f"length should be at most the model's {most} positions, not {settings.max_length}")


def _going_on(
    corpus: Corpus, checkpoint: Checkpoint, seed: int
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, Any]]:
    if corpus.cased != checkpoint.cased:
        words = ["uncased", "cased"]
        raise InputError(
            f"the corpus is {words[corpus.cased]}, but the checkpoint {checkpoint.name} is {words[checkpoint.cased]} "
            f"({checkpoint.casing}): prepare the text again as {words[checkpoint.cased]}"
        )
    config = checkpoint.config | {"do_lower_case": not checkpoint.cased}
    new = new_tokens(checkpoint, corpus.vocabulary)
    arrays = checkpoint.tensors()
    fresh = model.drawn(config, seed)
    drawn = sorted(fresh.keys() - arrays.keys())
    if drawn:
        log.info("%s lacks %s: these are initialised randomly", checkpoint.name, ", ".join(drawn))
    arrays = {name: arrays.get(name, fresh[name]) for name in fresh}
    if new:
        arrays |= _grown(arrays, checkpoint, new)
        log.info(
            "%d tokens are new, in [unused] slots: their embeddings are initialised with the mean of their former pieces",
            len(new),
        )
    about = {"checkpoint": checkpoint.name, "new_tokens": [token for _, token in new], "drawn": drawn}
    return config, arrays, about


def new_tokens(checkpoint: Checkpoint, vocabulary: Sequence[str]) -> list[tuple[int, str]]:
    """Returns a list of (id, token) for the tokens that replace [unused] slots of the checkpoint.

    Raises:
        InputError: the vocabularies differ in other tokens.
    """
    advice = "use the checkpoint's vocab.txt, or fill its [unused] slots with kbert-pretrain vocab --extend"
    old = checkpoint.vocabulary
    if len(old) != len(vocabulary):
        raise InputError(
            f"the corpus's vocabulary has {len(vocabulary)} tokens, that of {checkpoint.name} {len(old)}: {advice}"
        )
    new = [(i, token) for i, token in enumerate(vocabulary) if token != old[i]]
    for i, token in new:
        if not UNUSED.fullmatch(old[i]) or UNUSED.fullmatch(token):
            raise InputError(
                f"line {i + 1} of the corpus's vocabulary is {token!r}, that of {checkpoint.name} has {old[i]!r}, "
                f"which is not an [unused] slot: {advice}"
            )
    return new


def _grown(
    arrays: Mapping[str, np.ndarray], checkpoint: Checkpoint, new: Sequence[tuple[int, str]]
) -> dict[str, np.ndarray]:
    """Returns the embeddings and output biases; those of new tokens are the means over their pieces."""
    tokenizer, ids = Tokenizer(checkpoint.vocabulary, checkpoint.cased), {}
    for number, token in enumerate(checkpoint.vocabulary):
        ids[token] = number
    grown = {name: arrays[name].copy() for name in (WORDS, BIAS)}
    for number, token in new:
        pieces: np.ndarray | list[int] = tokenizer.encode(token.removeprefix("##"), max_length=2**31 - 1).ids[1:-1]
        if token.startswith("##") and len(pieces):  # its first piece is a "##" piece too
            first = "##" + checkpoint.vocabulary[pieces[0]]
            pieces = [ids.get(first, pieces[0]), *pieces[1:]]
        if len(pieces):
            for name, array in grown.items():
                array[number] = arrays[name][pieces].mean(0)
    return grown
