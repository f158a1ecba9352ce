"""Log the plan of a training before it starts: text lengths, truncation, steps, memory. Handle too little memory.

A batch that is split into micro-batches needs less memory and results in the same step (`step.py`). The plan therefore
recommends, or chooses, a number of micro-batches.
"""

import contextlib
import gc
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import memory
from ..data.examples import Examples
from ..errors import InputError
from ..memory import GIB, Available
from ..settings import Settings
from .memory_estimate import Demand

if TYPE_CHECKING:
    from ..tasks.base import Task
    from .defaults import Resolved, ResolvedSettings
    from .inputs import Window

T = TypeVar("T")

log = logging.getLogger("kbert_tasks")

SAME = "micro_batches", "auto_micro_batches"  # settings that change the result only by rounding and dropout samples
SPARE = 1.1  # safety factor for errors of the estimate
NOTE = "in-parts"  # file in the progress folder while training runs; it remains if the run is killed


def make_plan(
    task: "Task[Any]",
    examples: Examples,
    dev: Examples,
    windows: "Sequence[Window]",
    lengths: Sequence[int],
    rows: int,
    computed_in: str,
    copies: int = 1,
    backup: str | PathLike[str] | None = None,
    resolved: "Mapping[str, Resolved[Any]] | None" = None,
    unlabelled: Examples | None = None,
) -> dict[str, Any]:
    """Logs the plan of a training and returns it as a dict (JSON) with `lines` (sentences) and the numbers in them.

    Args:
        task: a task with its settings, config and labels.
        examples, dev: Examples; their notes count truncated texts and targets that were not found.
        windows: training data as [(x, target)].
        lengths: number of tokens of each training text before truncation.
        rows: number of trained rows of the embedding table.
        computed_in: "float32", "bfloat16" or "float16".
        copies: number of devices that share a batch, each with a copy of the model.
        backup: folder of the progress, or None.
        resolved: dict from name to `Resolved` for the settings that can be "auto", or None.
        unlabelled: the Examples that only a teacher has answered, or None.

    Raises:
        InputError: training needs more memory than the limit allows, and `auto_micro_batches` is not set.
    """
    settings, size = task.settings, math.ceil(min(task.settings.batch_size, len(windows)) / copies)
    available, demand = memory.available(), Demand.of(task, windows, size, rows, computed_in, bool(dev.rows))
    parts = _parts(demand, available, settings, size, backup)
    steps, needed = math.ceil(len(windows) / settings.batch_size), available.held + demand.bytes(parts)
    plan: dict[str, Any] = {
        "texts": len(examples.rows + (unlabelled.rows if unlabelled else [])), "windows": len(windows), "steps": steps * settings.epochs,
        "lengths": {name: int(np.percentile(lengths, share)) for name, share in LENGTHS.items()},
        "notes": {"training": dict(examples.notes), "development": dict(dev.notes)},
        "batch_size": settings.batch_size, "micro_batches": parts,
        "memory": {"needed": int(needed), "available": int(available.bytes) if available.bytes < math.inf else None},
    }  # fmt: skip
    if unlabelled:
        plan["notes"]["unlabelled"] = dict(unlabelled.notes)
        plan["unlabelled"] = len(unlabelled.rows)
    plan["lines"] = [*about(examples, dev), *_lines(plan, settings, steps, available), *_resolved_lines(resolved or {})]
    for line in plan["lines"]:
        log.info("plan: %s", line)
    for doubt in task.doubtful_answers(examples.rows):
        log.warning("%s", doubt)
        plan["lines"].append(doubt)
    if needed > available.bytes:
        problem = (
            f"the training needs about {needed / GIB:.1f} GiB of memory, and {available.of} leaves {available.bytes / GIB:.1f} GiB: "
            + _advice(demand, available, settings, size)
        )
        if available.limit and not settings.auto_micro_batches:
            raise InputError(problem)
        log.warning("%s", problem)
    return plan


def about(*parts: Examples) -> list[str]:
    """Returns the distinct sentences about the files that the Examples come from."""
    return list(dict.fromkeys(each.about for each in parts if each.about))


LENGTHS = {"median": 50, "95 %": 95, "longest": 100}


def _lines(plan: dict[str, Any], settings: "ResolvedSettings", steps: int, available: Available) -> Iterator[str]:
    windows = f" in {plan['windows']:,} windows" if plan["windows"] != plan["texts"] else ""
    lengths = ", ".join(f"{name} {tokens:,}" for name, tokens in plan["lengths"].items())
    yield f"{plan['texts']:,} training texts{windows}; tokens per text: {lengths}"
    if "unlabelled" in plan:
        yield f"{plan['unlabelled']:,} of the training texts are unlabelled; the teacher answers them"
    for name, notes in plan["notes"].items():
        if listed := "; ".join(f"{number:,} {what}" for what, number in notes.items()):
            yield f"of the {name} texts: {listed}"
    if not any("max_length" in what for notes in plan["notes"].values() for what in notes):
        yield f"nothing is truncated: no text is longer than max_length {settings.max_length}"
    parts = f", computed in {plan['micro_batches']} micro-batches" if plan["micro_batches"] > 1 else ""
    yield (
        f"epochs {settings.epochs}, {steps:,} steps each, {plan['steps']:,} in total; batch_size {plan['batch_size']}{parts}, "
        f"learning_rate {settings.learning_rate:g}{_schedule(settings, plan['steps'])}, seed {settings.seed}"
    )
    there = f", and {available.of} leaves {available.bytes / GIB:.1f} GiB" if available.bytes < math.inf else ""
    yield f"about {plan['memory']['needed'] / GIB:.1f} GiB of memory at the peak{there}"


