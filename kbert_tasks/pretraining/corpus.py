"""Corpus: tokenized text on disk, a folder of TFRecord shards with a manifest, written by `preparing.prepare`.

manifest.json     sources and settings of the corpus; documents, tokens, bytes and SHA-256 of each shard
vocab.txt         one token per line
train-00000.tfrecord ...      one document per record, in random order
held-out-00000.tfrecord ...   documents that are not used for training
"""

import json
import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .._keras import tensorflow
from ..errors import InputError
from ..files import sha256
from ..text.tokenizer import read_vocabulary

FORMAT = 2
MANIFEST, VOCABULARY = "manifest.json", "vocab.txt"
TRAIN, HELD_OUT = PARTS = ("train", "held-out")


@dataclass(frozen=True, eq=False)
class Document:
    """A tokenized text.

    Attributes:
        ids: int32 (tokens,), the tokens of all sentences, without [CLS] and [SEP].
        ends: int32 (sentences,), the end of each sentence in `ids`; the last one is len(ids).
        joined: bool (tokens,), whether a token belongs to the same word as the previous one: "##" pieces and, if the corpus
            was prepared with `whole_word_mask`, the characters of a Chinese word after the first.
    """

    ids: np.ndarray
    ends: np.ndarray
    joined: np.ndarray

    def to_bytes(self) -> bytes:
        """Returns the document as a serialized `tf.train.Example`."""
        train = tensorflow().train
        fields = {
            "ids": self.ids.astype("<i4").tobytes(),
            "ends": self.ends.astype("<i4").tobytes(),
            "joined": self.joined.astype("u1").tobytes(),
        }
        features = {name: train.Feature(bytes_list=train.BytesList(value=[value])) for name, value in fields.items()}
        return train.Example(features=train.Features(feature=features)).SerializeToString(deterministic=True)


class Corpus:
    """A folder of tokenized documents, which is read one shard at a time.

    Attributes:
        folder: path of the folder.
        manifest: the parsed `manifest.json`.
        vocabulary: list of tokens.
        cased: whether capital letters and accents were kept.
        whole_word_mask: whether the characters of Chinese words are joined, see `Document.joined`.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any], vocabulary: list[str]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.vocabulary = vocabulary
        self.cased: bool = manifest["cased"]
        self.whole_word_mask: bool = manifest["whole_word_mask"]

    @classmethod
    def open(cls, folder: str | PathLike[str]) -> "Corpus":
        """Opens the corpus in `folder`.

        Checks the format and entries of the manifest, the sizes of all shards, and the SHA-256 of the vocabulary. The
        contents of a shard are checked when `documents` reads it, by the checksum of each record.

        Raises:
            InputError: the folder is not a corpus or has another format, the manifest is damaged, a file is missing or has
                another size, or the vocabulary differs.
        """
        folder = Path(folder)
        if not (folder / MANIFEST).is_file():
            found = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) if folder.is_dir() else ""
            raise InputError(
                f"{folder} is not a prepared corpus: it has no {MANIFEST}; found: {found or 'nothing'}; "
                "create it with kbert-pretrain data"
            )
        again = "copy the folder again, or prepare its text again with kbert-pretrain data"
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            form = manifest["format"]
            expected = _shards(manifest) if form == FORMAT else {}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"{folder / MANIFEST} is damaged: {again}") from None
        if form != FORMAT:
            raise InputError(f"{folder} has format {form}, expected {FORMAT}: {again}")
        for name, size in expected.items():
            actual = (folder / name).stat().st_size if (folder / name).is_file() else None
            if actual != size:
                raise InputError(
                    f"{folder / name} {'is missing' if actual is None else f'has {actual} bytes'}, {MANIFEST} requires "
                    f"{size}: {again}"
                )
        if not (folder / VOCABULARY).is_file() or sha256(folder / VOCABULARY) != manifest["vocabulary"]["sha256"]:
            raise InputError(
                f"{folder / VOCABULARY} is missing or not the one that the text was prepared with: {again}"
            )
        return cls(folder, manifest, read_vocabulary(folder / VOCABULARY))

    def shards(self, part: str) -> int:
        """Returns the number of shards of a part, "train" or "held-out"."""
        return len(self.manifest["parts"][part]["shards"])

    def documents(self, part: str, n: int) -> list[Document]:
        """Reads the documents of shard n of a part.

        Returns:
            A list of Document, always in the same order.

        Raises:
            InputError: the shard is damaged, or has token ids that are not in the vocabulary.
        """
        tf = tensorflow()
        path = self.folder / self.manifest["parts"][part]["shards"][n]["file"]
        fields = {name: tf.io.FixedLenFeature([], tf.string) for name in ("ids", "ends", "joined")}
        found: list[Document] = []
        try:
            # TensorFlow verifies the checksum of each record.
            for record in tf.data.TFRecordDataset(str(path)).batch(1024).as_numpy_iterator():
                batch = {name: each.numpy() for name, each in tf.io.parse_example(record, fields).items()}
                found += map(_document, batch["ids"], batch["ends"], batch["joined"])
        except (tf.errors.OpError, ValueError) as error:
            raise InputError(
                f"{path} is damaged ({str(error).splitlines()[0][:80]}): copy the folder again, or prepare its text again"
            ) from None
        size = len(self.vocabulary)
        for document in found:
            if len(document.ids) and not 0 <= document.ids.min() <= document.ids.max() < size:
                raise InputError(
                    f"{path} has token ids from {document.ids.min()} to {document.ids.max()}, {VOCABULARY} has {size} "
                    "tokens: prepare the text again"
                )
        return found


def _shards(manifest: dict[str, Any]) -> dict[str, int]:
    """Checks the entries of a manifest; returns a dict of the name of each shard to its size in bytes.

    If an entry is missing or invalid, it raises an exception that `open` catches.
    """
    manifest["vocabulary"]["sha256"], manifest["skipped"].items()
    if not all(isinstance(manifest[name], bool) for name in ("cased", "whole_word_mask")):
        raise TypeError
    found = {}
    for part in PARTS:
        counts = manifest["parts"][part]
        if not all(isinstance(counts[name], int) for name in ("documents", "tokens")):
            raise TypeError
        for each in counts["shards"]:
            if not re.fullmatch(r"[\w-]+\.tfrecord", each["file"]):  # a file name without a folder
                raise ValueError
            found[each["file"]] = each["bytes"]
    return found


def _document(ids: bytes, ends: bytes, joined: bytes) -> Document:
    return Document(np.frombuffer(ids, "<i4"), np.frombuffer(ends, "<i4"), np.frombuffer(joined, "u1").astype(bool))
