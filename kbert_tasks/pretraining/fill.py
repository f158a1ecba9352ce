"""The words that a checkpoint would put in place of [MASK]."""

import functools
import re
from os import PathLike
from pathlib import Path

import numpy as np

from .._keras import computes_here
from ..checkpoint.checkpoint import Checkpoint
from ..checkpoint.find import locate
from ..encoder.bert import SEGMENTS, TOKENS
from ..errors import InputError
from ..text.tokenizer import SPECIAL, Tokenizer
from . import model

MASK = "[MASK]"
NO_WORD = re.compile(r"\[unused\d+\]")


def fill_mask(checkpoint: str | PathLike[str] | Checkpoint, text: str, top: int = 5) -> list[list[tuple[str, float]]]:
    """The most probable tokens for each [MASK] of a text.

    Args:
        checkpoint: as `find_checkpoint` takes it; it must have the masked-word head, as Google's and those of
            `kbert-pretrain` have. The last one stays in memory.
        text: with one or more "[MASK]"; nothing else in it is special.
        top: so many tokens for each.

    Returns:
        A list with an entry for each [MASK], in their order: [(token, probability), ...], the best first. Special tokens
        and [unused] slots are left out; a probability is the token's among all.

    Raises:
        InputError: no [MASK], a text that is too long, or a checkpoint without the head.

    Examples:
        >>> fill_mask("checkpoints/chinese_L-12_H-768_A-12", "今天[MASK]气很好", top=1)  # doctest: +SKIP
        [[('天', 0.99)]]
    """
    if not isinstance(text, str) or MASK not in text:
        raise InputError(f"the text should have {MASK} where a word is wanted, found {text!r:.80}")
    if type(top) is not int or top < 1:
        raise InputError(f"top should be a whole number of at least 1, not {top!r}")
    computes_here()
    if isinstance(checkpoint, Checkpoint):
        place, cased = Path(checkpoint.checkpoint_file), checkpoint.cased
    else:
        place, cased = locate(checkpoint), None
    opened, tokenizer, network = _loaded(place, cased, _stamp(place))
    x = _inputs(tokenizer, text)
    if x[TOKENS].shape[1] > opened.config["max_position_embeddings"]:
        raise InputError(
            f"the text has {x[TOKENS].shape[1]} tokens, [CLS] and [SEP] included, and {opened.name} reads "
            f"{opened.config['max_position_embeddings']} at most: cut it around the {MASK}"
        )
    logits = network(x, training=False)["MLM"].numpy()[0].astype(np.float64)  # (masks, vocabulary)
    chances = np.exp(logits - logits.max(-1, keepdims=True))
    chances /= chances.sum(-1, keepdims=True)
    words = [i for i, word in enumerate(opened.vocabulary) if word not in SPECIAL and not NO_WORD.fullmatch(word)]
    best = [np.array(words)[np.argsort(-row[words], kind="stable")[:top]] for row in chances]
    return [[(opened.vocabulary[i], float(row[i])) for i in ids] for row, ids in zip(chances, best, strict=True)]


def _inputs(tokenizer, text):
    """The model's inputs for one text: int32 (1, time), and of the masks (1, masked)."""
    start, end, mask = (tokenizer.vocabulary.index(token) for token in ("[CLS]", "[SEP]", MASK))
    ids = [start]
    for i, part in enumerate(text.split(MASK)):  # apart, as the tokenizer takes a [MASK] in a text for text
        ids += [mask] * (i > 0) + tokenizer.encode(part, max_length=2**31 - 1).ids[1:-1].tolist()
    tokens = np.array([[*ids, end]], np.int32)
    x = {TOKENS: tokens, SEGMENTS: np.zeros_like(tokens)}
    return x | {model.POSITIONS: np.flatnonzero(tokens[0] == mask)[None].astype(np.int32)}


def _stamp(place):
    """When the files of weights were written: what is in memory is of no use after that."""
    files = [*place.glob("*.index"), *place.glob("*/*.index")] if place.is_dir() else [Path(f"{place}.index")]
    return tuple((str(file), file.stat().st_mtime_ns) for file in sorted(files) if file.is_file())


@functools.lru_cache(1)
def _loaded(place, cased, stamp):
    checkpoint = Checkpoint.open(place, cased)
    network = model.build(checkpoint.config)
    missing = model.fill(network, checkpoint.config, checkpoint.tensors())
    if lacking := [name for name in missing if name.startswith("cls/predictions/")]:
        raise InputError(
            f"{checkpoint.folder} has no masked-word head ({lacking[0]} is missing): take a checkpoint that has one, as "
            "Google's have, or train one on with kbert-pretrain train --checkpoint"
        )
    return checkpoint, Tokenizer(checkpoint.vocabulary, checkpoint.cased), network
