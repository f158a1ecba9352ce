"""Which texts were trained on: fingerprints, so that a test on texts already seen is noticed, also after loading."""

import hashlib

import numpy as np


def fingerprints(task, examples):
    """64 bits of what the model reads of each example (`task.parts`), white space evened out: uint64 array (examples,)."""
    return np.array([_fingerprint(task.parts(example)) for example in examples], np.uint64)


def _fingerprint(texts):
    parts = "\0".join(" ".join((text or "").split()) for text in texts)
    return int.from_bytes(hashlib.blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def note(task, examples, seen):
    """Counts, in the notes of Examples, those whose text is among `seen`."""
    again = int(np.isin(fingerprints(task, examples.rows), seen).sum())
    if again:
        examples.notes["the same text is among the training texts"] = again
