"""What a killed run needs to go on with the very numbers it would have had.

`FOLDER/step-N` holds the weights, the optimizer's moments and steps, the generator of the dropout (by
`tf.train.Checkpoint`), in `state.json` the log so far and what the run was told, and what other arrays there are in
`arrays.safetensors`. It appears whole or not at all.
"""

import contextlib
import json
import logging
import shutil

from .._keras import tensorflow
from ..errors import InputError

STATE, WEIGHTS, ARRAYS = "state.json", "state", "arrays.safetensors"


class Progress:
    """The last save of a run.

    Args:
        folder: where the saves lie.
        aside: the folder, beside it, where one is written before it counts.
        told: dict (JSON) of all that decides the result; a run goes on only where it is the same.
        anew: what to do to begin anew, for a sentence.
        parts: what `tf.train.Checkpoint` is to keep, by name.
    """

    def __init__(self, folder, aside, told, anew, **parts):
        self.folder, self.aside, self.told, self.anew = folder, aside, json.loads(json.dumps(told)), anew
        self.parts = tensorflow().train.Checkpoint(**parts)

    def read(self):
        """Sets all parts as the last save has them; returns (its state, its arrays), or None if there is none.

        Raises:
            InputError: it is of another run, or damaged.
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
                f"{self.folder} is of a run with {name} {old}, this one has {new}: say the same, or {self.anew}"
            )
        try:
            self.parts.read(str(last / WEIGHTS)).assert_existing_objects_matched()
            arrays = load_file(last / ARRAYS)
        except Exception as error:  # TensorFlow raises by kind of damage
            raise InputError(f"{last} is damaged ({str(error).splitlines()[0][:120]}): {self.anew}") from None
        return state, arrays

    def write(self, state, arrays=None):
        """Keeps all parts, a dict `state` that JSON can hold, with its `step`, and a dict of NumPy arrays.

        Earlier saves are deleted.
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
            # JSON reads the escape of half an emoji as what it was.
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
    """The folder beside a folder of saves where one is written before it counts."""
    return folder.with_name(f"{folder.name}.writing")


def delete(folder, aside=None):
    """Deletes a folder of saves. It is renamed first, to `aside`, as half of it would look like a damaged save."""
    aside = aside or aside_of(folder)
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def told(folder, aside):
    """Makes one sentence of a disk that takes no more, and deletes what was being written aside."""
    try:
        yield
    except (OSError, tensorflow().errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", None) or error
        raise InputError(
            f"{folder} could not be written ({str(reason).splitlines()[0][:160]}): "
            "make room, and give the same command again: it goes on from the last save"
        ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def _root_logger_left_alone():
    """TensorFlow's Checkpoint logs by absl, which gives a root logger without handlers one that prints."""
    root, nothing = logging.getLogger(), logging.NullHandler()
    root.addHandler(nothing)
    try:
        yield
    finally:
        root.removeHandler(nothing)


def _difference(before, now, name=""):
    """(name, old, new) of the first entry, at any depth, in which two dicts differ; None if none does."""
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            if found := _difference(old, new, f"{name}{key} "):
                return found
        elif old != new:
            return f"{name}{key}", old, new
    return None
