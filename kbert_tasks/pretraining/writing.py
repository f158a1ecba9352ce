"""The output folder of pretraining: its layout, checks before writing, and atomic writing of its files."""

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..checkpoint import google_format
from ..errors import InputError
from ..training.resume import explained

LOG, ABOUT, PROGRESS, DATA = "log.csv", "pretraining.json", "progress", "data"
LAYOUT = {
    google_format.CONFIG: "the model's sizes, as Google writes them, and its casing",
    google_format.VOCABULARY: "one token per line",
    f"{google_format.PREFIX}.index": "index of the weights, with Google's variable names",
    f"{google_format.PREFIX}.data-00000-of-00001": "the weights",
    "checkpoint": "the prefix of the two, for TensorFlow",
    LOG: "losses and accuracies between two saves, in training and on held-out text",
    ABOUT: "settings, versions, data and speed of the training",
    DATA: "the prepared corpus, if --text was given",
    PROGRESS: "saved progress of an unfinished run; deleted at the end",
}
WRITING = ".writing"
LEFT = re.compile(rf"\.{DATA}\.[a-z0-9_]{{8}}")  # a folder of `files.replacing_folder` that a killed process left


def writable(folder: str | PathLike[str]) -> Path:
    """Returns the folder as a Path if pretraining can start or resume there; deletes incomplete files of a killed run.

    Raises:
        InputError: the folder contains other files or a finished checkpoint, or cannot be created.
    """
    folder = Path(folder).resolve()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: choose a folder for the pretrained checkpoint")
    if folder.is_dir():
        found = {path.name for path in folder.iterdir()}
        left = {name for name in found if name == WRITING or _left_over(folder / name)}
        others = sorted(found - LAYOUT.keys() - left)
        if others:
            raise InputError(
                f"{folder} contains other files ({', '.join(others[:4])}) and is not replaced: choose a new folder"
            )
        if found & {ABOUT, google_format.CONFIG} and PROGRESS not in found:
            raise InputError(
                f"{folder} contains a finished checkpoint, which is not replaced: choose a new folder, "
                "and to continue from this checkpoint, give it as --checkpoint"
            )
        for name in left:
            shutil.rmtree(folder / name, ignore_errors=True)
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputError(f"{folder} cannot be created: {existing} is not a writable folder")
    return folder


def _left_over(path: Path) -> bool:
    """Returns whether the folder is a temporary one of `files.replacing_folder` that contains only unfinished data."""
    return bool(LEFT.fullmatch(path.name)) and path.is_dir() and {each.name for each in path.iterdir()} <= {DATA}


def write(
    folder: Path,
    config: dict[str, Any],
    vocabulary: Iterable[str],
    tensors: Mapping[str, np.ndarray],
    history: Sequence[Mapping[str, float]],
    about: dict[str, Any],
) -> None:
    """Writes the checkpoint, the log and `pretraining.json`; each file is replaced after it has been written completely.

    The two weight files are replaced one after the other, so that for a moment they do not match. Their checksums reveal
    this, and a resumed run writes them again.

    Args:
        folder: output folder of the pretraining.
        config, vocabulary, tensors: as accepted by `google_format.write`.
        history: list of dicts of numbers, the rows of the log.
        about: dict for `pretraining.json`.
    """
    import pandas as pd

    temporary = folder / WRITING
    with explained(folder, temporary):
        shutil.rmtree(temporary, ignore_errors=True)
        google_format.write(temporary, config, vocabulary, tensors)
        pd.DataFrame(history).to_csv(temporary / LOG, index=False, lineterminator="\n")
        text = json.dumps(about, ensure_ascii=False, indent=2) + "\n"
        (temporary / ABOUT).write_text(text, encoding="utf-8", newline="\n")
        for path in sorted(temporary.iterdir()):
            path.replace(folder / path.name)
        temporary.rmdir()
