"""Train a task with growing shares of its training texts, to estimate what more labels would gain."""

import logging
import math
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

from ..data.split import hold_out, shares_of
from ..errors import InputError
from ..settings import AUTO
from .defaults import HELD_OUT, held_out_share
from .recording import record, sources_of
from .repeated import clone, evaluated, fit_seeds, number_scores, subfolder

if TYPE_CHECKING:
    from ..data.examples import Examples
    from ..tasks.base import Task
    from ..typing import Labels, Rows

T = TypeVar("T", bound="Task[Any]")

SHARES = (0.1, 0.3, 1.0)

log = logging.getLogger("kbert_tasks")


def fit_learning_curve(
    task: T,
    train: "Rows | Examples",
    labels: "Labels | None" = None,
    *,
    shares: Sequence[float] = SHARES,
    seeds: int | None = None,
    dev: "Rows | Examples | tuple[Rows, Labels] | None" = None,
    test: "Rows | Examples | None" = None,
    resume_dir: str | PathLike[str] | None = None,
) -> T:
    """Trains a task once with each share of the training texts, and returns the one with the largest share.

    The shares are stratified like held-out texts, and each share contains the smaller ones. All trainings are scored on the
    same development and test rows.

    Args:
        task: a task with its checkpoint and settings; it is not changed.
        train, labels, dev: the same as in `fit`. Without `dev`, rows are held out of `train` before it is divided.
        shares: at least two different numbers above 0 and up to 1.
        seeds: number of trainings with different seeds for each share, as in `fit_seeds`; None trains once.
        test: rows with gold labels, or None. Each trained task predicts them once, and no choice depends on them.
        resume_dir: the same as in `fit`; each training uses its own subfolder.

    Returns:
        The task trained with the largest share. Its `report_["learning_curve"]` is a dict with `score` (the name of the
        main score), `each` (dicts with the share, the number of texts, and their scores; with seeds the means, and `sd`),
        and `gain` (the difference between the last two shares, and the same per doubling of the texts).

    Raises:
        InputError: a share is not valid or has too few texts, or there are neither development nor test rows.
    """
    shares = checked_shares(shares)
    task = clone(task)
    examples = task.examples(train, labels)
    sources = sources_of(train, labels, dev, test)
    unseen = None if test is None else task.examples(test)
    if dev is None:
        task.prepare(examples.rows)
        examples, held_out = hold_out(task, examples, _share(task, examples, test is not None and seeds is None))
    else:
        held_out = task.examples(*dev) if isinstance(dev, tuple) else task.examples(dev)
    if not held_out.rows and unseen is None:
        raise InputError("a learning curve needs development or test rows: give some, or a validation_split above 0")
    parts = shares_of(task, examples, shares)
    for share, part in zip(shares, parts, strict=True):
        try:
            clone(task).prepare(part.rows)
        except InputError as error:
            raise InputError(
                f"the share {share:g} of the training rows ({len(part.rows)}) is not sufficient: {error}"
            ) from None
    each: list[dict[str, Any]] = []
    one = task
    for share, part in zip(shares, parts, strict=True):
        log.info("learning curve: share %g, %d training examples", share, len(part.rows))
        place = subfolder(resume_dir, f"share-{share:g}")
        if seeds is None:
            one = clone(task).fit(part, dev=held_out, resume_dir=place)
            if unseen is not None:
                evaluated(one, unseen)
        else:
            one = fit_seeds(task, part, seeds=seeds, dev=held_out, test=unseen, resume_dir=place)
        each.append({"share": share, "texts": one.report_["examples"]["train"]["used"]} | _scores(one))
    one.report_["learning_curve"] = {"score": task.MAIN_SCORE, "each": each, "gain": _gain(each, task.MAIN_SCORE)}
    record(task, one, sources, learning_curve=shares, seeds=seeds)
    return one


def checked_shares(shares: Any) -> list[float]:
    """Returns the shares in increasing order.

    Raises:
        InputError: there are fewer than two, two are equal, or one is not above 0 and up to 1.
    """
    given = [*shares]
    numbers = [float(share) for share in given if isinstance(share, int | float) and 0 < share <= 1]
    if len(numbers) != len(given) or len(numbers) < 2 or len({*numbers}) != len(numbers):
        found = " ".join(f"{share:g}" if isinstance(share, int | float) else repr(share) for share in given)
        raise InputError(
            f"learning_curve should be at least two different shares above 0 and up to 1, such as 0.1 0.3 1, not {found}"
        )
    return sorted(numbers)


def _share(task: "Task[Any]", examples: "Examples", can_be_none: bool) -> float:
    """Returns the share to hold out: as in `fit`, but small data also needs some texts if there are no test texts."""
    if task.settings.validation_split != AUTO:
        return float(task.settings.validation_split)
    share = held_out_share(task.settings, len(examples.rows)).value
    return share if share or can_be_none else HELD_OUT


def _scores(task: "Task[Any]") -> dict[str, Any]:
    """Returns the scores of a trained task; if it was trained with several seeds, their means, and `sd`."""
    seeds = task.report_.get("seeds")
    found: dict[str, Any] = dict(seeds["mean"]) | {"sd": seeds["sd"]} if seeds else number_scores(task)
    return found | ({"baseline": task.report_["baseline"]["scores"]} if task.baseline_ else {})


def _gain(each: Sequence[Mapping[str, Any]], score: str) -> dict[str, Any] | None:
    """Returns the difference of the main score between the last two shares, or None if it is not defined."""
    one, two = each[-2:]
    part = "test" if "test" in two else "dev"
    before, after = one[part].get(score), two[part].get(score)
    if before is None or after is None or one["texts"] == two["texts"]:
        return None
    difference = after - before
    doublings = math.log2(two["texts"] / one["texts"])
    found = {"part": part, "from": one["texts"], "to": two["texts"]}
    return found | {"difference": difference, "per_doubling": difference / doublings}
