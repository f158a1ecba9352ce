"""Save a trained task: write a temporary folder and rename it when it is complete.

The folder contains no code and no pickle files. Loading builds the model from JSON and reads its weights by layer name.
"""

import json
import logging
import os
import shutil
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..configuration.writing import run_text
from ..data.output import json_line
from ..disk import written
from ..errors import InputError
from ..lock import locked
from .card import card
from .folder import (  # fmt: skip
    ANSWERS,
    CARD,
    CONFIG,
    ERRORS,
    REPORT,
    RUN,
    TASK,
    VOCABULARY,
    WEIGHTS,
    previous_of,
    recover,
    sweep,
    writable,
)
from .model import arrays_of

if TYPE_CHECKING:
    from ..tasks.base import Task

log = logging.getLogger("kbert_tasks")
FORMAT = 5
SEEN = "seen"
AGAIN = "and save again; kbert-train resumes from its last save if you run the same command again"


def save(task: "Task[Any]", folder: str | PathLike[str]) -> None:
    """Saves the trained task to `folder` in one atomic step and replaces an earlier saved task there.

    Args:
        task: a trained task.
        folder: path of the folder; see `writable`.

    Raises:
        InputError: the folder is not writable (see `writable`); another run is writing to it; the disk is full, in which
            case the earlier folder does not change; or the last rename failed, in which case the message contains the
            path of the new folder.
    """
    with locked(folder):
        _save(task, writable(folder))


def _save(task: "Task[Any]", folder: Path) -> None:
    sweep(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.writing")
    shutil.rmtree(temporary, ignore_errors=True)  # from an interrupted save of the same process
    try:
        _write(task, folder, temporary)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    previous = previous_of(folder)
    try:
        if folder.exists():
            shutil.rmtree(previous, ignore_errors=True)
            folder.rename(previous)
        temporary.rename(folder)
    except OSError as error:  # on Windows this happens if any file of the earlier folder is open
        recover(folder)
        raise InputError(
            f"{folder} cannot be replaced ({error.strerror}): the complete new folder is {temporary}"
        ) from None
    shutil.rmtree(previous, ignore_errors=True)


def _write(task: "Task[Any]", folder: Path, temporary: Path) -> None:
    """Writes the files of `folder` to the folder `temporary`."""
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
    if "run" in task.report_:  # not in folders of earlier versions, which can be loaded and saved again
        texts[RUN] = run_text(task.report_)
    texts[CARD] = card(task, folder.name)
    texts[VOCABULARY] = "".join(token + "\n" for token in task.tokenizer.vocabulary)
    # An unpaired surrogate must not make the save fail. `save_file` is not used because it makes the file readable only
    # by its owner, unlike the other files.
    files = {file: text.encode("utf-8", "backslashreplace") for file, text in texts.items()}
    files[WEIGHTS] = save({**arrays_of(task._model), SEEN: task.seen_})
    with written(folder, AGAIN, sum(map(len, files.values()))):
        temporary.mkdir(parents=True)
        for file, raw in files.items():
            (temporary / file).write_bytes(raw)
