"""The record of a run: everything that is needed to repeat it. `run.yaml` in the saved folder is written from it."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checkpoint.checkpoint import Checkpoint
from ..checkpoint.google_format import CONFIG
from ..data.sources import Source, source_of
from ..saving.folder import WEIGHTS

if TYPE_CHECKING:
    from ..tasks.base import Task

OPTIONS = {"format": "input_format"}  # names of options of `data.tables.read` that kbert-train calls otherwise


def sources_of(train: Any, labels: Any, dev: Any, test: Any = None, unlabelled: Any = None) -> dict[str, Source | None]:
    """Returns the Source of the arguments of `fit`, or None for rows in memory. Call it before a long training."""
    found = {"train": source_of(train, labels), "dev": source_of(dev), "test": source_of(test)}
    found["unlabelled"] = source_of(unlabelled)
    # Test rows in memory are left out: the same model is trained without them.
    needed = {"train": True, "dev": dev is not None, "unlabelled": unlabelled is not None}
    return {part: source for part, source in found.items() if source or needed.get(part)}


def record(
    task: "Task[Any]", trained: "Task[Any]", sources: dict[str, Source | None], teacher: Any = None, **more: Any
) -> None:
    """Adds the record of a run in Python to the report of its task.

    Args:
        task: the task with the settings that were requested.
        trained: the trained task.
        sources: the return value of `sources_of`.
        teacher: the argument of `fit`.
        more: other options of kbert-train, such as seeds=3.
    """
    sources = dict(sources)
    reading = sources["train"].options if sources["train"] else {}
    for part, source in sources.items():
        if source and source.options != reading:  # kbert-train reads all files with the same options
            sources[part] = None
    options: dict[str, Any] = {"task": trained.name, "checkpoint": given_checkpoint(task.checkpoint)}
    options |= {part: source.file for part, source in sources.items() if source}
    if "unlabelled" in options:
        options["unlabelled"] = [options["unlabelled"]]
    if isinstance(teacher, str | PathLike):
        options["teacher"] = str(Path(teacher).absolute())
    options |= {OPTIONS.get(name, name): value for name, value in reading.items() if name != "header"}
    options |= {"no_header": True} if reading.get("header") is False else {}
    files = {part: source for part, source in sources.items() if source}
    add_record(task, trained, options | more, files | teacher_source(options.get("teacher")))
    in_memory = [part for part, source in sources.items() if source is None]
    in_memory += ["teacher"] * (teacher is not None and "teacher" not in options)
    trained.report_["run"]["in_memory"] = in_memory


def teacher_source(folder: str | PathLike[str] | None) -> dict[str, Source]:
    """Returns a dict with the Source of the weights of a teacher, or an empty one without a teacher."""
    return {} if folder is None else {"teacher": Source.of(Path(folder) / WEIGHTS)}


def add_record(
    task: "Task[Any]", trained: "Task[Any]", options: Mapping[str, Any], sources: Mapping[str, Source]
) -> None:
    """Adds a record to the report of a trained task.

    Args:
        task: the task with the settings that were requested.
        trained: the trained task.
        options: the other options of kbert-train; paths are absolute, because `run.yaml` is in another folder.
        sources: dict of "train", "dev", "test", "unlabelled" or "teacher" to its Source, for the checksums.
    """
    settings = task.settings.as_dict()
    if settings["tensorboard"] is not None:
        settings["tensorboard"] = str(Path(settings["tensorboard"]).absolute())
    checksums = {part: source.sha256 for part, source in sources.items()}
    trained.report_["run"] = {
        "options": dict(options) | settings,
        "checksums": {"checkpoint": trained.report_["checkpoint"]["sha256"]} | checksums,
    }


def given_checkpoint(checkpoint: Any) -> str:
    """Returns the absolute path of a checkpoint, or its name if it was given by name."""
    if isinstance(checkpoint, Checkpoint):
        return str(Path(checkpoint.checkpoint_file).absolute())
    path = Path(checkpoint).expanduser()
    is_path = path.exists() or Path(f"{path}.index").is_file() or (path.parent / CONFIG).is_file()
    return str(path.absolute()) if is_path else str(checkpoint)
