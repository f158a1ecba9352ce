"""Writes documents to TFRecord files in random order."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import tensorflow
from ..files import sha256
from .corpus import Document

if TYPE_CHECKING:
    from tensorflow.io import TFRecordWriter

OPEN = 64  # maximum number of open files of a part; macOS allows 256 open files per process
COUNTED = ("documents", "sentences", "tokens", "unknown_tokens")


class Shards:
    """Writes the files of one part.

    Each document is written to a randomly selected open file. The number of open files depends on the expected number of
    tokens. When they contain twice as many tokens, they are closed and new files are opened, which limits the file size if
    there is more text than expected.

    Args:
        folder: folder of the files.
        part: prefix of the file names.
        expected: approximate number of tokens of the part.
        size: approximate number of tokens of a file.
        draw: NumPy random generator.
        unknown: id of [UNK], for counting.
    """

    def __init__(
        self, folder: Path, part: str, expected: float, size: int, draw: np.random.Generator, unknown: int
    ) -> None:
        self.folder, self.part, self.size, self.draw, self.unknown = folder, part, size, draw, unknown
        self.left = expected
        self.shards: list[dict[str, Any]] = []  # entries for the manifest
        # index of an open file -> (writer, its entry in `shards`)
        self.open: dict[int, tuple[TFRecordWriter, dict[str, Any]]] = {}
        self.space = 0

    def add(self, document: Document) -> None:
        """Writes a Document."""
        if self.space <= 0:
            self._next()
        place = int(self.draw.integers(self.places))
        if place not in self.open:
            entry: dict[str, Any] = {"file": f"{self.part}-{len(self.shards):05d}.tfrecord"} | dict.fromkeys(COUNTED, 0)
            self.shards.append(entry)
            self.open[place] = tensorflow().io.TFRecordWriter(str(self.folder / entry["file"])), entry
        writer, entry = self.open[place]
        writer.write(document.to_bytes())
        tokens = len(document.ids)
        unknown = int((document.ids == self.unknown).sum())
        for name, number in zip(COUNTED, (1, len(document.ends), tokens, unknown), strict=True):
            entry[name] += number
        self.left -= tokens
        self.space -= tokens

    def close(self) -> dict[str, Any]:
        """Closes the files; returns the manifest entry of the part, with its counts and those of each shard."""
        self._end()
        for entry in self.shards:
            path = self.folder / entry["file"]
            entry |= {"bytes": path.stat().st_size, "sha256": sha256(path)}
        return {name: sum(entry[name] for entry in self.shards) for name in COUNTED} | {"shards": self.shards}

    def abandon(self) -> None:
        """Closes open files after a failure; the caller deletes them with their folder."""
        self.open = {}  # deleting a writer closes its file without raising the error again

    def _next(self) -> None:
        self._end()
        self.places = min(OPEN, max(1, math.ceil(self.left / self.size)))
        self.space = 2 * self.places * self.size

    def _end(self) -> None:
        for writer, _ in self.open.values():
            writer.close()
        self.open = {}
