"""A checkpoint in the format that Google released: its files, checked, and its tensors."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from . import google_format
from .validate import examine


@dataclass(frozen=True)
class Checkpoint:
    """Three files, checked: made by `Checkpoint.open` or `find_checkpoint`.

    Attributes:
        folder: where the files are.
        config_file, checkpoint_file, vocabulary_file: paths; `checkpoint_file` is the prefix TensorFlow wants.
        config: the parsed `bert_config.json`.
        vocabulary: list of tokens; the position is the id.
        cased: whether capital letters and accents are kept.
        casing: how that is known, in words.
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
        """Opens a checkpoint on this machine, after every check of `kbert_tasks.checkpoint.validate`.

        `find_checkpoint` also takes names of the catalogue, and downloads.

        Args:
            path: a folder (its files may lie one level down), or a path prefix such as `DIR/bert_model.ckpt`.
            cased: True or False overrules what the names and files say.

        Raises:
            InputError: the first check that failed.
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
    def language(self) -> str:
        """Of the sample that fits: "zh" where the vocabulary has over a thousand Chinese characters, else "en"."""
        return "zh" if sum("一" <= token <= "鿿" for token in self.vocabulary if len(token) == 1) > 1000 else "en"

    def tensors(self) -> dict[str, np.ndarray]:
        """All weights of the model and its pretraining heads: dict from Google's name to float32 array."""
        reader = google_format.Reader(self.checkpoint_file)
        optimizer = ("adam_m", "adam_v", "Adam", "Adam_1", "global_step")
        names = [n for n in reader.shapes if n.startswith(("bert/", "cls/"))]
        return {n: reader.tensor(n) for n in sorted(names) if n.rsplit("/", 1)[-1] not in optimizer}

    def pooler(self) -> list[np.ndarray] | None:
        """[kernel (hidden, hidden), bias (hidden,)] of the dense layer on [CLS], or None where there is none."""
        reader = google_format.Reader(self.checkpoint_file)
        if not all(name in reader.shapes for name in google_format.POOLER):
            return None
        return [reader.tensor(name) for name in google_format.POOLER]
