"""Opens checkpoints in the format that Google released, and reads their tensors."""

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from . import google_format
from .validate import SOURCE, examine


@dataclass(frozen=True)
class Checkpoint:
    """A checked checkpoint; `Checkpoint.open` and `find_checkpoint` create it.

    Attributes:
        folder: folder of the files.
        config_file, checkpoint_file, vocabulary_file: paths; `checkpoint_file` is the path prefix for TensorFlow.
        config: the parsed `bert_config.json`.
        vocabulary: list of tokens; the index of a token is its id.
        cased: whether the tokenizer keeps capital letters and accents.
        casing: text that says how `cased` was determined.
    """

    folder: Path
    config_file: Path
    checkpoint_file: str
    vocabulary_file: Path
    config: dict[str, Any]
    vocabulary: list[str]
    cased: bool
    casing: str

    @classmethod
    def open(cls, path: str | PathLike[str], cased: bool | None = None) -> "Checkpoint":
        """Opens a local checkpoint after running all checks of `kbert_tasks.checkpoint.validate`.

        `find_checkpoint` also accepts names of the catalogue and downloads checkpoints.

        Args:
            path: a folder (the files may be one level below), or a path prefix such as `DIR/bert_model.ckpt`.
            cased: True or False overrides the casing found in names and files.

        Raises:
            InputError: a check failed; the message is that of the first failed check.
        """
        parts: dict[str, Any] = {}
        for finding in examine(path, cased, parts):
            if finding.problem:
                raise InputError(finding.problem)
        return cls(**parts)

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def hub(self) -> str | None:
        """`hf:OWNER/NAME` if the checkpoint was downloaded from Hugging Face, otherwise None."""
        try:
            found = json.loads((self.folder / SOURCE).read_text(encoding="utf-8"))["hub"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if isinstance(found, str) else None

    @property
    def language(self) -> str:
        """Language of the sample data: "zh" if the vocabulary has over a thousand Chinese characters, otherwise "en"."""
        return "zh" if sum("一" <= token <= "鿿" for token in self.vocabulary if len(token) == 1) > 1000 else "en"

    def tensors(self) -> dict[str, np.ndarray]:
        """Returns all weights of the model and its pretraining heads as a dict from Google's name to float32 array."""
        reader = google_format.Reader(self.checkpoint_file)
        optimizer = ("adam_m", "adam_v", "Adam", "Adam_1", "global_step")
        names = [n for n in reader.shapes if n.startswith(("bert/", "cls/"))]
        return {n: reader.tensor(n) for n in sorted(names) if n.rsplit("/", 1)[-1] not in optimizer}

    def pooler(self) -> list[np.ndarray] | None:
        """Returns [kernel (hidden, hidden), bias (hidden,)] of the dense layer on [CLS], or None if it is missing."""
        reader = google_format.Reader(self.checkpoint_file)
        if not all(name in reader.shapes for name in google_format.POOLER):
            return None
        return [reader.tensor(name) for name in google_format.POOLER]
