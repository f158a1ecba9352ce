"""Searches for the best settings from Python, and trains a task with them."""

import dataclasses
import time
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..training.recording import record, sources_of
from ..training.resume import delete
from .search import prepared, run_trials
from .writing import write

if TYPE_CHECKING:
    from ..data.examples import Examples
    from ..tasks.base import Task
    from ..typing import Labels, Rows

T = TypeVar("T", bound="Task[Any]")


def search(
    task: T,
    train: "Rows | Examples",
    labels: "Labels | None" = None,
    *,
    dev: "Rows | Examples | tuple[Rows, Labels] | None" = None,
    test: "Rows | Examples | None" = None,
    folder: str | PathLike[str] = "runs/search",
    space: "str | PathLike[str] | Mapping[str, Any] | None" = None,
    trials: int | None = None,
    minutes: float | None = None,
    pruning: bool = True,
) -> T:
    """Searches for the settings with the best development score and trains a task with them.

    If the search is interrupted, call the function again with the same arguments: the trials in `folder` are kept. Several
    processes can call it at the same time with the same folder.

    Args:
        task: a task with its checkpoint; it is not changed. Settings that differ from their default values are not searched.
        train, labels, dev: the same as in `fit`. Without `dev`, all trials hold out the same rows.
        test: rows with gold labels, or None. Only the best setting is evaluated on them, once.
        folder: folder of the study, of the table `trials.csv` and of the page `search.html`.
        space: the settings to search: a YAML or JSON file, or a dict such as {"dropout": {"low": 0, "high": 0.3},
            "batch_size": [16, 32]}. By default, a space around the automatic settings.
        trials: number of trials in the folder, with those of earlier calls; 20 without `minutes`.
        minutes: no trial begins later than this after the start.
        pruning: whether trials that fall behind are ended early.

    Returns:
        The trained task. Its `report_["search"]` contains the number of trials and the best one.

    Raises:
        InputError: Optuna is missing, there are no development rows, or the data, the settings or the space is not valid.
    """
    folder = Path(folder)
    changed = [
        each.name for each in dataclasses.fields(task.settings) if getattr(task.settings, each.name) != each.default
    ]
    sources = sources_of(train, labels, dev, test)
    developing = None if dev is None else task.examples(*dev) if isinstance(dev, tuple) else task.examples(dev)
    unseen = None if test is None else task.examples(test)
    found = prepared(task, task.examples(train, labels), developing, space, frozenset(changed))
    study = run_trials(found, folder, trials, minutes, pruning)
    best = study.best()
    values = {} if best is None else study.settings_of(best)  # None while another process runs the first trial
    requested: T = type(task)(**found.task.get_params() | values)
    progress = folder / ".best.progress"
    made: T = type(task)(**requested.get_params()).fit(found.train, dev=found.dev, resume_dir=progress)
    delete(progress)
    if unseen is not None:
        began = time.perf_counter()
        report = made.evaluate(unseen)
        made.add_test(report, time.perf_counter() - began, unseen.rows)
    record(requested, made, sources)
    made.report_["search"] = {
        "trials": len(study.trials()),
        "best": None if best is None else best.number,
        "values": values,
    }
    if best is not None:
        scores = made.report_["scores"]
        study.set_final(best, {part: each[task.MAIN_SCORE] for part, each in scores.items()})
    write(study, found)
    return made
