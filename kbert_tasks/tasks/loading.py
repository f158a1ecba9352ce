"""Loading a trained task from the folder that `save` wrote."""

import os
from contextlib import nullcontext, suppress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import InputError
from ..saving.folder import (
    ANSWERS,
    CONFIG,
    ERRORS,
    LAYOUT,
    OPTIONAL,
    REPORT,
    TASK,
    VOCABULARY,
    WEIGHTS,
    json_lines,
    json_of,
    recover,
)  # fmt: skip
from ..saving.model import Stored
from ..saving.saving import FORMAT, SEEN
from ..settings import AUTO
from . import find

if TYPE_CHECKING:
    from .base import Task


def load(folder: str | PathLike[str], engine: str = AUTO) -> "Task[Any]":
    """Loads a trained task from a saved folder. This needs neither the checkpoint nor a network connection.

    Args:
        folder: a folder written by kbert-train or `save`.
        engine: the software that runs the model in `predict` and `evaluate`: "keras" or "openvino". The first load with
            "openvino" exports the model into the folder. "auto" is OpenVINO if it is installed, the folder contains an
            export, and there is no GPU or TPU; otherwise Keras. If you change the weights of `task.model` after loading,
            predictions with OpenVINO do not change.

    Returns:
        The Task, ready for `predict`.

    Raises:
        InputError: the folder is not a saved task, it was saved by a version of kbert_tasks with another format, a file is
            missing or damaged, or the task or the engine does not exist.
    """
    from ..inference import openvino

    openvino.check(engine)
    folder = Path(folder).resolve()
    about = checked(folder)
    try:
        task = find(about["task"])(**about["settings"])
        for name in task.LEARNED:
            setattr(task, name, about["learned"][name])
        cased = about["cased"]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / TASK} is damaged ({error!r}): copy the folder again") from None
    export = None
    with suppress(InputError) if engine == AUTO else nullcontext():  # OpenVINO cannot be imported
        if engine == "openvino" or (engine == AUTO and openvino.pays()):
            export = openvino.kept(folder)
    if engine == AUTO:
        engine = "openvino" if export else "keras"
    stored = _fill(task, folder, cased, engine)
    if engine == "openvino":
        task._model = stored
        task.engine_ = openvino.start(task, folder, export)
    else:
        task.model = stored.model(task)
    return task


def checked(folder: Path) -> dict[str, Any]:
    """Returns the contents of the file TASK of a saved task, without loading its model.

    Raises:
        InputError: the folder is not a saved task of this version of the format, or a file is missing.
    """
    recover(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist: give a folder written by kbert-train or save()")
    if not (folder / TASK).is_file():
        raise InputError(
            f"{folder} is not a saved task: it has no {TASK}; found: {', '.join(sorted(os.listdir(folder))[:8]) or 'nothing'}"
        )
    about = json_of(folder / TASK)
    if not isinstance(about, dict):
        raise InputError(f"{folder / TASK} is damaged: copy the folder again")
    if about.get("format") != FORMAT:
        raise InputError(
            f"{folder} has format {about.get('format')}, this is kbert_tasks {__version__} with format {FORMAT}: "
            f"load it with kbert_tasks {about.get('kbert_tasks', 'that wrote it')}, or train again"
        )
    lacking = [name for name in LAYOUT if name not in OPTIONAL and not (folder / name).is_file()]
    if lacking:
        raise InputError(f"{folder} lacks {', '.join(lacking)}: copy the whole folder again")
    return about


def _fill(task: "Task[Any]", folder: Path, cased: bool, engine: str) -> Stored:
    """Sets the attributes of a task, except its model, and returns the weights."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from ..checkpoint.config import read_config
    from ..text.tokenizer import read_vocabulary

    task.config, task.report_ = read_config(folder / CONFIG), json_of(folder / REPORT)
    task.errors_, task.answers_ = (json_lines(folder / file) for file in (ERRORS, ANSWERS))
    task.tokenizer = task.new_tokenizer(read_vocabulary(folder / VOCABULARY), cased)
    try:
        arrays = load_file(folder / WEIGHTS)
        task.seen_ = arrays.pop(SEEN)
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{folder / WEIGHTS} is damaged or incomplete: copy the folder again ({error})") from None
    if task.config["num_hidden_layers"] > len(arrays):  # check before building a graph that could be huge
        raise InputError(f"{folder / CONFIG} has more layers than {WEIGHTS}: copy the whole folder again")
    return Stored(arrays, engine, str(folder / WEIGHTS))
