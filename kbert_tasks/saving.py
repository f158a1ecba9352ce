"""The saved folder: its layout as data, writing it aside and renaming, reading it back.

Nothing in it is code or pickle: the model is built again from JSON, and its weights are read by layer name.
"""

import gc
import json
import logging
import os
import shutil
import weakref
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .errors import InputError
from .run_folder import (
    ANSWERS,
    CONFIG,
    ERRORS,
    LAYOUT,
    PAGE,
    REPORT,
    TASK,
    VOCABULARY,
    WEIGHTS,
    json_lines,
    json_of,
    previous_of,
    recover,
    sweep,
    writable,
)  # fmt: skip

if TYPE_CHECKING:
    from ._keras import Model
    from .tasks.base import Task

log = logging.getLogger("kbert_tasks")
FORMAT = 3
SEEN = "seen"
_BUILT: "weakref.WeakSet[Model]" = weakref.WeakSet()


def save(task, folder, explain=True):
    """Writes the trained task to `folder`, whole or not at all; an earlier saved task there is replaced.

    Args:
        task: a trained task.
        folder: see `writable`.
        explain: whether the page says why the worst mistakes were made, which takes some seconds.

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
        _write(task, aside, explain)
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


def update_seconds(report, folder):
    """Writes `report`, with another `seconds.total` than when it was saved, into a saved folder and its page."""
    from .page import with_total

    folder = Path(folder).resolve()
    _replace(folder / REPORT, json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    if (folder / PAGE).is_file():
        page = (folder / PAGE).read_text(encoding="utf-8")
        _replace(folder / PAGE, with_total(page, report["seconds"]["total"]))


def _replace(file, text):
    """Writes beside the folder of the file, and renames: the folder has only whole files of its own at any time."""
    aside = file.parent.with_name(f".{file.parent.name}.{file.name}.writing")
    try:
        aside.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)


def _write(task, folder, explain):
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
    if page := _page(task, explain):
        texts[PAGE] = page
    for file, text in texts.items():  # half an emoji is no reason to fail
        (folder / file).write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    lines = "".join(token + "\n" for token in task.tokenizer.vocabulary)
    (folder / VOCABULARY).write_text(lines, encoding="utf-8", newline="\n")
    # Not save_file: that gives the file to its owner alone, whatever the others have.
    (folder / WEIGHTS).write_bytes(save(arrays_of(task.model) | {SEEN: task.seen_}))


def _page(task, explain):
    """The page as text, or None."""
    from .explaining.mistakes import explained
    from .page import html

    why = _tried("the explanations of its errors", explained, task) if explain else None
    return _tried(PAGE, lambda: html(*(json.loads(json.dumps(each)) for each in (task.report_, task.answers_)), why))


def _tried(name, make, *arguments):
    """What `make` makes, or None: whatever is wrong with it, the training is not lost."""
    try:
        return make(*arguments)
    except Exception as error:
        log.warning("%s could not be made (%s: %s); all else is saved", name, type(error).__name__, error)
        return None


def load(folder: str | PathLike[str], engine: str = "keras") -> "Task[Any]":
    """The task that `save` wrote; needs neither the checkpoint nor a network.

    Args:
        folder: that kbert-train or `save` wrote.
        engine: what reads the texts in `predict` and `evaluate`: "keras", or "openvino", which at its first use exports
            the model into the folder. Weights that are changed afterwards are Keras's alone.

    Raises:
        InputError: not such a folder, a file missing or damaged, another format, a task that is not there, or an engine
            that is not.
    """
    from .engine import check, start
    from .tasks import find

    check(engine)
    folder = Path(folder).resolve()
    recover(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not there: name a folder that kbert-train or save() has written")
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
    lacking = [name for name in LAYOUT if name != PAGE and not (folder / name).is_file()]
    if lacking:
        raise InputError(f"{folder} lacks {', '.join(lacking)}: copy the whole folder again")
    try:
        task = find(about["task"])(**about["settings"])
        for name in task.LEARNED:
            setattr(task, name, about["learned"][name])
        cased = about["cased"]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / TASK} is damaged ({error!r}): copy the folder again") from None
    task = _fill(task, folder, cased, engine)
    task.engine_ = start(task, folder) if engine == "openvino" else None
    return task


def _fill(task, folder, cased, engine):
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from .inspection import read_config
    from .tokenizer import read_vocabulary

    task.config, task.report_ = read_config(folder / CONFIG), json_of(folder / REPORT)
    task.errors_, task.answers_ = (json_lines(folder / file) for file in (ERRORS, ANSWERS))
    task.tokenizer = task.new_tokenizer(read_vocabulary(folder / VOCABULARY), cased)
    try:
        arrays = load_file(folder / WEIGHTS)
        task.seen_ = arrays.pop(SEEN)
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{folder / WEIGHTS} is damaged or cut short: copy the folder again ({error})") from None
    if task.config["num_hidden_layers"] > len(arrays):  # before a graph of any size is built
        raise InputError(f"{folder / CONFIG} has more layers than {WEIGHTS}: copy the whole folder again")
    model = built(task, engine)
    wanted = {name: tuple(weight.shape) for name, weight in _weights(model).items()}
    found = {name: array.shape for name, array in arrays.items()}
    if wanted != found:
        name = sorted(dict(wanted.items() ^ found.items()))[0]
        raise InputError(
            f"{folder / WEIGHTS} does not fit {TASK}: {name} should be {wanted.get(name)}, found {found.get(name)}: "
            "files of two trainings are mixed; copy the folder again"
        )
    task.model = fill(model, arrays)
    return task


def built(task, engine="keras"):
    """The model of a task whose config and LEARNED attributes are known, with random weights."""
    from .checkpoint import build_encoder
    from .precision import choose, computing

    if _BUILT:  # Keras models are cycles of references, and Python looks for those too seldom for objects of this size
        gc.collect()
    precision = choose(task.settings.precision, task.settings.encoder)[0] if engine == "keras" else "float32"
    with computing(precision):  # another engine rounds by itself
        model = task.build(build_encoder(task.config, task.settings.encoder, first_only=task.first_only))
    _BUILT.add(model)
    return model


def arrays_of(model):
    """All weights of a model: dict of "layer/number" to NumPy array."""
    return {name: np.asarray(weight) for name, weight in _weights(model).items()}


def fill(model, arrays):
    """The model, with the weights that `arrays_of` returned of a model like it."""
    for layer in model.layers:
        layer.set_weights([arrays[f"{layer.name}/{i}"] for i in range(len(layer.weights))])
    return model


def _weights(model):
    return {f"{layer.name}/{i}": weight for layer in model.layers for i, weight in enumerate(layer.weights)}
