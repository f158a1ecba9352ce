"""Writes report.html for a trained task."""

import json
import logging
import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..explanation.mistakes import explained
from ..files import replacing
from ..lock import locked
from ..saving.folder import PAGE, REPORT, TASK
from ..tasks.base import check_trained
from .mistakes import places
from .report import duration, html

if TYPE_CHECKING:
    from ..tasks.base import Task

log = logging.getLogger("kbert_tasks")


def report(task: "Task[Any]", file: str | PathLike[str], explain: bool = True) -> None:
    """Writes the report of a trained or loaded task as one HTML page that opens offline.

    Args:
        task: a trained or loaded task.
        file: path of the page to write, ending in .html; usually `report.html` in the saved folder.
        explain: whether to explain the worst errors with integrated gradients, which takes some seconds.

    Raises:
        InputError: the task is not trained, or the file cannot be written.

    Example:
        >>> kb.report(kb.load("runs/hotel"), "hotel.html")  # doctest: +SKIP
    """
    path = Path(file)
    check_trained(task)
    if path.suffix.lower() != ".html":
        raise InputError(f"the report should be written to a file that ends in .html, not {str(path)!r}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path} could not be written (there is no folder {path.parent}): choose another file")
    try:
        if (path.parent / TASK).is_file():  # a saved task, whose folder holds only its own files at any time
            _replace(path, _page(task, explain))
        else:
            with replacing(path) as stream:
                stream.write(_page(task, explain))
    except OSError as error:
        raise InputError(f"{path} could not be written ({error.strerror}): choose another file") from None


def write_into(task: "Task[Any]", folder: str | PathLike[str]) -> None:
    """Writes report.html into the folder of a saved task. A failure is logged: the saved task is complete without it."""
    folder = Path(folder).resolve()
    try:
        _replace(folder / PAGE, _page(task, explain=True))
    except Exception as error:
        log.warning("%s could not be created (%s: %s); everything else is saved", PAGE, type(error).__name__, error)


def update_seconds(report: Mapping[str, Any], folder: str | PathLike[str]) -> None:
    """Updates report.json and the total duration in report.html of a saved folder."""
    folder = Path(folder).resolve()
    _replace(folder / REPORT, json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    if (folder / PAGE).is_file():
        page = (folder / PAGE).read_text(encoding="utf-8")
        _replace(folder / PAGE, with_total(page, report["seconds"]["total"]))


def _replace(file: Path, text: str) -> None:
    """Replaces a file of a saved task."""
    folder = file.parent.resolve()
    with locked(folder), replacing(folder / file.name, folder.parent, "the training itself is saved") as stream:
        stream.write(text)


def with_total(page: str, seconds: float) -> str:
    """Returns the page with an updated total duration, which is known only after the page has been written."""
    return re.sub(r'(<span class="total-time">)[^<]*', rf"\g<1>{duration(seconds)}", page)


def _page(task: "Task[Any]", explain: bool) -> str:
    why = None
    if explain:
        try:
            why = explained(task, places(task.answers_))
        except Exception as error:  # write the report even if the explanations fail
            log.warning("the errors could not be explained (%s: %s)", type(error).__name__, error)
    # Convert to JSON and back, so that the page is made from the same values as in report.json and answers.jsonl.
    content, answers = (json.loads(json.dumps(each)) for each in (task.report_, task.answers_))
    return html(content, answers, why)
