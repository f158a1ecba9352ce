"""Several trainings of one kind: over seeds, and over folds; what they say together."""

import logging
import statistics
import time
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..data.split import folds_of, hold_out
from ..errors import InputError
from ..settings import AUTO
from .defaults import HELD_OUT

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
) -> T:
    """Trains once for each seed, from `task.settings.seed` on, all on the same rows.

    Args:
        task: with its checkpoint and settings; it is left as it is.
        train, labels, dev: as `fit` takes them. What is held out where there is no `dev` is the same for all.
        seeds: number of trainings, at least 2.
        test: rows with gold, or None. Each training answers them once; nothing is chosen by them.
        resume_dir: a folder, as `fit` takes it; each training has its own in it.

    Returns:
        The trained task with the best development score (the first of equals). Its `report_["seeds"]` has `each`: a dict
        of seed and scores; `mean` and `sd`: of the scores; `kept`: its seed.
    """
    number = _at_least_two(seeds, "seeds")
    task = _anew(task)
    examples = task.examples(train, labels)
    task.learn(examples.rows)
    if dev is None:
        # The seed that is kept is chosen by development texts, so some are held out however few texts there are.
        share = HELD_OUT if task.settings.validation_split == AUTO else task.settings.validation_split
        examples, held_out = hold_out(task, examples, share)
    else:
        held_out = task.examples(*dev) if isinstance(dev, tuple) else task.examples(dev)
    unseen = None if test is None else task.examples(test)
    if not held_out.rows:
        raise InputError(
            "the best of several seeds is chosen by development rows: give them, or a validation_split above 0"
        )
    each: list[dict[str, Any]] = []
    best: Any = None
    seeds_told = range(task.settings.seed, task.settings.seed + number)
    _anew(task, seed=seeds_told[-1])  # an impossible seed is told before the first training
    for seed in seeds_told:
        log.info("seed %d (%d of %d)", seed, len(each) + 1, number)
        one = _anew(task, seed=seed)
        one.fit(examples, dev=held_out, resume_dir=_in(resume_dir, f"seed-{seed}"))
        if unseen is not None:
            _test(one, unseen)
        each.append({"seed": seed} | _scores(one))
        if best is None or _main(one) > _main(best):
            best = one
    best.report_["seeds"] = {"each": each} | _together(each) | {"kept": best.settings.seed}
    return best


def fit_folds(
    task: T,
    train: "Rows | Examples",
    labels: "Labels | None" = None,
    *,
    folds: int = 5,
    resume_dir: str | PathLike[str] | None = None,
) -> T:
    """Cross-validates, then trains on all the rows.

    For each fold a model is trained on the other folds and answers this one. What it chooses by (the epoch, a threshold) is
    held out of its own training rows (`validation_split`), so that the fold stays unseen. A text that stands in several rows is
    in one fold.

    Args:
        task, train, labels, resume_dir: as `fit_seeds` takes them.
        folds: number of parts, at least 2.

    Returns:
        The task trained on all rows. Its `report_["folds"]` has `each`: a dict of fold and scores (`test`: of the fold), and
        `mean` and `sd`; where there is a baseline also its, as `baseline`.
    """
    number = _at_least_two(folds, "folds")
    task, each, baselines = _anew(task), [], []
    examples = task.examples(train, labels)
    folds_made = [*folds_of(task, examples, number)]
    for fold, (rest, _) in enumerate(folds_made, 1):
        try:
            _anew(task).learn(rest.rows)
        except InputError as error:
            raise InputError(f"without fold {fold} of {number} there is too little to learn from: {error}") from None
    for fold, (rest, part) in enumerate(folds_made, 1):
        log.info("fold %d of %d", fold, number)
        one = _anew(task)
        one.fit(rest, resume_dir=_in(resume_dir, f"fold-{fold}"))
        _test(one, part)
        each.append({"fold": fold} | _scores(one))
        baselines += [one.report_["baseline"]["scores"]] if one.baseline_ else []
    log.info("on all rows")
    whole = _anew(task)
    whole.fit(examples, resume_dir=_in(resume_dir, "all"))
    compared = {"baseline": _together(baselines)} if baselines else {}
    whole.report_["folds"] = {"each": each} | _together(each) | compared
    return whole


def _at_least_two(number, name):
    if type(number) is not int or number < 2:
        raise InputError(f"{name} should be a whole number of at least 2, not {number!r}")
    return number


def _anew(task, **changes):
    return type(task)(**task.get_params() | changes)


def _in(resume_dir, name):
    return None if resume_dir is None else Path(resume_dir) / name


def _test(task, rows):
    began = time.perf_counter()
    report = task.evaluate(rows)
    task.add_test(report, time.perf_counter() - began, rows.rows)


def _main(task):
    return task.report_["scores"]["dev"][task.MAIN_SCORE]


def _scores(task):
    """The scores that are single numbers, of dev and test."""
    return {
        part: {name: value for name, value in scores.items() if isinstance(value, int | float)}
        for part, scores in task.report_["scores"].items()
    }


def _together(each):
    """Mean and standard deviation (n - 1) of each score that all trainings have."""
    made = {"mean": {}, "sd": {}}
    for part in each[0].keys() & {"dev", "test"}:
        names = [name for name in each[0][part] if all(name in one.get(part, {}) for one in each)]
        for what, function in (("mean", statistics.mean), ("sd", statistics.stdev)):
            made[what][part] = {name: function(one[part][name] for one in each) for name in names}
    return made
