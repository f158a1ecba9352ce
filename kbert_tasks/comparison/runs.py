"""The saved folders that are compared: read as JSON alone, and named so that they can be told apart."""

from dataclasses import dataclass, field
from pathlib import Path

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
HELD |= {"history": list, "best_epoch": int, "seconds": dict}  # of a report, what a comparison reads
TOLD = {"text", "gold", "predicted", "right", "loss"}  # of an answer


@dataclass(frozen=True)
class Run:
    """A saved folder.

    Attributes:
        name: of the folder, with as many of the folders around it as make it unique.
        folder: its path.
        report: the dict of report.json.
        answers: the dicts of answers.jsonl.
    """

    name: str
    folder: Path
    report: dict = field(repr=False)
    answers: list = field(repr=False)

    @property
    def answered(self):
        """Which texts the answers are of: "test", else "dev"."""
        return "test" if "test" in self.report["scores"] else "dev"


def read(folders):
    """A list of Runs, two at least, all of one task.

    Raises:
        InputError: fewer folders, the same one twice, one that kbert-train did not write, or runs of different tasks.
    """
    folders = [Path(folder).resolve() for folder in folders]
    if len(folders) < 2:
        raise InputError(f"name two saved folders or more to compare, not {len(folders)}")
    for i, folder in enumerate(folders):
        if folder in folders[:i]:
            raise InputError(f"{folder} is named twice: name the folders of different runs")
    runs = [_run(name, folder) for name, folder in zip(names(folders), folders, strict=True)]
    if len({run.report["task"] for run in runs}) > 1:
        told = ", ".join(f"{run.name} is {run.report['task']}" for run in runs)
        raise InputError(f"only runs of one task can be compared: {told}")
    return runs


def names(folders):
    """For each path its last part, and as many before it as no other path ends with."""
    parts, found = [folder.parts for folder in folders], []
    for own in parts:
        number = 1
        while sum(other[-number:] == own[-number:] for other in parts) > 1:
            number += 1
        found.append("/".join(own[-number:]))
    return found


def _run(name, folder):
    recover(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not there: name a folder that kbert-train or save() has written")
    lacking = [file for file in (REPORT, ANSWERS) if not (folder / file).is_file()]
    if lacking:
        raise InputError(
            f"{folder} cannot be compared: it has no {' and no '.join(lacking)}, as kbert-train writes them"
        )
    report, answers = json_of(folder / REPORT), json_lines(folder / ANSWERS)
    if not isinstance(report, dict) or not all(isinstance(report.get(key), kind) for key, kind in HELD.items()):
        raise InputError(f"{folder / REPORT} is damaged or of another version: copy the folder again, or train again")
    if not all(isinstance(answer, dict) and TOLD <= answer.keys() for answer in answers):
        raise InputError(f"{folder / ANSWERS} is damaged or of another version: copy the folder again, or train again")
    return Run(name, folder, report, answers)
