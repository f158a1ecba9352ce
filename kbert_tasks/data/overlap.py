"""Stores fingerprints of the training texts, so that overlap with test texts is detected even after loading a model."""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .examples import Examples

if TYPE_CHECKING:
    from ..tasks.base import Task


def fingerprints(task: "Task[Any]", examples: Iterable[Any]) -> np.ndarray:
    """Returns a 64-bit hash of the text of each example (`task.parts`), with normalized white space.

    Returns:
        A uint64 array (examples,).
    """
    return np.array([_fingerprint(task.texts_of(example)) for example in examples], np.uint64)


def _fingerprint(texts: Iterable[str | None]) -> int:
    parts = "\0".join(" ".join((text or "").split()) for text in texts)
    return int.from_bytes(hashlib.blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def note(task: "Task[Any]", examples: Examples, seen: np.ndarray) -> None:
    """Adds a note with the number of examples whose fingerprint is in `seen`."""
    again = int(np.isin(fingerprints(task, examples.rows), seen).sum())
    if again:
        examples.notes["the same text is in the training data"] = again
