"""Finds the windows of a text that contain the answer to explain."""

from typing import Any

from ..errors import InputError
from ..inference.predict import decoded
from ..tasks.base import Task, check_trained
from ..tasks.target import Target


def find(task: Task[Any], text: str, text_b: str | None, answer: Any) -> tuple[tuple[str, ...], list[Target]]:
    """Finds the targets of an explanation; the arguments are those of `explain`.

    Returns:
        (texts, targets): the texts in the order in which the model reads them, and a list with a Target for each window
        that contains the answer.

    Raises:
        InputError: see `explain`.
    """
    check_trained(task)
    if task.paired and text_b is None:
        raise InputError(f"this model reads pairs: give {task.SECOND_TEXT} too, as text_b (--text-b)")
    if not task.paired and text_b is not None:
        raise InputError("this model reads single texts, not pairs: leave text_b (--text-b) out")
    examples = task.examples([(text, text_b)] if task.paired else [text], gold=False)
    if not examples.rows:
        raise InputError(f"there is nothing to explain: {', '.join(examples.skipped)}")
    (example,) = examples.rows
    windows = task.encode(example)
    (candidates,) = decoded(task, [example], [windows])
    found = task.explain_targets(example, windows, candidates, task.decide(example, candidates), answer)
    return tuple(part for part in task.texts_of(example) if part is not None), found