def _resolved_lines(resolved: "Mapping[str, Resolved[Any]]") -> Iterator[str]:
    for name, each in resolved.items():
        value = f"{each.value:g}" if isinstance(each.value, float) else each.value
        yield f"{name} = {value} ({each.reason})"


def _schedule(settings: "ResolvedSettings", steps: int) -> str:
    up = round(settings.warmup_ratio * steps)
    return (f" after a warm-up of {up:,} steps" if up else "") + (
        ", then linear decay to 0" if settings.schedule == "linear" else ""
    )


def _parts(
    demand: Demand, available: Available, settings: Settings, size: int, backup: str | PathLike[str] | None
) -> int:
    """Returns the number of micro-batches: the setting, or with `auto_micro_batches` a number that fits in memory."""
    parts, killed = settings.micro_batches, _killed(backup)
    if killed and not settings.auto_micro_batches:
        log.warning(
            "the last run was killed, maybe for lack of memory: auto_micro_batches (--auto-micro-batches) resumes it with less memory"
        )
    if not settings.auto_micro_batches:
        return parts
    parts = min(max(parts, 2 * killed), size)
    return next((each for each in _more(parts, size) if _fits(demand, available, each)), size)


def _fits(demand: Demand, available: Available, parts: int, length: int | None = None) -> bool:
    return available.held + SPARE * demand.bytes(parts, length) <= available.bytes


def _more(parts: int, size: int) -> Iterator[int]:
    """Yields `parts` and its doubles, up to one text in each part."""
    while parts < size:
        yield parts
        parts *= 2
    yield size


def _advice(demand: Demand, available: Available, settings: Settings, size: int) -> str:
    """Returns a sentence with the settings that would fit in memory."""
    parts = next((each for each in _more(settings.micro_batches, size) if _fits(demand, available, each)), None)
    lengths = range(demand.length // 16 * 16, 0, -16)
    length = next((each for each in lengths if _fits(demand, available, settings.micro_batches, each)), None)
    options = {f"--micro-batches {parts} (same result)": parts, f"--max-length {length}": length}
    would = " or ".join(name for name, value in options.items() if value)
    if not would:
        return "no smaller batch would fit, use a smaller checkpoint"
    return f"{would} would fit" + (
        "; --auto-micro-batches chooses automatically" if not settings.auto_micro_batches else ""
    )


# Running the plan ------------------------------------------------------------------------------------------------


def run_with_retries(
    plan: dict[str, Any], attempt: Callable[[int], T], auto: bool, backup: str | PathLike[str] | None = None
) -> T:
    """Runs `attempt(parts)` with the micro-batches of the plan, and with `auto` retries when memory runs out.

    Each retry doubles the number of micro-batches, up to one text in each. `plan["micro_batches"]` is updated to the
    number that was used last.

    Raises:
        InputError: memory ran out, and `auto` is false or a micro-batch is already a single text.
    """
    while True:
        parts = plan["micro_batches"]
        try:
            with _noted(backup, parts):
                return attempt(parts)
        except Exception as error:
            if not memory.ran_out(error):
                raise
        if parts >= plan["batch_size"]:
            raise InputError(
                "out of memory with one text at a time: use a smaller --max-length, or a smaller checkpoint"
            )
        more = min(2 * parts, plan["batch_size"])
        if not auto:
            raise InputError(
                f"out of memory: use --micro-batches {more} (same result with less memory), --auto-micro-batches to find what fits, "
                "or a smaller --max-length"
            )
        plan["micro_batches"] = more
        plan["lines"].append(f"memory ran out: from then on, each batch was computed in {more} parts")
        log.warning("out of memory: continuing with each batch in %d parts", more)
        gc.collect()


@contextlib.contextmanager
def _noted(backup: str | PathLike[str] | None, parts: int) -> Iterator[None]:
    """Keeps a note in the progress folder during the block; the note remains if the process is killed."""
    if backup is None:
        yield
        return
    folder = Path(backup)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NOTE).write_text(str(parts), encoding="ascii")
    try:
        yield
    finally:
        (folder / NOTE).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the folder is not empty: it contains saved progress
            folder.rmdir()


def _killed(backup: str | PathLike[str] | None) -> int:
    """Returns the number of micro-batches of a run that was killed, or 0 if no run was killed."""
    try:
        return int((Path(backup) / NOTE).read_text(encoding="ascii")) if backup else 0
    except (OSError, ValueError):
        return 0
