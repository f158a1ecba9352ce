"""Train a task with several seeds or cross-validate it over folds, and combine the scores."""

import logging
import statistics
import time
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..data.split import folds_of, hold_out
from ..errors import InputError
from ..settings import AUTO
from .defaults import HELD_OUT
from .recording import record, sources_of

if TYPE_CHECKING:
    from ..data.examples import Examples
    from ..tasks.base import Task
    from ..typing import Labels, Rows

T = TypeVar("T", bound="Task[Any]")

log = logging.getLogger("kbert_tasks")


def fit_seeds(
    task: T,
    train: "Rows | Examples",
    labels: "Labels | None" = None,
    *,
    seeds: int = 5,
    dev: "Rows | Examples | tuple[Rows, Labels] | None" = None,
    test: "Rows | Examples | None" = None,
    resume_dir: str | PathLike[str] | None = None,
    teacher: "Task[Any] | str | PathLike[str] | None" = None,
    unlabelled: "Rows | Examples | None" = None,
) -> T:
    """Trains a task once for each seed, on the same rows, and returns the best one.

    The seeds start at `task.settings.seed` and increase by 1.

    Args:
        task: a task with its checkpoint and settings; it is not changed.
        train, labels, dev: the same as in `fit`. Without `dev`, all trainings hold out the same rows.
        seeds: number of trainings, at least 2.
        test: rows with gold labels, or None. Each trained task predicts them once, and no choice depends on them.
        resume_dir: the same as in `fit`; each training uses its own subfolder.
        teacher, unlabelled: the same as in `fit`.

    Returns:
        The trained task with the best development score, the first one among equal scores. Its `report_["seeds"]` is a
        dict with `each` (dicts with the seed and its scores), `mean` and `sd` of the scores, and `kept` (the seed of the
        returned task).
    """
    number = at_least_two(seeds, "seeds")
    task = clone(task)
    examples = task.examples(train, labels)
    task.prepare(examples.rows)
    if dev is None:
        # Development texts decide which seed is kept, so even small data sets hold out some texts.
        share = HELD_OUT if task.settings.validation_split == AUTO else task.settings.validation_split
        examples, held_out = hold_out(task, examples, share)
    else:
        held_out = task.examples(*dev) if isinstance(dev, tuple) else task.examples(dev)
    unseen = None if test is None else task.examples(test)
    sources = sources_of(train, labels, dev, test, unlabelled)
    texts = None if unlabelled is None else task.examples(unlabelled, gold=False)
    if not held_out.rows:
        raise InputError(
            "the best seed is chosen by its development score: give development rows, or a validation_split above 0"
        )
    each: list[dict[str, Any]] = []
    best: Any = None
    all_seeds = range(task.settings.seed, task.settings.seed + number)
    clone(task, seed=all_seeds[-1])  # raises before the first training if the last seed is too large
    for seed in all_seeds:
        log.info("seed %d (%d of %d)", seed, len(each) + 1, number)
        one = clone(task, seed=seed)
        one.fit(
            examples, dev=held_out, resume_dir=subfolder(resume_dir, f"seed-{seed}"), teacher=teacher, unlabelled=texts
        )
        if unseen is not None:
            evaluated(one, unseen)
        each.append({"seed": seed} | number_scores(one))
        if best is None or _main(one) > _main(best):
            best = one
    best.report_["seeds"] = {"each": each} | _together(each) | {"kept": best.settings.seed}
    record(task, best, sources, teacher, seeds=number)
    return best


