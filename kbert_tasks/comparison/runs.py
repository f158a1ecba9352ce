"""Reads the JSON files of saved runs for a comparison, and gives the runs unique names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..saving.folder import ANSWERS, REPORT, json_lines, json_of, recover

HELD: dict[str, type] = {
    "task": str,
    "settings": dict,
    "versions": dict,
    "checkpoint": dict,
    "scores": dict,
    "examples": dict,
}
HELD |= {"history": list, "best_epoch": int, "seconds": dict}  # required keys of report.json and their types
ANSWER_KEYS = {"text", "gold", "predicted", "right", "loss"}  # required keys of an answer


@dataclass(frozen=True)
class Run:
    """A saved run.

    Attributes:
        name: name of the folder, preceded by parent folders if that is necessary to make it unique.
        folder: path of the folder.
        report: the dict of report.json.
        answers: list of the dicts of answers.jsonl.
    """

    name: str
    folder: Path
    report: dict[str, Any] = field(repr=False)
    answers: list[dict[str, Any]] = field(repr=False)

    @property
    def answered(self) -> str:
        """The set of texts that the answers belong to: "test", or "dev" if there is no test set."""
        return "test" if "test" in self.report["scores"] else "dev"


def read(folders: Iterable[str | PathLike[str]]) -> list[Run]:
    """Reads two or more saved folders of the same task.

    Args:
        folders: list of paths.

    Returns:
        A list of Run, in the same order.

    Raises:
        InputError: fewer than two folders, the same folder twice, a folder not written by kbert-train, or different tasks.
    """
    paths = [Path(folder).resolve() for folder in folders]
    if len(paths) < 2:
        raise InputError(f"give at least two saved folders to compare, found {len(paths)}")
    for i, folder in enumerate(paths):
        if folder in paths[:i]:
            raise InputError(f"{folder} is given twice: give the folders of different runs")
    runs = [_run(name, folder) for name, folder in zip(names(paths), paths, strict=True)]
    if len({run.report["task"] for run in runs}) > 1:
        found = ", ".join(f"{run.name} is {run.report['task']}" for run in runs)
        raise InputError(f"only runs of the same task can be compared; found: {found}")
    return runs


def names(folders: Sequence[Path]) -> list[str]:
    """Returns a unique name for each path: its last part, preceded by as many parents as necessary."""
    parts, found = [folder.parts for folder in folders], []
    for own in parts:
        number = 1
        while sum(other[-number:] == own[-number:] for other in parts) > 1:
            number += 1
        found.append("/".join(own[-number:]))
    return found


def _run(name: str, folder: Path) -> Run:
    recover(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist: give a folder written by kbert-train or save()")
    lacking = [file for file in (REPORT, ANSWERS) if not (folder / file).is_file()]
    if lacking:
        raise InputError(
            f"{folder} cannot be compared: it has no {' and no '.join(lacking)}; kbert-train writes these files"
        )
    report, answers = json_of(folder / REPORT), json_lines(folder / ANSWERS)
    if not isinstance(report, dict) or not all(isinstance(report.get(key), kind) for key, kind in HELD.items()):
        raise InputError(f"{folder / REPORT} is damaged or of another version: copy the folder again, or train again")
    if not all(isinstance(answer, dict) and ANSWER_KEYS <= answer.keys() for answer in answers):
        raise InputError(f"{folder / ANSWERS} is damaged or of another version: copy the folder again, or train again")
    return Run(name, folder, report, answers)
