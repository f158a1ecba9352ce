"""Why a trained task made its worst mistakes, for report.html."""

import contextlib
import time

from ..errors import InputError
from . import models
from .explain import explain
from .page import fragment

MOST = 5  # mistakes
LONG = 256  # tokens of a text; longer ones are left out
STEPS = 20  # of the integral
MAPS = 3 * 2**20  # numbers of attention that the page may hold, 4 MB: of 144 heads one text of 148 tokens
SECONDS = 10  # after that, no further explanation is begun


def explained(task, places):
    """What integrated gradients say of the wrong answer, and of the gold one that was missed.

    Args:
        task: a trained task with its `answers_`.
        places: places of wrong answers in `answers_`, in the order in which they are explained.

    Returns:
        {place of a mistake in `answers_`: [("predicted" or "gold", HTML)]}, as `reporting.report.html` takes it: of the first
        of them, MOST at most, whose texts are not LONG. What cannot be explained is left out, such as a gold answer
        that the task cannot give.
    """
    answers, until, found, room = task.answers_, time.monotonic() + SECONDS, {}, MAPS
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


def _reasons(task, answer, until, maps):
    text, second = (answer.get(key) for key in task.presentation.question)
    for name, asked in _asked(task, answer):
        if time.monotonic() < until:
            with contextlib.suppress(InputError):
                made = explain(task, text, second, asked, STEPS, attention=maps)
                yield name, fragment(made, brief=True)
                maps = False  # they are the same for each answer


def _asked(task, answer):
    """[("predicted" or "gold", an answer as `explain` takes it)]: the first wrong one, and the first missed one."""
    predicted, gold = (task.explained_answers(answer[side]) for side in ("predicted", "gold"))
    wrong, missed = [e for e in predicted if e not in gold][:1], [e for e in gold if e not in predicted][:1]
    return [("predicted", each) for each in wrong] + [("gold", each) for each in missed]
