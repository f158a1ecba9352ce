"""Turns the body of a request into the rows that a task predicts."""

import dataclasses
from typing import Any

from ..errors import InputError
from ..tasks.base import Task
from .limits import Limits
from .problems import Problem
from .schema import PredictRequest

KEYS = 64  # maximum number of different keys in rows, because each one becomes a column of a table


def options_of(task: Task[Any]) -> dict[str, Any]:
    """Returns the settings that a request may change, as a dict of name to value."""
    return {
        each.name: getattr(task.settings, each.name)
        for each in dataclasses.fields(task.settings)
        if each.metadata["later"]
    }


def with_options(task: Task[Any], options: dict[str, Any]) -> Task[Any]:
    """Returns a task that shares the model and has other settings.

    Args:
        task: a loaded task.
        options: dict of name to value.

    Raises:
        Problem: the task has no such option, or it cannot have this value.
    """
    if not options:
        return task
    known = options_of(task)
    for name in options:
        if name not in known:
            raise Problem(422, f"this model has no option {name[:60]!r}; its options: {', '.join(known)}")
    try:
        settings = dataclasses.replace(task.settings, **options)
    except InputError as error:
        raise Problem(422, str(error)) from None
    other: Task[Any] = object.__new__(type(task))  # `copy.copy` would copy the model
    vars(other).update(vars(task))
    other.settings = settings
    return other


def rows_of(task: Task[Any], asked: PredictRequest, limits: Limits) -> list[Any]:
    """Returns the texts, pairs or rows of a request in a form that `task.examples` accepts.

    Raises:
        Problem: there are none or too many, a text is too long, or the task reads another form.
    """
    given = {name: rows for name in ("texts", "pairs", "rows") if (rows := getattr(asked, name)) is not None}
    if len(given) != 1:
        raise Problem(422, f"give exactly one of texts, pairs and rows, found {' and '.join(given) or 'none'}")
    ((form, rows),) = given.items()
    if not rows:
        raise Problem(422, f"{form} is empty: give at least one text")
    if len(rows) > limits.max_texts:
        raise Problem(413, f"{form} has {len(rows)} entries: send at most {limits.max_texts} in one request")
    if form == "texts" and task.paired:
        raise Problem(
            422, f"this model reads pairs: give pairs, [[text, {task.SECOND_TEXT.removeprefix('the ')}], ...]"
        )
    if form == "pairs" and not task.paired:
        raise Problem(422, "this model reads single texts: give texts")
    if form == "rows":
        _check_columns(task, rows)
    for place, row in enumerate(rows):
        for text in (row,) if form == "texts" else row if form == "pairs" else row.values():
            check_length(text, f"{form}[{place}]", limits)
    return [tuple(row) for row in rows] if form == "pairs" else rows


def check_length(text: Any, where: str, limits: Limits) -> None:
    """Raises Problem if a text has too many characters; other values are accepted."""
    if isinstance(text, str) and len(text) > limits.max_characters:
        raise Problem(
            413, f"{where} has {len(text)} characters: send at most {limits.max_characters}, or split the text"
        )


def _check_columns(task: Task[Any], rows: list[dict[str, Any]]) -> None:
    names = {name for row in rows for name in row}
    if len(names) > KEYS:
        raise Problem(422, f"rows have {len(names)} different keys: at most {KEYS} are allowed")
    columns = [*task.columns(False), *[task.SECOND] * bool(task.paired and task.SECOND)]
    wanted = dict.fromkeys(getattr(task.settings, option) for option in columns if option)
    for place, row in enumerate(rows):
        for name in wanted:
            if name not in row:
                found = ", ".join(list(row)[:12])[:200] or "none"
                raise Problem(422, f"rows[{place}] has no key {name!r}, found: {found}")
