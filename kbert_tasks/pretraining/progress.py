"""What a killed run needs to go on with the very numbers it would have had.

`OUTPUT/progress/step-N` holds the weights, the optimizer's moments and steps, the generator of the dropout (by
`tf.train.Checkpoint`), and in `state.json` the log so far and what the run was told. It appears whole or not at all.
"""

import contextlib
import json
import logging
import shutil

from .._keras import tensorflow
from ..errors import InputError
from . import writing

STATE, WEIGHTS = "state.json", "state"


class Progress:
    """The last save of a run.

    Args:
        folder: of the pretraining.
        told: dict (JSON) of all that decides the result; a run goes on only where it is the same.
        parts: what `tf.train.Checkpoint` is to keep, by name.
    """

    def __init__(self, folder, told, **parts):
        self.parent, self.told = folder, json.loads(json.dumps(told))
        self.folder = folder / writing.PROGRESS
        self.parts = tensorflow().train.Checkpoint(**parts)

    def read(self):
        """Sets all parts as the last save has them; returns its state, or None if there is none.

        Raises:
            InputError: it is of another run, or damaged.
        """
        saves = sorted(self.folder.glob("step-*"))
        if not saves:
            return None
        last, advice = saves[-1], f"delete all of {self.parent} to begin anew, or name a new folder"
        try:
            state = json.loads((last / STATE).read_text(encoding="utf-8"))
            before = state["told"]
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{last / STATE} is damaged: {advice}") from None
        if different := _difference(before, self.told):
            name, old, new = different
            raise InputError(f"{self.folder} is of a run with {name} {old}, this one has {new}: say the same, {advice}")
        try:
            self.parts.read(str(last / WEIGHTS)).assert_existing_objects_matched()
        except Exception as error:  # TensorFlow raises by kind of damage
            raise InputError(f"{last} is damaged ({str(error).splitlines()[0][:120]}): {advice}") from None
        return state

    def write(self, state):
        """Keeps all parts, and a dict `state` that JSON can hold, with its `step`; earlier saves are deleted."""
        aside = self.parent / writing.WRITING
        target = self.folder / f"step-{state['step']:09d}"
        with writing.told(self.parent):
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            with _root_logger_left_alone():
                self.parts.write(str(aside / WEIGHTS))
            text = json.dumps(state | {"told": self.told}, ensure_ascii=False, indent=2)
            (aside / STATE).write_text(text + "\n", encoding="utf-8")
            self.folder.mkdir(exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            aside.rename(target)
        for path in self.folder.glob("step-*"):
            if path != target:
                shutil.rmtree(path, ignore_errors=True)

    def delete(self):
        aside = self.parent / writing.WRITING
        if self.folder.exists():  # renamed first, as half of it would look like a damaged save
            self.folder.rename(aside)
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
