"""The files of a training command: reading them before the training, and recording them for run.yaml."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import configuring, options
from .command import tables

if TYPE_CHECKING:
    from ..configuration.reading import Configuration
    from ..data.examples import Examples
    from ..data.sources import Source
    from ..tasks.base import Task

RECORDED = (
    "encoding",
    "sheet",
    "input_format",
    "token_column",
    "tag_column",
    "seeds",
    "folds",
    "learning_curve",
)  # in run.yaml


@dataclass(frozen=True)
class Files:
    """The files of a command, all of them read before the training.

    Attributes:
        paths: dict of "train", "dev" and "test" to the path or None.
        sources: dict of the name of a given file to its Source.
        examples: dict of the same names to Examples.
    """

    paths: dict[str, Any]
    sources: "dict[str, Source]"
    examples: "dict[str, Examples]"


def task_of(kind: "type[Task[Any]]", arguments: argparse.Namespace) -> "Task[Any]":
    """Returns a task with the checkpoint and the settings of a command line."""
    from ..checkpoint import embedded

    if arguments.checkpoint is None:
        print(f"no --checkpoint: using {embedded.NAME}, the small Chinese checkpoint of the package", flush=True)
    return kind(arguments.checkpoint or embedded.NAME, **options.given(arguments, kind.Settings))


def read_files(task: "Task[Any]", arguments: argparse.Namespace) -> Files:
    """Reads and checks all files of a command, or the sample data of the package if there are none.

    Args:
        task: the task; without a training file, its checkpoint is opened, because its language decides which sample is read.
        arguments: the parsed arguments.

    Raises:
        InputError: a file cannot be read, or has no usable row.
    """
    from ..checkpoint.find import find_checkpoint
    from ..data.sources import Source
    from ..errors import InputError
    from ..training import inputs

    paths: dict[str, Any] = {name: getattr(arguments, name) for name in configuring.FILES}
    if arguments.train is None:
        if arguments.dev or arguments.test:
            raise InputError("--train is required with --dev or --test")
        task.checkpoint = find_checkpoint(task.checkpoint, task.settings.cased)
        paths = _samples(arguments.task, task.checkpoint.language)
    given = {name: file for name, file in paths.items() if file}
    examples = {}
    for name, each in tables(arguments, given).items():
        examples[name] = task.examples(each)
        if not examples[name].rows:
            raise InputError(f"{paths[name]} has no usable row: {examples[name].summary()}")
        if name == "train":
            inputs.prepare(task, examples[name])
    return Files(paths, {name: Source.of(file) for name, file in given.items()}, examples)


def report_changes(task: "Task[Any]", configuration: "Configuration", sources: "Mapping[str, Source]") -> None:
    """Logs what has changed since the run that a configuration file records."""
    from ..checkpoint.find import find_checkpoint
    from ..training.inputs import checksum_of_checkpoint
    from ..training.versions import versions

    found = {name: (source.file, source.sha256) for name, source in sources.items()}
    if "checkpoint" in configuration.checksums:
        task.checkpoint = find_checkpoint(task.checkpoint, task.settings.cased)
        found["checkpoint"] = f"checkpoint {task.checkpoint.name}", checksum_of_checkpoint(task.checkpoint)
    configuration.report_changes(found, versions())


def recorded(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the options that `run.yaml` records in addition to the settings and the checkpoint."""
    files = {name: getattr(arguments, name) for name in configuring.FILES}
    files = {name: file and str(Path(file).absolute()) for name, file in files.items()}
    more = {name: getattr(arguments, name, None) for name in RECORDED}
    if arguments.teacher:
        files["teacher"] = str(Path(arguments.teacher).absolute())
        more["unlabelled"] = [str(Path(file).absolute()) for file in arguments.unlabelled or ()] or None
    return {"task": arguments.task, "checkpoint": None} | files | {"no_header": not arguments.header or None} | more


def _samples(task: str, language: str) -> dict[str, Path | None]:
    from .. import samples

    print(f"no --train: using the {'Chinese' if language == 'zh' else 'English'} sample of the package", flush=True)
    return {part: samples.path(task, language, part) for part in ("train", "test")} | {"dev": None}
