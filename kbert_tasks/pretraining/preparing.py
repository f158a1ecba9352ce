"""Makes a `Corpus` from text files: tokenizes documents, splits off a held-out part, and writes shards and a manifest."""

import hashlib
import importlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from .. import __version__
from .._keras import tensorflow
from ..disk import written
from ..errors import InputError
from ..files import replacing_folder, sha256
from ..text.tokenizer import SPECIAL, Tokenizer, read_vocabulary
from . import documents
from .corpus import FORMAT, HELD_OUT, MANIFEST, PARTS, TRAIN, VOCABULARY, Corpus, Document
from .shards import COUNTED, Shards
from .vocabulary import is_chinese

if TYPE_CHECKING:
    from tensorflow.errors import OpError

log = logging.getLogger("kbert_tasks")

BYTES = 3  # assumed number of UTF-8 bytes per token: that of a Chinese character
NO_LIMIT = 2**31 - 1  # tokens


def prepare(
    files: documents.Files,
    folder: str | PathLike[str],
    vocabulary: list[str],
    cased: bool,
    *,
    held_out: float = 0.01,
    whole_word_mask: bool = False,
    shard_tokens: int = 1_000_000,
    seed: int = 1,
    text_column: str = "text",
    encoding: str | None = None,
) -> Corpus:
    """Tokenizes text files into a new folder; if it fails, the folder is not created.

    One document is in memory at a time. Whether a document is held out depends only on its tokens and the seed, so that
    copies of a document are in the same part. The same call gives identical files.

    Args:
        files: text files, as accepted by `documents.read`.
        folder: folder to create; it must not exist.
        vocabulary: list of tokens.
        cased: whether to keep capital letters and accents.
        held_out: share of the documents to hold out from training: at least one document or, if there is only one, its end.
            0 holds out nothing.
        whole_word_mask: whether to join the characters of Chinese words found by jieba, to mask them together.
        shard_tokens: approximate number of tokens of a shard; it is never exceeded by more than a factor of 2 plus one
            document.
        seed: seed of the split and of the order.
        text_column: column of the text in tables.
        encoding: encoding of text files; None to detect it.

    Returns:
        The `Corpus`.

    Raises:
        InputError: the folder exists or cannot be written, the vocabulary is not valid, jieba is not installed, there is
            too little text, another process is creating the folder, or `documents.read` raises it.
    """
    if not 0 <= held_out < 1 or shard_tokens < 1:
        raise InputError(
            f"held_out should be from 0 to below 1 and shard_tokens above 0, not {held_out}, {shard_tokens}"
        )
    sources = documents.paths(files)
    reading = documents.Reading()
    tokenize = _tokenizer(vocabulary, cased, _segmenter() if whole_word_mask else None, reading.skipped)
    folder = Path(folder)
    with replacing_folder(folder) as fresh:
        fresh.mkdir()
        _write_vocabulary(fresh / VOCABULARY, vocabulary)
        unknown = vocabulary.index("[UNK]")
        expected = sum(path.stat().st_size for path in sources) / BYTES
        shares = {TRAIN: 1 - held_out, HELD_OUT: held_out}
        parts = {
            part: Shards(
                fresh, part, expected * shares[part], shard_tokens, np.random.default_rng([seed, number]), unknown
            )
            for number, part in enumerate(PARTS)
        }
        read = documents.read(sources, text_column, encoding, reading=reading)
        try:
            for part, document in _parted(filter(None, map(tokenize, read)), held_out, seed):
                parts[part].add(document)
            counts = {part: shards.close() for part, shards in parts.items()}
        except tensorflow().errors.OpError as error:
            raise InputError(
                f"{folder} could not be written ({_first_line(error)}): fix this, and run the same command again"
            ) from None
        finally:
            for shards in parts.values():
                shards.abandon()
        if not counts[TRAIN]["tokens"]:
            names = ", ".join(path.name for path in sources[:4])
            raise InputError(f"there is no text in {names}")
        manifest = {
            "format": FORMAT, "kbert_tasks": __version__, "cased": bool(cased), "whole_word_mask": bool(whole_word_mask),
            "jieba": _segmenter().__version__ if whole_word_mask else None,
            "seed": seed, "held_out": held_out, "shard_tokens": shard_tokens,
            "text_column": text_column, "encoding": encoding,
            "vocabulary": {"tokens": len(vocabulary), "sha256": sha256(fresh / VOCABULARY)},
            "sources": [{"name": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)} for path in sources],
            "documents_in_sources": reading.documents, "of_these_cut_into_several": reading.cut,
            "skipped": dict(reading.skipped),
            **{name: sum(each[name] for each in counts.values()) for name in COUNTED},
            "parts": counts,
        }  # fmt: skip
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        with written(folder, "and run the same command again"):
            (fresh / MANIFEST).write_text(text, encoding="utf-8", newline="\n")
            fresh.rename(folder)
    log.info("%s: %s tokens of %s documents", folder, f"{manifest['tokens']:,}", f"{manifest['documents']:,}")
    return Corpus.open(folder)


