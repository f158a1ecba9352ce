"""Searches for the best settings of a training: the preparation, the trials, and the end."""

import contextlib
import dataclasses
import importlib.util
import logging
import time
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._keras import is_tpu
from ..cluster import cluster
from ..data.split import hold_out
from ..errors import InputError
from ..settings import AUTO
from ..training import inputs
from ..training.defaults import FEW_TEXTS, HELD_OUT
from ..training.trainer import NOT_DECISIVE, Trainer
from .space import Space, as_json, default_space
from .space_file import space_of
from .table import values_text, write_table
from .writing import write

if TYPE_CHECKING:
    from ..data.examples import Examples
    from ..tasks.base import Task
    from .study import Study

log = logging.getLogger("kbert_tasks")
TRIALS = 20  # the budget, if the user gives none
EXTRA = "kbert-search needs the package optuna: pip install 'kbert-tasks[search]'"


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What all trials of a search have in common.

    Attributes:
        task: a task with the requested settings, which each trial changes.
        train, dev: the training and development Examples.
        space: the Space.
        automatic: dict of name to value for the requested settings, with the values that replace "auto".
        identity: dict of everything that must not change in a study.
    """

    task: "Task[Any]"
    train: "Examples"
    dev: "Examples"
    space: Space
    automatic: dict[str, Any]
    identity: dict[str, str]


def check_installed() -> None:
    """Raises InputError if Optuna is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise InputError(EXTRA)


def prepared(
    task: "Task[Any]",
    train: "Examples",
    dev: "Examples | None",
    space: "str | PathLike[str] | Mapping[str, Any] | None",
    fixed: frozenset[str],
) -> Prepared:
    """Splits the rows, derives the automatic settings and the space, and checks everything before the first trial.

    Args:
        task: a task with the requested settings; it is not changed.
        train: the training Examples.
        dev: the development Examples, or None to hold out a part of `train`, the same rows for all trials.
        space: a file or dict with the space, or None for the default one.
        fixed: names of settings that are not searched.

    Raises:
        InputError: Optuna is missing, there are no development rows, or the data, the settings or the space is not valid.
    """
    check_installed()
    if len(cluster()) > 1:
        raise InputError("a search trains on one machine: unset TF_CONFIG")
    task = type(task)(**task.get_params())
    own = None if space is None else space_of(space, type(task.settings))
    if own and (both := [name for name in own if name in fixed]):
        raise InputError(f"{both[0]} is in the space and has a fixed value too: remove one of them")
    if dev is None:
        task, train, dev = _split(task, train)
    if not dev.rows:
        raise InputError(
            "a search compares development scores, but there are no development rows: give a development file, or a "
            "validation_split above 0"
        )
    trainer = Trainer(type(task)(**task.get_params()), train.copy(), dev.copy())
    with _quiet():
        trainer.plan()
    automatic = {name: each.value for name, each in trainer.resolved.items() if name in task.settings.as_dict()}
    without: dict[str, Any] = {} if trainer.checkpoint.pooler() else {"pooling": ["pooler"]}
    without |= {"ema_decay": [0.98, 0.99]} if is_tpu(trainer.strategy) else {}
    found = own or {
        name: each for name, each in default_space(task.settings, automatic, without).items() if name not in fixed
    }
    if not found:
        raise InputError("all settings of the space have fixed values: leave out some options, or give a space")
    decisive = {name: value for name, value in task.settings.as_dict().items() if name not in (*NOT_DECISIVE, *found)}
    identity = {
        "task": task.name,
        "checkpoint": trainer.identity["checkpoint"],
        "training rows": trainer.identity["rows"]["train"],
        "development rows": trainer.identity["rows"]["dev"],
    }
    identity |= {name: str(value) for name, value in decisive.items()}
    identity |= {f"the space of {name}": each for name, each in as_json(found).items()}
    return Prepared(task, train, dev, found, task.settings.as_dict() | automatic, identity)


def _split(task: "Task[Any]", train: "Examples") -> "tuple[Task[Any], Examples, Examples]":
    """Holds out development rows; returns the task, which holds out the same rows in a later training, and the parts."""
    share, few = task.settings.validation_split, len(train.rows) < FEW_TEXTS
    if share == AUTO:
        share = HELD_OUT
        if few:  # a training without a search would hold out none
            task = type(task)(**task.get_params() | {"validation_split": share})
    inputs.prepare(task, train)
    return task, *hold_out(task, train, share)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides all messages but warnings inside the block."""

    def shown(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING

    log.addFilter(shown)
    try:
        yield
    finally:
        log.removeFilter(shown)


def run_trials(
    found: Prepared, folder: Path, trials: int | None = None, minutes: float | None = None, pruning: bool = True
) -> "Study":
    """Runs the trials of a search, or those that are missing in an earlier one.

    Args:
        found: the return value of `prepared`.
        folder: folder of the study.
        trials: number of trials of the study; TRIALS if `minutes` is None too.
        minutes: no trial begins later than this after the start.
        pruning: whether trials that fall behind are ended early.

    Returns:
        The Study.

    Raises:
        InputError: the study is of another search, or no trial is complete.
    """
    import optuna

    from .study import Study
    from .trial import run_trial

    began = time.monotonic()
    most = TRIALS if trials is None and minutes is None else trials
    study = Study(folder, found.space, found.identity, found.automatic, found.task.settings.seed)
    log.info(
        "search in %s: %s, %d development texts, %d trials so far", folder,
        f"{most} trials" if most is not None else f"{minutes:g} minutes", len(found.dev.rows), len(study.trials()),
    )  # fmt: skip
    try:
        while minutes is None or time.monotonic() - began < 60 * minutes:
            with study.claim(most) as claim:
                if claim is None:
                    break
                values = "the automatic settings" if claim.is_default else values_text(claim.values)
                log.info("trial %d: %s", claim.trial.number, values)
                run_trial(study, claim, found.task, found.train, found.dev, pruning)
            write_table(study)
    except optuna.exceptions.StorageInternalError as error:
        reason = str(error.__cause__ or error).split("\n")[0]
        raise InputError(
            f"{study.file} cannot be written ({reason}): free disk space, and run the same command again"
        ) from None
    finally:
        with contextlib.suppress(optuna.exceptions.StorageInternalError):
            if study.trials():
                write(study, found)
    if study.best() is None and not study.runs_elsewhere():
        problems = [each.user_attrs.get("problem") for each in study.trials()]
        raise InputError(
            f"no trial of {folder} is complete: {next(filter(None, reversed(problems)), 'give more time')}"
        )
    return study
