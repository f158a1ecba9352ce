"""Which texts were trained on: fingerprints, so that a test on texts already seen is noticed, also after loading."""

import hashlib

import numpy as np


def fingerprints(examples):
    """64 bits of each example's text (and second text), white space evened out: uint64 array (examples,)."""
    return np.array([_fingerprint(example.text, getattr(example, "text_b", None)) for example in examples], np.uint64)


def _fingerprint(text, second):
    parts = "\0".join(" ".join(part.split()) for part in (text, second or ""))
    return int.from_bytes(hashlib.blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def note(examples, seen):
    """Counts, in the notes of Examples, those whose text is among `seen`."""
    again = int(np.isin(fingerprints(examples.rows), seen).sum())
    if again:
        examples.notes["the same text is among the training texts"] = again
