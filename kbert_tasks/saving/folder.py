"""The layout of the folder of a trained task, and checks before a folder is replaced."""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import InputError

TASK, CONFIG, VOCABULARY, WEIGHTS, REPORT, ERRORS, ANSWERS, RUN, PAGE, CARD = (
    "task.json",
    "bert_config.json",
    "vocab.txt",
    "model.safetensors",
    "report.json",
    "errors.jsonl",
    "answers.jsonl",
    "run.yaml",
    "report.html",
    "README.md",
)
LAYOUT = {
    TASK: "format, task, settings, and what the task learned from the training rows (labels, ...)",
    CONFIG: "the encoder's sizes, as Google writes them",
    VOCABULARY: "one token per line",
    WEIGHTS: "every array of the model under LAYER/NUMBER; `seen`: fingerprints of the training texts",
    REPORT: "settings, data and scores of the training",
    ERRORS: "the wrong predictions for the test rows (without a test file, the development rows): row, gold, answer, probability",
    ANSWERS: "all predictions for these rows, including the correct ones, with their loss",
    RUN: "the options of the run with the paths and checksums of its files; kbert-train --config repeats the run from it",
    PAGE: "the report as an HTML page that opens offline",
    CARD: "the model card: what the model does, its data and scores, and how to use it",
}
OPTIONAL = RUN, PAGE, CARD  # a folder without these files can be loaded


EXPORT, EXPORT_GRAPH, EXPORT_WEIGHTS, EXPORT_ABOUT = "openvino", "model.xml", "model.bin", "export.json"
EXPORT_SECOND, EXPORT_SECOND_WEIGHTS = "second.xml", "second.bin"
EXPORT_LAYOUT = {
    EXPORT_GRAPH: "the part of the model that reads texts, as OpenVINO writes it",
    EXPORT_WEIGHTS: "its weights, float32",
    EXPORT_SECOND: "only of a task with two stages: the second stage",
    EXPORT_SECOND_WEIGHTS: "its weights, float32",
    EXPORT_ABOUT: "axes of the outputs, and SHA-256 of the other files and of the saved files that they were made from",
}


def writable(folder: str | PathLike[str]) -> Path:
    """Returns the folder as a Path if a task can be saved there.

    Raises:
        InputError: the path is a file or a mounted disk, the folder contains other files, or it cannot be created.
    """
    folder = Path(folder).resolve()
    recover(folder)
    if folder.is_file():
        raise InputError(f"{folder} is a file: choose a folder for the trained task")
    if folder.is_dir():
        others = sorted(_others(folder))
        if others:
            raise InputError(
                f"{folder} contains other files ({', '.join(others[:4])}) and is not replaced: choose a new folder"
            )
        if os.path.ismount(folder):
            raise InputError(f"{folder} is a mounted disk and cannot be replaced: choose a folder in it")
    existing = next(p for p in folder.parents if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputError(f"{folder} cannot be created: {existing} is not a writable folder")
    return folder


def _others(folder: Path) -> Iterator[str]:
    """Yields the names of files in the folder that this package did not write."""
    for path in folder.iterdir():
        if path.name == EXPORT and path.is_dir():
            yield from (f"{path.name}/{p.name}" for p in path.iterdir() if p.name not in EXPORT_LAYOUT)
        elif path.name == CARD and not (folder / TASK).is_file():  # not the card of a saved task
            yield path.name
        elif path.name not in LAYOUT and not writing(folder / EXPORT).fullmatch(path.name):
            yield path.name


def progress_of(folder: Path) -> Path:
    """Returns the folder for the progress of a training whose result is saved in `folder`."""
    return folder.with_name(f".{folder.name}.progress")


def previous_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")


def json_of(file: Path) -> Any:
    """Returns the content of a JSON file of a saved folder.

    Raises:
        InputError: the file is damaged.
    """
    return _parsed(file)[0]


def json_lines(file: Path) -> list[Any]:
    """Returns the values of a file with one JSON value in each line, as a list.

    Raises:
        InputError: the file is damaged.
    """
    return _parsed(file, lines=True)


def _parsed(file: Path, lines: bool = False) -> list[Any]:
    try:
        text = file.read_text(encoding="utf-8")
        return [json.loads(part) for part in (text.split("\n")[:-1] if lines else [text])]
    except ValueError as error:  # includes UnicodeDecodeError
        raise InputError(f"{file} is damaged: {error}; copy the folder again") from None


def recover(folder: Path) -> None:
    """Restores the earlier folder if a save was killed between its two renames."""
    if previous_of(folder).is_dir() and not folder.exists():
        previous_of(folder).rename(folder)


def writing(folder: Path) -> re.Pattern[str]:
    """Returns the pattern for the names of temporary folders that are renamed to `folder`."""
    return re.compile(re.escape(f".{folder.name}.") + r"\d+\.writing")


def sweep(folder: Path) -> None:
    """Deletes temporary folders of killed runs: those older than an hour, which no running process is writing."""
    if folder.parent.is_dir():
        for left in folder.parent.iterdir():
            if writing(folder).fullmatch(left.name) and time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left, ignore_errors=True)
