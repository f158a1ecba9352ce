"""Saving a trained task: the folder is written under another name and renamed when it is complete.

Nothing in it is code or pickle: the model is built again from JSON, and its weights are read by layer name.
"""

import json
import logging
import os
import shutil
from typing import TYPE_CHECKING

import numpy as np

from .. import __version__
from ..errors import InputError
from .folder import (  # fmt: skip
    ANSWERS,
    CONFIG,
    ERRORS,
    REPORT,
    TASK,
    VOCABULARY,
    WEIGHTS,
    previous_of,
    recover,
    sweep,
    writable,
)

if TYPE_CHECKING:
    pass

log = logging.getLogger("kbert_tasks")
FORMAT = 3
SEEN = "seen"


def save(task, folder):
    """Writes the trained task to `folder`, whole or not at all; an earlier saved task there is replaced.

    Args:
        task: a trained task.
        folder: see `writable`.

    Raises:
        InputError: see `writable`; or the last step failed, and the sentence says where the new folder lies.
        OSError: such as a full disk; the earlier folder is as it was.
    """
    folder = writable(folder)
    sweep(folder)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.writing")
    shutil.rmtree(aside, ignore_errors=True)  # of an interrupted save of this very process
    aside.mkdir(parents=True)
    try:
        _write(task, aside)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    previous = previous_of(folder)
    try:
        if folder.exists():
            shutil.rmtree(previous, ignore_errors=True)
            folder.rename(previous)
        aside.rename(folder)
    except OSError as error:  # on Windows, a file of the earlier folder that is open somewhere is enough
        recover(folder)
        raise InputError(
            f"{folder} cannot be replaced ({error.strerror}): the new folder is whole, as {aside}"
        ) from None
    shutil.rmtree(previous, ignore_errors=True)


def _write(task, folder):
    from safetensors.numpy import save

    learned = {name: getattr(task, name) for name in task.LEARNED}
    about = {
        "format": FORMAT, "kbert_tasks": __version__, "task": task.report_["task"], "cased": task.tokenizer.cased,
        "settings": task.settings.as_dict(), "learned": learned,
    }  # fmt: skip
    texts = {
        file: json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        for file, content in ((TASK, about), (CONFIG, task.config), (REPORT, task.report_))
    }
    for file, rows in ((ERRORS, task.errors_), (ANSWERS, task.answers_)):
        texts[file] = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows)
    for file, text in texts.items():  # half an emoji is no reason to fail
        (folder / file).write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    lines = "".join(token + "\n" for token in task.tokenizer.vocabulary)
    (folder / VOCABULARY).write_text(lines, encoding="utf-8", newline="\n")
    arrays = {name: np.asarray(weight) for name, weight in weights(task.model).items()}
    # Not save_file: that gives the file to its owner alone, whatever the others have.
    (folder / WEIGHTS).write_bytes(save(arrays | {SEEN: task.seen_}))


def weights(model):
    """The variables of a model under the names that they have in the saved folder: LAYER/NUMBER."""
    return {f"{layer.name}/{i}": weight for layer in model.layers for i, weight in enumerate(layer.weights)}
