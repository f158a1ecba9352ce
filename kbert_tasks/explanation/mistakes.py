"""Explanations of the worst mistakes of a trained task, for report.html."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import InputError
from ..tasks.base import Task
from . import models
from .explain import explain
from .page import fragment

MOST = 5  # maximum number of mistakes
LONG = 256  # longer texts, in tokens, are not explained
STEPS = 20  # interpolation points
MAPS = 3 * 2**20  # maximum number of attention values on the page (4 MB): one text of 148 tokens for 144 heads
SECONDS = 10  # no explanation starts after this time


def explained(task: Task[Any], places: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    """Explains wrong answers, and the gold answers that were missed, with integrated gradients.

    Args:
        task: a trained task with `answers_`.
        places: indices of wrong answers in `answers_`, in the order in which they are explained.

    Returns:
        A dict of the index of a mistake in `answers_` to a list of ("predicted" or "gold", HTML), as accepted by
        `reporting.report.html`. It contains at most MOST mistakes, and no texts longer than LONG. Answers that cannot be
        explained, such as a gold answer that the task cannot give, are omitted.
    """
    answers, until, room = task.answers_, time.monotonic() + SECONDS, MAPS
    found: dict[int, list[tuple[str, str]]] = {}
    short = [place for place in places if answers[place]["tokens"] <= LONG]
    try:
        for place in short:
            heads = task.config["num_hidden_layers"] * task.config["num_attention_heads"]
            size = heads * answers[place]["tokens"] ** 2
            if len(found) < MOST and (reasons := list(_reasons(task, answers[place], until, size <= room))):
                found[place] = reasons
                room -= size if size <= room else 0
    finally:
        models.forget()
    return found


def _reasons(task: Task[Any], answer: Mapping[str, Any], until: float, maps: bool) -> Iterator[tuple[str, str]]:
    first, other = task.presentation.question
    text, second = answer[first], answer.get(other)
    for name, asked in _asked(task, answer):
        if time.monotonic() < until:
            with contextlib.suppress(InputError):
                made = explain(task, text, second, asked, STEPS, attention=maps)
                yield name, fragment(made, brief=True)
                maps = False  # the maps do not depend on the answer


def _asked(task: Task[Any], answer: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Returns the first wrong and the first missed answer, as a list of ("predicted" or "gold", answer for `explain`)."""
    predicted, gold = (task.explained_answers(answer[side]) for side in ("predicted", "gold"))
    wrong, missed = [e for e in predicted if e not in gold][:1], [e for e in gold if e not in predicted][:1]
    return [("predicted", each) for each in wrong] + [("gold", each) for each in missed]
