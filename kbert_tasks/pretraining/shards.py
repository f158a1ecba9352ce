"""Documents spread over TFRecord files as they come, each file with something of all sources."""

import math

from .._keras import tensorflow
from ..files import sha256

OPEN = 64  # files of a part written at the same time; macOS allows a process 256 of all kinds
COUNTED = ("documents", "sentences", "tokens", "unknown_tokens")


class Shards:
    """The files of one part while they are written.

    A document goes to one of the open files, drawn. There are as many as the expected tokens fill; when they hold
    twice as much, they are closed and others opened, so that no file grows without end where more text comes than
    was expected.

    Args:
        folder: where the files are made.
        part: their name, before the number.
        expected: tokens of the part, roughly.
        size: tokens of a file, roughly.
        draw: `numpy.random.Generator`.
        unknown: id of [UNK], to count them.
    """

    def __init__(self, folder, part, expected, size, draw, unknown):
        self.folder, self.part, self.size, self.draw, self.unknown = folder, part, size, draw, unknown
        self.left = expected
        self.shards = []  # as in the manifest
        self.open, self.room = {}, 0  # place among the open ones -> (writer, its entry in `shards`)

    def add(self, document):
        """Writes a Document."""
        if self.room <= 0:
            self._next()
        place = int(self.draw.integers(self.places))
        if place not in self.open:
            entry = {"file": f"{self.part}-{len(self.shards):05d}.tfrecord"} | dict.fromkeys(COUNTED, 0)
            self.shards.append(entry)
            self.open[place] = tensorflow().io.TFRecordWriter(str(self.folder / entry["file"])), entry
        writer, entry = self.open[place]
        writer.write(document.to_bytes())
        tokens = len(document.ids)
        unknown = int((document.ids == self.unknown).sum())
        for name, number in zip(COUNTED, (1, len(document.ends), tokens, unknown), strict=True):
            entry[name] += number
        self.left -= tokens
        self.room -= tokens

    def close(self):
        """Ends the files; returns what the manifest says of the part: its counts, and those of each shard."""
        self._end()
        for entry in self.shards:
            path = self.folder / entry["file"]
            entry |= {"bytes": path.stat().st_size, "sha256": sha256(path)}
        return {name: sum(entry[name] for entry in self.shards) for name in COUNTED} | {"shards": self.shards}

    def abandon(self):
        """Lets go of files that are still open after a failure; they are deleted with their folder."""
        self.open = {}  # a writer that nothing holds closes its file, and does not raise once more what was raised

    def _next(self):
        self._end()
        self.places = min(OPEN, max(1, math.ceil(self.left / self.size)))
        self.room = 2 * self.places * self.size

    def _end(self):
        for writer, _ in self.open.values():
            writer.close()
        self.open = {}
