"""Saving a trained task: the folder is written under another name and renamed when it is complete.

Nothing in it is code or pickle: the model is built again from JSON, and its weights are read by layer name.
"""

import json
import logging
import os
import shutil

from .. import __version__
from ..data.output import json_line
from ..disk import written
from ..errors import InputError
from ..lock import locked
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
from .model import arrays_of

log = logging.getLogger("kbert_tasks")
FORMAT = 3
SEEN = "seen"
AGAIN = "and save again: kbert-train, given the same command, goes on from its last save"


def save(task, folder):
    """Writes the trained task to `folder`, whole or not at all; an earlier saved task there is replaced.

    Args:
        task: a trained task.
        folder: see `writable`.

    Raises:
        InputError: see `writable`; another run is writing the folder; the disk is full, and the earlier folder is as it was;
            or the last step failed, and the sentence says where the new folder lies.
    """
    with locked(folder):
        _save(task, writable(folder))


def _save(task, folder):
    sweep(folder)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.writing")
    shutil.rmtree(aside, ignore_errors=True)  # of an interrupted save of this very process
    try:
        _write(task, folder, aside)
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


def _write(task, folder, aside):
    """Writes the files of `folder` into `aside`."""
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
        texts[file] = "".join(map(json_line, rows))
    texts[VOCABULARY] = "".join(token + "\n" for token in task.tokenizer.vocabulary)
    # Half an emoji is no reason to fail. And not save_file: that gives the file to its owner alone, whatever the others have.
    files = {file: text.encode("utf-8", "backslashreplace") for file, text in texts.items()}
    files[WEIGHTS] = save(arrays_of(task.model) | {SEEN: task.seen_})
    with written(folder, AGAIN, sum(map(len, files.values()))):
        aside.mkdir(parents=True)
        for file, raw in files.items():
            (aside / file).write_bytes(raw)
