"""The saved folder: its layout as data, writing it aside and renaming, reading it back.

Nothing in it is code or pickle: the model is built again from JSON, and its weights are read by layer name.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np

from . import __version__
from .errors import InputError

FORMAT = 1
TASK, CONFIG, VOCABULARY, WEIGHTS, REPORT = (
    "task.json",
    "bert_config.json",
    "vocab.txt",
    "model.safetensors",
    "report.json",
)
LAYOUT = {
    TASK: "format, task, settings, and what the task learned from the training rows (labels, ...)",
    CONFIG: "the encoder's sizes, as Google writes them",
    VOCABULARY: "a token a line",
    WEIGHTS: "every array of the model under LAYER/NUMBER; `seen`: fingerprints of the training texts",
    REPORT: "what was trained on what, and the scores",
}
SEEN = "seen"


def save(task, folder):
    """Writes the trained task to `folder`, whole or not at all; an earlier saved task there is replaced."""
    folder = writable(folder)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.writing")
    for left in folder.parent.glob(f".{folder.name}.*.writing"):  # of runs that were killed
        shutil.rmtree(left)
    aside.mkdir(parents=True)
    try:
        _write(task, aside)
        previous = _previous(folder)
        if folder.exists():
            shutil.rmtree(previous, ignore_errors=True)
            folder.rename(previous)
        aside.rename(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        _recover(folder)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def _write(task, folder):
    from safetensors.numpy import save_file

    learned = {name: getattr(task, name) for name in task.LEARNED}
    name = task.report_["task"]
    about = {
        "format": FORMAT, "kbert_tasks": __version__, "task": name, "cased": task.tokenizer.cased,
        "settings": task.settings.as_dict(), "learned": learned,
    }  # fmt: skip
    for file, content in ((TASK, about), (CONFIG, task.config), (REPORT, task.report_)):
        (folder / file).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    lines = "".join(token + "\n" for token in task.tokenizer.vocabulary)
    (folder / VOCABULARY).write_text(lines, encoding="utf-8", newline="\n")
    save_file(_arrays(task.model) | {SEEN: task.seen_}, folder / WEIGHTS)


def writable(folder):
    """The folder as a Path, if a task may be saved there: InputError for what is not ours to replace."""
    folder = Path(folder).absolute()
    _recover(folder)
    if folder.is_file():
        raise InputError(f"{folder} is a file: name a folder for the trained task")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / TASK).is_file():
        raise InputError(f"{folder} holds other files and no trained task: name a new folder")
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputError(f"{folder} cannot be made: {existing} is not a folder that you may write to")
    return folder


def load(folder):
    """The task that `save` wrote; needs neither the checkpoint nor a network.

    Raises:
        InputError: not such a folder, a file missing or damaged, another format, or a task that is not there.
    """
    from .tasks import find

    folder = Path(folder).absolute()
    _recover(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not there: name a folder that kbert-train or save() has written")
    if not (folder / TASK).is_file():
        raise InputError(
            f"{folder} is not a saved task: it has no {TASK}; found: {', '.join(sorted(os.listdir(folder))[:8])}"
        )
    about = _json(folder / TASK)
    if about.get("format") != FORMAT:
        raise InputError(
            f"{folder} has format {about.get('format')}, this is kbert_tasks {__version__} with format {FORMAT}: "
            f"load it with kbert_tasks {about.get('kbert_tasks', 'that wrote it')}, or train again"
        )
    lacking = [name for name in LAYOUT if not (folder / name).is_file()]
    if lacking:
        raise InputError(f"{folder} lacks {', '.join(lacking)}: copy the whole folder again")
    task = find(about["task"])(**about["settings"])
    for name in task.LEARNED:
        setattr(task, name, about["learned"][name])
    return _fill(task, folder, about["cased"])


def _fill(task, folder, cased):
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from .checkpoint import build_encoder
    from .tokenizer import Tokenizer, read_vocabulary

    task.config, task.report_ = _json(folder / CONFIG), _json(folder / REPORT)
    task.tokenizer = Tokenizer(read_vocabulary(folder / VOCABULARY), cased)
    try:
        arrays = load_file(folder / WEIGHTS)
        task.seen_ = arrays.pop(SEEN)
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{folder / WEIGHTS} is damaged or cut short: copy the folder again ({error})") from None
    model = task.build(build_encoder(task.config, task.settings.encoder, folder / CONFIG))
    wanted = {name: array.shape for name, array in _arrays(model).items()}
    found = {name: array.shape for name, array in arrays.items()}
    if wanted != found:
        name = sorted(dict(wanted.items() ^ found.items()))[0]
        raise InputError(
            f"{folder / WEIGHTS} does not fit {TASK}: {name} should be {wanted.get(name)}, found {found.get(name)}: "
            "files of two trainings are mixed; copy the folder again"
        )
    for layer in model.layers:
        layer.set_weights([arrays[f"{layer.name}/{i}"] for i in range(len(layer.weights))])
    task.model = model
    return task


def _arrays(model):
    return {f"{layer.name}/{i}": np.asarray(a) for layer in model.layers for i, a in enumerate(layer.get_weights())}


def _json(file):
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is damaged: {error}; copy the folder again") from None


def _previous(folder):
    return folder.with_name(f".{folder.name}.previous")


def _recover(folder):
    """Puts back the earlier folder if a save was killed between its two renames."""
    if _previous(folder).is_dir() and not folder.exists():
        _previous(folder).rename(folder)
