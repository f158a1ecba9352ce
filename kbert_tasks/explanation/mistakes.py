"""Why a trained task made its worst mistakes, for report.html."""

import contextlib
import time

from ..errors import InputError
from ..reporting import mistakes
from . import models, targets
from .explain import explain
from .page import fragment

MOST = 5  # mistakes
LONG = 256  # tokens of a text; longer ones are left out
STEPS = 20  # of the integral
MAPS = 3 * 2**20  # numbers of attention that the page may hold, 4 MB: of 144 heads one text of 148 tokens
SECONDS = 10  # after that, no further explanation is begun


def explained(task):
    """What integrated gradients say of the wrong answer, and of the gold one that was missed.

    Args:
        task: a trained task with its `answers_`.

    Returns:
        {place of a mistake in `answers_`: [("predicted" or "gold", HTML)]}, as `page.html` takes it: of the mistakes of the
        highest loss, MOST at most, whose texts are not LONG. What cannot be explained is left out, such as a gold answer
        that the task cannot give.
    """
    if not isinstance(task, tuple(targets.KINDS)):
        return {}
    answers, until, found, room = task.answers_, time.monotonic() + SECONDS, {}, MAPS
    short = [place for place in mistakes.places(answers) if answers[place]["tokens"] <= LONG]
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
    text, second = answer["text"], answer.get("text_b", answer.get("event_type"))
    for name, asked in _asked(task.report_["task"], answer):
        if time.monotonic() < until:
            with contextlib.suppress(InputError):
                made = explain(task, text, second, asked, STEPS, attention=maps)
                yield name, fragment(made, brief=True)
                maps = False  # they are the same for each answer


def _asked(kind, answer):
    """[("predicted" or "gold", an answer as `explain` takes it)]: the first wrong one, and the first missed one."""
    predicted, gold = (_each(kind, answer[side]) for side in ("predicted", "gold"))
    wrong, missed = [e for e in predicted if e not in gold][:1], [e for e in gold if e not in predicted][:1]
    return [("predicted", each) for each in wrong] + [("gold", each) for each in missed]


def _each(kind, side):
    if kind == "relation":
        return [(each["subject"], each["predicate"], each["object"]) for each in side]
    if kind == "subject":
        return [each["subject"] for each in side] or [""]  # "no subject" is an answer, too
    return mistakes.labels(side) or ()
