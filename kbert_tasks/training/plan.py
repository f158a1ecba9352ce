"""What a training is going to do, told before it begins: lengths, what is cut, steps, memory; and a way out where that is short.

A batch computed in parts takes less memory and makes the same step (`step.py`), so parts are what is advised and picked.
"""

import contextlib
import gc
import logging
import math
from pathlib import Path

import numpy as np

from .. import memory
from ..errors import InputError
from ..memory import GIB
from .memory_estimate import Demand

log = logging.getLogger("kbert_tasks")

SAME = "micro_batches", "auto_micro_batches"  # settings that make the same training, to rounding and dropout's draws
SPARE = 1.1  # what is advised or picked leaves a tenth for what the estimate is off by
NOTE = "in-parts"  # in the folder of the progress while the training runs: a run that was killed leaves it behind


def planned(task, examples, dev, windows, lengths, rows, computed_in, copies=1, backup=None, resolved=None):
    """Logs the plan of a training; returns it as a dict (JSON): `lines`, sentences, and the numbers in them.

    Args:
        task: with its settings, config and labels.
        examples, dev: Examples; their notes say what is cut and what cannot be found.
        windows: [(x, target)] to train on.
        lengths: tokens of each text to train on, with those that are cut.
        rows: of the embedding table, that are trained.
        computed_in: float32, bfloat16 or float16.
        copies: of the model, on as many devices, that share a batch.
        backup: folder of the progress, or None.
        resolved: name to the `Resolved` of the settings that can be "auto", or None.

    Raises:
        InputError: more memory is needed than a limit leaves, and `auto_micro_batches` is not set.
    """
    settings, size = task.settings, math.ceil(min(task.settings.batch_size, len(windows)) / copies)
    room, demand = memory.room(), Demand.of(task, windows, size, rows, computed_in, bool(dev.rows))
    parts = _parts(demand, room, settings, size, backup)
    steps, needed = math.ceil(len(windows) / settings.batch_size), room.held + demand.bytes(parts)
    plan = {
        "texts": len(examples.rows), "windows": len(windows), "steps": steps * settings.epochs,
        "lengths": {name: int(np.percentile(lengths, share)) for name, share in LENGTHS.items()},
        "notes": {"training": dict(examples.notes), "development": dict(dev.notes)},
        "batch_size": settings.batch_size, "micro_batches": parts,
        "memory": {"needed": int(needed), "room": int(room.bytes) if room.bytes < math.inf else None},
    }  # fmt: skip
    plan["lines"] = [*about(examples, dev), *_lines(plan, settings, steps, room), *_resolved_lines(resolved or {})]
    for line in plan["lines"]:
        log.info("plan: %s", line)
    for doubt in task.doubts(examples.rows):
        log.warning("%s", doubt)
        plan["lines"].append(doubt)
    if needed > room.bytes:
        problem = (
            f"the training needs about {needed / GIB:.1f} GiB of memory, and {room.of} leaves {room.bytes / GIB:.1f} GiB: "
            + _advice(demand, room, settings, size)
        )
        if room.limit and not settings.auto_micro_batches:
            raise InputError(problem)
        log.warning("%s", problem)
    return plan


def about(*parts):
    """What is to be said of the files that Examples are from, each sentence once."""
    return list(dict.fromkeys(each.about for each in parts if each.about))


LENGTHS = {"median": 50, "95 %": 95, "longest": 100}


