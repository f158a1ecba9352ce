"""Predictions as annotated texts, which `kb.write` writes for annotation tools, the most uncertain texts first."""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..data import tables
from ..data.annotations.entities import CERTAINTY, ENTITIES, LABEL, PROBLEMS, TEXT, TRIPLES
from ..data.annotations.formats import check_column
from ..data.cells import blank, missing, text_of
from ..data.output import input_names, plain
from ..errors import InputError
from ..inference.predict import Answer, answered
from .base import Task, check_trained
from .contract import known

if TYPE_CHECKING:
    import pandas as pd

    from ..typing import Rows

log = logging.getLogger("kbert_tasks")

EMPTY = "texts left out: empty"


def annotate(task: "Task[Any]", texts: "Rows", *, uncertain_first: bool = False) -> "pd.DataFrame":
    """Predicts the answers for texts and returns them as annotated texts, to be corrected in an annotation tool.

    Args:
        task: a trained task.
        texts: a list of texts (of pairs, if the task was trained on pairs), a DataFrame, or the path of a file.
        uncertain_first: whether the texts are sorted by their certainty, the lowest first.

    Returns:
        A DataFrame for `kb.write`: the rows of the input with the column `text`, the predictions in the column `entities`,
        `spo_list` or `label`, and the certainty of each text from 0 to 1 in the column `certainty`. An input column with
        the same name is renamed to input_NAME. Empty texts are left out and counted in the log.

    Raises:
        InputError: the task is not trained, its answers are no annotations or cannot be sorted, or the texts cannot be read.

    Examples:
        >>> rows = kb.annotate(kb.load("runs/names"), "new.txt", uncertain_first=True)
        >>> kb.write(rows, "new.jsonl", "doccano")
    """
    import pandas as pd

    check_trained(task)
    check_column("jsonl", task.ANNOTATION)
    second = getattr(task.settings, task.SECOND) if task.paired and task.SECOND else None
    table = tables.table(texts, columns=(task.settings.text_column, None, second))
    problems: Counter[str] = Counter()
    answers = zip(table.to_dict("records"), answered(task, task.examples(table, gold=False)), strict=True)
    rows = annotated(task, by_certainty(task, answers) if uncertain_first else answers, problems)
    made = pd.DataFrame([*rows], dtype=object)
    for problem, number in problems.items():
        log.warning("%d %s", number, problem)
    return made


def by_certainty(
    task: "Task[Any]", answers: Iterable[tuple[dict[str, Any], Answer | None]]
) -> list[tuple[dict[str, Any], Answer | None]]:
    """Sorts rows and their answers by certainty, the lowest first; rows without an answer are the last.

    Raises:
        InputError: the task does not compute a certainty.
    """
    listed = [*answers]
    if any(answer and answer.certainty is None for _, answer in listed):
        raise InputError(
            f"the task {task.name} does not define certainty, so its answers cannot be sorted: leave out --uncertain-first "
            "(uncertain_first=)"
        )
    return sorted(listed, key=lambda each: math.inf if each[1] is None else known(each[1].certainty))


def annotated(
    task: "Task[Any]", answers: Iterable[tuple[dict[str, Any], Answer | None]], problems: Counter[str]
) -> Iterator[dict[str, Any]]:
    """Yields rows of annotated texts with the predictions of a task.

    Args:
        task: the task.
        answers: rows of a table, and the Answer of each row or None.
        problems: counts texts that are left out.
    """
    column, settings = str(task.ANNOTATION), task.settings
    replaced = [settings.label_column, CERTAINTY, TEXT, ENTITIES, TRIPLES, LABEL]
    joined = bool(task.paired) and column == ENTITIES  # rows that differ only by what they ask about the same text
    if task.SECOND and column == ENTITIES:
        replaced.append(getattr(settings, task.SECOND))  # otherwise it would be read again instead of the entities
    made = (_row(task, column, replaced, *each) for each in answers)
    found = (row for row in made if not _is_empty(row, problems))
    yield from _joined(found) if joined else found


def _row(
    task: "Task[Any]", column: str, replaced: list[str], row: dict[str, Any], answer: Answer | None
) -> dict[str, Any]:
    """Returns a row of annotated texts; without an answer, it is not annotated."""
    given = task.settings.text_column
    names = input_names([name for name in row if name != given], replaced) | {given: TEXT}
    made = {names.get(name, name): plain(value) for name, value in row.items() if name != PROBLEMS}
    made[TEXT] = text_of(row[given], given)
    certainty = None if answer is None or answer.certainty is None else round(answer.certainty, 6)
    cell = None if answer is None else task.annotation(answer.example, answer.prediction)
    return {name: None if missing(value) else value for name, value in made.items()} | {
        column: cell,
        CERTAINTY: certainty,
    }


def _is_empty(row: dict[str, Any], problems: Counter[str]) -> bool:
    empty = blank(row[TEXT])
    if empty:
        problems[EMPTY] += 1
    return empty


def _joined(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Joins the entities of rows with the same text, so that it is annotated only once; the lowest certainty is kept."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        kept = first.setdefault(row[TEXT], row)
        if kept is not row and row[ENTITIES] is not None:
            sure = [each[CERTAINTY] for each in (kept, row) if each[CERTAINTY] is not None]
            kept |= {ENTITIES: [*(kept[ENTITIES] or ()), *row[ENTITIES]], CERTAINTY: min(sure, default=None)}
    yield from first.values()
