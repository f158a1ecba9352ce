"""fill_mask: predicts the tokens for [MASK] with the masked-word head of a checkpoint."""

import functools
import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from .._keras import computes_here
from ..checkpoint.checkpoint import Checkpoint
from ..checkpoint.find import locate
from ..encoder.bert import SEGMENTS, TOKENS
from ..errors import InputError
from ..text.tokenizer import SPECIAL, Tokenizer
from . import model

if TYPE_CHECKING:
    from .._keras import Model

MASK = "[MASK]"
NO_WORD = re.compile(r"\[unused\d+\]")


def fill_mask(checkpoint: str | PathLike[str] | Checkpoint, text: str, top: int = 5) -> list[list[tuple[str, float]]]:
    """Predicts the most probable tokens for each [MASK] of a text.

    Args:
        checkpoint: folder, name or Checkpoint, as accepted by `find_checkpoint`. It must have the masked-word head, like the
            checkpoints of Google and of `kbert-pretrain`. The last one used stays in memory.
        text: a text that contains "[MASK]" at least once. Other special tokens are read as ordinary text.
        top: number of tokens for each [MASK].

    Returns:
        A list with one entry for each [MASK], in their order: a list of (token, probability), the most probable first.
        Special tokens and [unused] slots are omitted; probabilities are relative to the whole vocabulary.

    Raises:
        InputError: the text has no [MASK] or is too long, or the checkpoint has no masked-word head.

    Examples:
        >>> fill_mask("checkpoints/chinese_L-12_H-768_A-12", "今天[MASK]气很好", top=1)  # doctest: +SKIP
        [[('天', 0.99)]]
    """
    if not isinstance(text, str) or MASK not in text:
        raise InputError(f"the text should contain {MASK} in place of the word to predict, found {text!r:.80}")
    if type(top) is not int or top < 1:
        raise InputError(f"top should be a whole number of at least 1, not {top!r}")
    computes_here()
    cased: bool | None = None
    if isinstance(checkpoint, Checkpoint):
        place, cased = Path(checkpoint.checkpoint_file), checkpoint.cased
    else:
        place = locate(checkpoint)
    opened, tokenizer, network = _loaded(place, cased, _stamp(place))
    x = _inputs(tokenizer, text)
    if x[TOKENS].shape[1] > opened.config["max_position_embeddings"]:
        raise InputError(
            f"the text has {x[TOKENS].shape[1]} tokens, [CLS] and [SEP] included, and {opened.name} reads "
            f"{opened.config['max_position_embeddings']} at most: shorten it around the {MASK}"
        )
    logits = network(x, training=False)["MLM"].numpy()[0].astype(np.float64)  # (masks, vocabulary)
    chances = softmax(logits, axis=-1)
    words = [i for i, word in enumerate(opened.vocabulary) if word not in SPECIAL and not NO_WORD.fullmatch(word)]
    best = [np.array(words)[np.argsort(-row[words], kind="stable")[:top]] for row in chances]
    return [[(opened.vocabulary[i], float(row[i])) for i in ids] for row, ids in zip(chances, best, strict=True)]


def _inputs(tokenizer: Tokenizer, text: str) -> dict[str, np.ndarray]:
    """Returns the model inputs for one text: tokens and segments, int32 (1, time), and mask positions, (1, masked)."""
    start, end, mask = (tokenizer.vocabulary.index(token) for token in ("[CLS]", "[SEP]", MASK))
    ids = [start]
    for i, part in enumerate(text.split(MASK)):  # the tokenizer reads "[MASK]" as ordinary text
        ids += [mask] * (i > 0) + tokenizer.encode(part, max_length=2**31 - 1).ids[1:-1].tolist()
    tokens = np.array([[*ids, end]], np.int32)
    x = {TOKENS: tokens, SEGMENTS: np.zeros_like(tokens)}
    return x | {model.POSITIONS: np.flatnonzero(tokens[0] == mask)[None].astype(np.int32)}


def _stamp(place: Path) -> tuple[tuple[str, int], ...]:
    """Returns the modification times of the weight files, so that a changed checkpoint is loaded again."""
    files = [*place.glob("*.index"), *place.glob("*/*.index")] if place.is_dir() else [Path(f"{place}.index")]
    return tuple((str(file), file.stat().st_mtime_ns) for file in sorted(files) if file.is_file())


@functools.lru_cache(1)
def _loaded(
    place: Path, cased: bool | None, stamp: tuple[tuple[str, int], ...]
) -> "tuple[Checkpoint, Tokenizer, Model]":
    checkpoint = Checkpoint.open(place, cased)
    network = model.build(checkpoint.config)
    missing = model.fill(network, checkpoint.config, checkpoint.tensors())
    if lacking := [name for name in missing if name.startswith("cls/predictions/")]:
        raise InputError(
            f"{checkpoint.folder} has no masked-word head ({lacking[0]} is missing): use a checkpoint that has one, as "
            "Google's have, or train one on with kbert-pretrain train --checkpoint"
        )
    return checkpoint, Tokenizer(checkpoint.vocabulary, checkpoint.cased), network