def _lines(plan, settings, steps, room):
    windows = f" in {plan['windows']:,} windows" if plan["windows"] != plan["texts"] else ""
    lengths = ", ".join(f"{name} {tokens:,}" for name, tokens in plan["lengths"].items())
    yield f"{plan['texts']:,} texts to train on{windows}; their tokens: {lengths}"
    for name, notes in plan["notes"].items():
        if told := "; ".join(f"{number:,} {what}" for what, number in notes.items()):
            yield f"of the {name} texts: {told}"
    if not any("max_length" in what for notes in plan["notes"].values() for what in notes):
        yield f"nothing is cut: no text is longer than max_length {settings.max_length}"
    parts = f", computed in {plan['micro_batches']} micro-batches" if plan["micro_batches"] > 1 else ""
    yield (
        f"epochs {settings.epochs}, of {steps:,} steps each, {plan['steps']:,} in all; batch_size {plan['batch_size']}{parts}, "
        f"learning_rate {settings.learning_rate:g}{_schedule(settings, plan['steps'])}, seed {settings.seed}"
    )
    there = f", and {room.of} leaves {room.bytes / GIB:.1f} GiB" if room.bytes < math.inf else ""
    yield f"about {plan['memory']['needed'] / GIB:.1f} GiB of memory at the peak{there}"


def _resolved_lines(resolved):
    for name, each in resolved.items():
        value = f"{each.value:g}" if isinstance(each.value, float) else each.value
        yield f"{name} = {value} ({each.reason})"


def _schedule(settings, steps):
    up = round(settings.warmup_ratio * steps)
    return (f" from step {up:,} on" if up else "") + (", then falling to 0" if settings.schedule == "linear" else "")


def _parts(demand, room, settings, size, backup):
    """The parts that each batch is computed in: as told, or with `auto_micro_batches` so many more that it fits."""
    parts, killed = settings.micro_batches, _killed(backup)
    if killed and not settings.auto_micro_batches:
        log.warning(
            "the last run was killed, often a sign of too little memory: auto_micro_batches (--auto-micro-batches) goes on with less of it"
        )
    if not settings.auto_micro_batches:
        return parts
    parts = min(max(parts, 2 * killed), size)
    return next((each for each in _more(parts, size) if _fits(demand, room, each)), size)


def _fits(demand, room, parts, length=None):
    return room.held + SPARE * demand.bytes(parts, length) <= room.bytes


def _more(parts, size):
    """Parts, and twice, four times as many, up to a text a part."""
    while parts < size:
        yield parts
        parts *= 2
    yield size


def _advice(demand, room, settings, size):
    """Which settings would fit."""
    parts = next((each for each in _more(settings.micro_batches, size) if _fits(demand, room, each)), None)
    lengths = range(demand.length // 16 * 16, 0, -16)
    length = next((each for each in lengths if _fits(demand, room, settings.micro_batches, each)), None)
    told = {f"--micro-batches {parts} (the same training, in parts)": parts, f"--max-length {length}": length}
    would = " or ".join(name for name, value in told.items() if value)
    if not would:
        return "no smaller batch would fit, take a smaller checkpoint"
    return f"{would} would fit" + ("; --auto-micro-batches picks by itself" if not settings.auto_micro_batches else "")


# While it is carried out -----------------------------------------------------------------------------------------


def carried_out(plan, attempt, auto, backup=None):
    """attempt(parts) by the plan; where memory runs out, with `auto` again in twice the parts, until a text is a part.

    The plan's `accumulate` is what was used in the end.

    Raises:
        InputError: memory ran out.
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
                "out of memory with one text at a time: take a smaller --max-length, or a smaller checkpoint"
            )
        more = min(2 * parts, plan["batch_size"])
        if not auto:
            raise InputError(
                f"out of memory: --micro-batches {more} makes the same training with less, and --auto-micro-batches finds what fits; "
                "or take a smaller --max-length"
            )
        plan["micro_batches"] = more
        plan["lines"].append(f"memory ran out: the batches were computed in {more} parts from then on")
        log.warning("out of memory: going on with each batch in %d parts", more)
        gc.collect()


@contextlib.contextmanager
def _noted(backup, parts):
    """Leaves a note in the folder of the progress if the process does not live to the end of the block."""
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
        with contextlib.suppress(OSError):  # it holds what was saved
            folder.rmdir()


def _killed(backup):
    """The parts of a run that was killed; 0 if none was."""
    try:
        return int((Path(backup) / NOTE).read_text(encoding="ascii")) if backup else 0
    except (OSError, ValueError):
        return 0
