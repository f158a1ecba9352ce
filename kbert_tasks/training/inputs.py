"""What a training starts from: the checkpoint, and the examples as windows of tokens with targets."""

import logging
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..checkpoint.checkpoint import Checkpoint
from ..checkpoint.find import find_checkpoint
from ..data.examples import Examples, Skip
from ..errors import InputError

if TYPE_CHECKING:
    from ..tasks.base import Task
    from ..text.tokenizer import Encoded

# The model inputs of a text or of a part of it, each (tokens,), and what the task's `target` returned for it.
Window: TypeAlias = tuple[dict[str, np.ndarray], Any]

log = logging.getLogger("kbert_tasks")


def prepare(task: "Task[Any]", examples: Examples) -> None:
    """Calls `prepare` of the task; if it fails, the skipped rows are logged, because they may be the reason."""
    try:
        task.prepare(examples.rows)
    except InputError:
        if examples.skipped:
            log.warning("train: %s", examples.summary())
        raise


def checkpoint_of(task: "Task[Any]") -> Checkpoint:
    """Returns the Checkpoint of a task.

    Raises:
        InputError: no checkpoint is given, it cannot be found or read, or it is too small for a setting.
    """
    if task.checkpoint is None:
        raise InputError(
            "a checkpoint is required: a folder, a name that kbert-checkpoint list shows, or hf:OWNER/NAME"
        )
    checkpoint, settings = find_checkpoint(task.checkpoint, task.settings.cased), task.settings
    for name, wanted, entry in (
        ("max_length", "positions", "max_position_embeddings"), ("freeze_layers", "layers", "num_hidden_layers")
    ):  # fmt: skip
        if getattr(settings, name) > checkpoint.config[entry]:
            has = checkpoint.config[entry]
            raise InputError(f"{name} should be at most the checkpoint's {has} {wanted}, not {getattr(settings, name)}")
    log.info("checkpoint %s: %s (%s)", checkpoint.name, "cased" if checkpoint.cased else "uncased", checkpoint.casing)
    return checkpoint


def checksum_of_checkpoint(checkpoint: Checkpoint) -> str:
    """Returns a hash of the config, of the vocabulary, and of the index file, which contains a checksum of each array."""
    files = checkpoint.config_file, f"{checkpoint.checkpoint_file}.index", checkpoint.vocabulary_file
    return sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()


def checksum_of_rows(examples: Examples) -> str:
    """Returns a hash of the rows of Examples."""
    return sha256("\n".join(map(repr, examples.rows)).encode(errors="replace")).hexdigest()


def encode(
    task: "Task[Any]", examples: Examples, lessons: Sequence[Any] | None = None, check: bool = True
) -> tuple[list[Window], list[int]]:
    """Encodes the examples and skips those without a target, in place.

    Args:
        task: a task with its tokenizer.
        examples: the examples.
        lessons: the same examples with the answers of a teacher, for the targets (default: the gold answers).
        check: whether there must be something to learn.

    Returns:
        ([(x, target)] for all windows, number of tokens of each text before truncation).

    Raises:
        InputError: there is nothing to learn from these examples.
    """
    found: list[Window] = []
    encoded: list[list[Encoded]] = []
    skipped: dict[int, str] = {}
    for i, (example, lesson) in enumerate(zip(examples.rows, lessons or examples.rows, strict=True)):
        windows = task.encode(example)
        targets = [task.target(lesson, window) for window in windows]
        if isinstance(targets[0], Skip):
            skipped[i] = targets[0].reason
            continue
        found += [
            ({"Input-Token": w.ids, "Input-Segment": w.segments}, t) for w, t in zip(windows, targets, strict=True)
        ]
        encoded.append(windows)
    examples.skip(skipped)
    examples.note(task, encoded)
    if check:
        task.check_targets(examples, [target for _, target in found])
    return found, [parts[0].whole for parts in encoded]
