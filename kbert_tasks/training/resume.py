"""Save the progress of a run, so that an interrupted run resumes with exactly the same numbers.

`FOLDER/step-N` contains the weights, the moments and step count of the optimizer, and the random generator of dropout
(written by `tf.train.Checkpoint`). `state.json` contains the log so far and the settings of the run, and
`arrays.safetensors` contains all other arrays. The folder is complete as soon as it exists.
"""

import contextlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._keras import tensorflow
from ..disk import written
from ..errors import InputError

STATE, WEIGHTS, ARRAYS = "state.json", "state", "arrays.safetensors"


class Progress:
    """Reads and writes the saved progress of a run.

    Args:
        folder: folder of the saves.
        temporary: temporary folder next to it, where a save is written before it is renamed.
        identity: dict (JSON) of everything that determines the result; a run resumes only if it is the same.
        advice: advice on how to start over, shown in error messages.
        parts: objects that `tf.train.Checkpoint` saves, by name.
    """

    def __init__(self, folder: Path, temporary: Path, identity: dict[str, Any], advice: str, **parts: Any) -> None:
        self.folder, self.temporary, self.identity, self.advice = (
            folder,
            temporary,
            json.loads(json.dumps(identity)),
            advice,
        )
        self.parts = tensorflow().train.Checkpoint(**parts)

    def read(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Restores all parts from the last save and returns (state, arrays), or None if there is no save.

        Raises:
            InputError: the save belongs to a different run, or is damaged.
        """
        saves = sorted(self.folder.glob("step-*"))
        if not saves:
            return None
        from safetensors.numpy import load_file

        last = saves[-1]
        try:
            state = json.loads((last / STATE).read_text(encoding="utf-8"))
            before = state["identity"]
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{last / STATE} is damaged: {self.advice}") from None
        if different := _difference(before, self.identity):
            name, old, new = different
            raise InputError(
                f"{self.folder}: the saved progress used {name} {old}, this run uses {new}: use the same value, or {self.advice}"
            )
        try:
            self.parts.read(str(last / WEIGHTS)).assert_existing_objects_matched()
            arrays = load_file(last / ARRAYS)
        except Exception as error:  # TensorFlow raises a different error for each kind of damage
            raise InputError(f"{last} is damaged ({str(error).splitlines()[0][:120]}): {self.advice}") from None
        return state, arrays

    def write(self, state: dict[str, Any], arrays: dict[str, np.ndarray] | None = None) -> None:
        """Saves all parts, the state and the arrays, and deletes earlier saves.

        Args:
            state: dict (JSON) with at least `step`.
            arrays: dict of NumPy arrays, or None.
        """
        from safetensors.numpy import save

        target = self.folder / f"step-{state['step']:09d}"
        with explained(self.folder.parent, self.temporary):
            shutil.rmtree(self.temporary, ignore_errors=True)
            self.temporary.mkdir(parents=True)
            with _root_logger_left_alone():
                self.parts.write(str(self.temporary / WEIGHTS))
            (self.temporary / ARRAYS).write_bytes(save(arrays or {}))
            text = json.dumps(state | {"identity": self.identity}, ensure_ascii=False, indent=2)
            # JSON decodes the backslash escape of an unpaired surrogate back to the original character.
            (self.temporary / STATE).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
            self.folder.mkdir(exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            self.temporary.rename(target)
        for path in self.folder.glob("step-*"):
            if path != target:
                shutil.rmtree(path, ignore_errors=True)

    def delete(self) -> None:
        delete(self.folder, self.temporary)


def temporary_folder(folder: Path) -> Path:
    """Returns the temporary folder next to a folder of saves."""
    return folder.with_name(f"{folder.name}.writing")


def delete(folder: Path, temporary: Path | None = None) -> None:
    """Deletes a folder of saves.

    The folder is renamed to `temporary` first, because a partly deleted folder would look like a damaged save.
    """
    temporary = temporary or temporary_folder(folder)
    shutil.rmtree(temporary, ignore_errors=True)
    if folder.exists():
        folder.rename(temporary)
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def explained(folder: Path, temporary: Path) -> Iterator[None]:
    """Raises an InputError with one sentence if the disk is full, and always deletes the temporary folder."""
    try:
        with written(folder, "and run the same command again to resume from the last save"):
            yield
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _root_logger_left_alone() -> Iterator[None]:
    """Prevents absl, which TensorFlow's Checkpoint uses, from adding a printing handler to the root logger."""
    root, nothing = logging.getLogger(), logging.NullHandler()
    root.addHandler(nothing)
    try:
        yield
    finally:
        root.removeHandler(nothing)


def _difference(before: Mapping[str, Any], now: Mapping[str, Any], name: str = "") -> tuple[str, Any, Any] | None:
    """Returns (name, old, new) of the first entry, at any depth, that differs between two dicts, or None."""
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            if found := _difference(old, new, f"{name}{key} "):
                return found
        elif old != new:
            return f"{name}{key}", old, new
    return None
