"""Save the progress of a run, so that an interrupted run resumes with exactly the same numbers.

`FOLDER/step-N` contains the weights, the moments and step count of the optimizer, and the random generator of dropout
(written by `tf.train.Checkpoint`). `state.json` contains the log so far and the settings of the run, and
`arrays.safetensors` contains all other arrays. The folder is complete as soon as it exists.
"""

import contextlib
import json
import logging
import shutil

from .._keras import tensorflow
from ..disk import written
from ..errors import InputError

STATE, WEIGHTS, ARRAYS = "state.json", "state", "arrays.safetensors"


class Progress:
    """Reads and writes the saved progress of a run.

    Args:
        folder: folder of the saves.
        aside: temporary folder next to it, where a save is written before it is renamed.
        told: dict (JSON) of everything that determines the result; a run resumes only if it is the same.
        anew: advice on how to start over, shown in error messages.
        parts: objects that `tf.train.Checkpoint` saves, by name.
    """

    def __init__(self, folder, aside, told, anew, **parts):
        self.folder, self.aside, self.told, self.anew = folder, aside, json.loads(json.dumps(told)), anew
        self.parts = tensorflow().train.Checkpoint(**parts)

    def read(self):
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
            before = state["told"]
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{last / STATE} is damaged: {self.anew}") from None
        if different := _difference(before, self.told):
            name, old, new = different
            raise InputError(
                f"{self.folder}: the saved progress used {name} {old}, this run uses {new}: use the same value, or {self.anew}"
            )
        try:
            self.parts.read(str(last / WEIGHTS)).assert_existing_objects_matched()
            arrays = load_file(last / ARRAYS)
        except Exception as error:  # TensorFlow raises a different error for each kind of damage
            raise InputError(f"{last} is damaged ({str(error).splitlines()[0][:120]}): {self.anew}") from None
        return state, arrays

    def write(self, state, arrays=None):
        """Saves all parts, the state and the arrays, and deletes earlier saves.

        Args:
            state: dict (JSON) with at least `step`.
            arrays: dict of NumPy arrays, or None.
        """
        from safetensors.numpy import save

        target = self.folder / f"step-{state['step']:09d}"
        with told(self.folder.parent, self.aside):
            shutil.rmtree(self.aside, ignore_errors=True)
            self.aside.mkdir(parents=True)
            with _root_logger_left_alone():
                self.parts.write(str(self.aside / WEIGHTS))
            (self.aside / ARRAYS).write_bytes(save(arrays or {}))
            text = json.dumps(state | {"told": self.told}, ensure_ascii=False, indent=2)
            # JSON decodes the backslash escape of an unpaired surrogate back to the original character.
            (self.aside / STATE).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
            self.folder.mkdir(exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            self.aside.rename(target)
        for path in self.folder.glob("step-*"):
            if path != target:
                shutil.rmtree(path, ignore_errors=True)

    def delete(self):
        delete(self.folder, self.aside)


def aside_of(folder):
    """Returns the temporary folder next to a folder of saves."""
    return folder.with_name(f"{folder.name}.writing")


def delete(folder, aside=None):
    """Deletes a folder of saves.

    The folder is renamed to `aside` first, because a partly deleted folder would look like a damaged save.
    """
    aside = aside or aside_of(folder)
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def told(folder, aside):
    """Raises an InputError with one sentence if the disk is full, and always deletes the temporary folder."""
    try:
        with written(folder, "and run the same command again to resume from the last save"):
            yield
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def _root_logger_left_alone():
    """Prevents absl, which TensorFlow's Checkpoint uses, from adding a printing handler to the root logger."""
    root, nothing = logging.getLogger(), logging.NullHandler()
    root.addHandler(nothing)
    try:
        yield
    finally:
        root.removeHandler(nothing)


def _difference(before, now, name=""):
    """Returns (name, old, new) of the first entry, at any depth, that differs between two dicts, or None."""
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            if found := _difference(old, new, f"{name}{key} "):
                return found
        elif old != new:
            return f"{name}{key}", old, new
    return None