def fit_folds(
    task: T,
    train: "Rows | Examples",
    labels: "Labels | None" = None,
    *,
    folds: int = 5,
    resume_dir: str | PathLike[str] | None = None,
) -> T:
    """Cross-validates a task, then trains it on all rows.

    For each fold, a model is trained on the other folds and predicts this one. The rows that decide the epoch or a
    threshold are held out of its training rows (`validation_split`), so the fold is not used for any choice. All rows with
    the same text are in the same fold.

    Args:
        task, train, labels, resume_dir: the same as in `fit_seeds`.
        folds: number of folds, at least 2.

    Returns:
        The task trained on all rows. Its `report_["folds"]` is a dict with `each` (dicts with the fold and its scores;
        `test` contains the scores on the fold), and `mean` and `sd` of the scores. If the task has a baseline, `baseline`
        contains the mean and sd of the baseline scores.
    """
    number = at_least_two(folds, "folds")
    task = clone(task)
    each: list[dict[str, Any]] = []
    baselines: list[dict[str, Any]] = []
    examples = task.examples(train, labels)
    sources = sources_of(train, labels, None)
    for fold, (rest, part) in enumerate(checked_folds(task, examples, number), 1):
        log.info("fold %d of %d", fold, number)
        one = clone(task)
        one.fit(examples.part(rest), resume_dir=subfolder(resume_dir, f"fold-{fold}"))
        evaluated(one, examples.part(part))
        each.append({"fold": fold} | number_scores(one))
        baselines += [one.report_["baseline"]["scores"]] if one.baseline_ else []
    log.info("on all rows")
    whole = clone(task)
    whole.fit(examples, resume_dir=subfolder(resume_dir, "all"))
    compared = {"baseline": _together(baselines)} if baselines else {}
    whole.report_["folds"] = {"each": each} | _together(each) | compared
    record(task, whole, sources, folds=number)
    return whole


def checked_folds(task: "Task[Any]", examples: "Examples", number: int) -> list[tuple[list[int], list[int]]]:
    """Returns the indices of the examples outside and inside each fold (`folds_of`), checked before any training.

    Raises:
        InputError: the examples outside a fold are not sufficient for training.
    """
    made = [*folds_of(task, examples, number)]
    for fold, (rest, _) in enumerate(made, 1):
        try:
            clone(task).prepare(examples.part(rest).rows)
        except InputError as error:
            raise InputError(
                f"without fold {fold} of {number}, the training rows are not sufficient: {error}"
            ) from None
    return made


def at_least_two(number: Any, name: str) -> int:
    """Returns a number of trainings; raises InputError if it is not a whole number of at least 2."""
    if type(number) is not int or number < 2:
        raise InputError(f"{name} should be a whole number of at least 2, not {number!r}")
    return number


def clone(task: T, **changes: Any) -> T:
    """Returns an untrained copy of a task, with other values of some settings."""
    return type(task)(**task.get_params() | changes)


def subfolder(resume_dir: str | PathLike[str] | None, name: str) -> Path | None:
    """Returns the folder for the progress of one of several trainings."""
    return None if resume_dir is None else Path(resume_dir) / name


def evaluated(task: "Task[Any]", rows: "Examples") -> None:
    """Evaluates a trained task on test rows and adds the scores to its report."""
    began = time.perf_counter()
    report = task.evaluate(rows)
    task.add_test(report, time.perf_counter() - began, rows.rows)


def _main(task: "Task[Any]") -> float:
    return task.report_["scores"]["dev"][task.MAIN_SCORE]


def number_scores(task: "Task[Any]") -> dict[str, dict[str, float]]:
    """Returns the dev and test scores that are single numbers."""
    return {
        part: {name: value for name, value in scores.items() if isinstance(value, int | float)}
        for part, scores in task.report_["scores"].items()
    }


def _together(each: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns the mean and standard deviation (n - 1) of each score that all trainings have."""
    made: dict[str, dict[str, Any]] = {"mean": {}, "sd": {}}
    for part in each[0].keys() & {"dev", "test"}:
        names = [name for name in each[0][part] if all(name in one.get(part, {}) for one in each)]
        for what, function in (("mean", statistics.mean), ("sd", statistics.stdev)):
            made[what][part] = {name: function(one[part][name] for one in each) for name in names}
    return made