def _tokenizer(
    vocabulary: list[str], cased: bool, segmenter: ModuleType | None, skipped: Counter[str]
) -> Callable[[list[str]], Document | None]:
    """Returns a function that converts a list of sentences to a Document, or to None if they have no tokens."""
    missing = [token for token in SPECIAL if token not in vocabulary]
    if missing or vocabulary[0] != "[PAD]":
        raise InputError(
            f"the vocabulary has {len(vocabulary)} tokens and lacks {', '.join(missing) or '[PAD] on line 1'}: "
            "use the vocabulary of a BERT"
        )
    tokenizer = Tokenizer(vocabulary, cased)
    inside = np.array([token.startswith("##") and len(token) > 2 for token in vocabulary])

    def tokenize(sentences: list[str]) -> Document | None:
        ids: list[np.ndarray] = []
        joined: list[np.ndarray] = []
        for sentence in sentences:
            encoded = tokenizer.encode(sentence, max_length=NO_LIMIT)
            if (
                len(encoded.ids) == 2
            ):  # only [CLS] and [SEP]: the sentence consists of control characters or stripped accents
                skipped["sentence without tokens"] += 1
                continue
            ids.append(encoded.ids[1:-1])
            joined.append(inside[ids[-1]])
            if segmenter:
                joined[-1] |= _later_characters(sentence, encoded.offsets[1:-1, 0], segmenter)
        if not ids:
            skipped["document without tokens"] += 1
            return None
        return Document(
            np.concatenate(ids), np.cumsum([len(each) for each in ids], dtype=np.int32), np.concatenate(joined)
        )

    return tokenize


def _segmenter() -> ModuleType:
    try:
        jieba = importlib.import_module("jieba")
    except ImportError:
        raise InputError("whole Chinese words need jieba: pip install 'kbert-tasks[jieba]'") from None
    jieba.setLogLevel(logging.WARNING)  # do not log the loading of its dictionary
    return jieba


def _later_characters(text: str, starts: np.ndarray, segmenter: ModuleType) -> np.ndarray:
    """Returns bool (tokens,): whether a token and the previous one are Chinese characters of the same word."""
    word = np.zeros(len(text), np.int64)
    for number, (_, start, end) in enumerate(segmenter.tokenize(text)):
        word[start:end] = number
    chinese = np.array([is_chinese(text[start]) for start in starts])
    later = np.zeros(len(starts), bool)
    later[1:] = chinese[1:] & chinese[:-1] & (word[starts[1:]] == word[starts[:-1]])
    return later


def _parted(found: Iterable[Document], share: float, seed: int) -> Iterator[tuple[str, Document]]:
    """Assigns documents to the training or held-out part; yields (part, Document).

    Copies of a document get the same part. The document with the lowest hash is yielded last: it is always held out, so that
    the held-out part is not empty.
    """
    if not share:
        yield from ((TRAIN, document) for document in found)
        return
    lowest, copies = 2.0, 0  # all hashes are below 1
    waiting: Document | None = None
    seen: set[str] = set()
    document: Document | None
    for document in found:
        draw, times = _draw(document, seed), 1
        if draw == lowest:
            copies += 1
            continue
        if draw < lowest:
            (draw, document, times), (lowest, waiting, copies) = (lowest, waiting, copies), (draw, document, 1)
        if document is not None:  # it is None in the first pass, before any document waits
            part = HELD_OUT if draw < share else TRAIN
            seen.add(part)
            yield from [(part, document)] * times
    if waiting is None:
        return
    if seen:
        yield from [(HELD_OUT if TRAIN in seen else TRAIN, waiting)] * copies
        return
    ends = waiting.ends
    if len(ends) < 2:
        raise InputError("the text is one sentence: give more text, for training and for evaluation")
    first = len(ends) - max(1, round(share * len(ends)))
    for _ in range(copies):
        yield TRAIN, _slice(waiting, 0, first)
        yield HELD_OUT, _slice(waiting, first, len(ends))


def _draw(document: Document, seed: int) -> float:
    """Returns a hash of the tokens and the seed in [0, 1)."""
    digest = hashlib.blake2b(document.ids.astype("<i4").tobytes(), digest_size=8, key=str(seed).encode())
    return int.from_bytes(digest.digest(), "big") / 2**64


def _slice(document: Document, first: int, last: int) -> Document:
    start, end = (0, *document.ends)[first], document.ends[last - 1]
    return Document(document.ids[start:end], document.ends[first:last] - start, document.joined[start:end])


def _write_vocabulary(path: Path, vocabulary: list[str]) -> None:
    path.write_text("".join(token + "\n" for token in vocabulary), encoding="utf-8", newline="\n")
    for number, (token, again) in enumerate(zip(vocabulary, read_vocabulary(path), strict=False), 1):
        if token != again:
            raise InputError(
                f"token {number} of the vocabulary, {token!r}, would be read from {VOCABULARY} as {again!r}: rename or remove it"
            )


def _first_line(error: "OpError") -> str:
    return str(error.message or error).splitlines()[0][:160]
