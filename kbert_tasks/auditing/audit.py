"""Audit a labelled file: judge its answers with models that have not seen them, and look for problems of its texts."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..settings import AUTO, Auto
from ..tasks.judging import Judgement
from ..training import inputs
from ..training.repeated import at_least_two, clone
from . import duplicates, gold_answers, label_errors, names, texts, unlabelled
from .findings import KINDS, Finding
from .out_of_fold import OutOfFold, folds_for, judged

if TYPE_CHECKING:
    import pandas as pd

    from ..data.examples import Examples
    from ..tasks.base import Task
    from ..typing import Labels, Rows

MANY = 0.2  # with a larger share of suspicious answers, the models are wrong more often than the file


@dataclass(frozen=True)
class Line:
    """The findings about one example, or about one row that is not used.

    Attributes:
        rows: its rows in the table, from 1.
        question: what the model reads: `text`, and the second text or the event type.
        given: the gold answer, as a JSON value.
        suggested: the answer of models that have not seen the text, or of most identical texts; None without a suggestion.
        score: from 0 (the answer is probably wrong) to 1; None if no model judged it.
        findings: the reasons to look at the row again.
        place: index of the example; None for a row that is not used.
    """

    rows: tuple[int, ...]
    question: dict[str, Any]
    given: Any
    suggested: Any
    score: float | None
    findings: tuple[Finding, ...]
    place: int | None = None

    @property
    def suspicious(self) -> bool:
        """Whether the answer is probably wrong according to the models."""
        return any(each.kind == "answer" for each in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Returns a row of `audit.jsonl`."""
        return {
            "row": self.rows[0],
            **({"rows": list(self.rows)} if len(self.rows) > 1 else {}),
            "suspicious": self.suspicious,
            "score": self.score,
            "given": _json(self.given),
            "suggested": _json(self.suggested),
            "findings": [{"kind": each.kind, "reason": each.reason} for each in self.findings],
            **self.question,
        }


def _json(answer: Any) -> Any:
    """Returns an answer as a JSON value: several labels as a list."""
    return list(answer) if isinstance(answer, tuple) else answer


@dataclass
class Audit:
    """The result of `kbert_tasks.audit`.

    Attributes:
        lines: one for each example and each row that is not used, most suspicious first.
        examples: the counts of the rows, as in `report.json`.
        out_of_fold: the judgements and the scores of the models; None if only the texts were checked.
        file: name of the audited file, or "the table".
        task: the task, which is not trained.
        read: the examples of the file.
    """

    lines: list[Line]
    examples: dict[str, Any]
    out_of_fold: OutOfFold | None
    file: str
    task: "Task[Any]" = field(repr=False)
    read: "Examples" = field(repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows with each kind of finding."""
        found = Counter(kind for line in self.lines for kind in {each.kind for each in line.findings})
        return {kind: found[kind] for kind in KINDS if found[kind]}

    @property
    def warning(self) -> str | None:
        """A sentence if the models are too weak for the number of suspicious answers to mean anything, otherwise None."""
        judged = [line.suspicious for line in self.lines if line.score is not None]
        if not judged or sum(judged) <= MANY * len(judged):
            return None
        return (
            f"{sum(judged) / len(judged):.0%} of the answers look improbable: the models are too weak to tell wrong answers "
            "from difficult texts; read the first ones only, or use a better checkpoint"
        )

    @property
    def table(self) -> "pd.DataFrame":
        """The lines as a DataFrame."""
        import pandas as pd

        return pd.DataFrame([line.as_dict() for line in self.lines])

    def write(self, folder: str | PathLike[str]) -> None:
        """Writes audit.csv, audit.jsonl, audit.html, and the suspicious rows for annotation tools to a folder."""
        from .writing import write

        write(self, folder)

    def __str__(self) -> str:
        from .writing import text

        return text(self)


def audit(
    task: "Task[Any]",
    rows: "Rows | Examples",
    labels: "Labels | None" = None,
    *,
    test: "Rows | Examples | None" = None,
    folds: int | Auto = AUTO,
    texts_only: bool = False,
    resume_dir: str | PathLike[str] | None = None,
) -> Audit:
    """Looks for wrong answers and other problems in labelled texts.

    The task is trained once for each fold on the other folds, and judges the gold answers of the fold, which it has not
    seen. Classification uses confident learning (the package cleanlab); other tasks compare the probability of each gold
    answer with that of the strongest answer that contradicts it. The texts are also compared with one another.

    Args:
        task: a task with its checkpoint and settings, such as `kb.TextClassifier("bert-base-chinese")`; it is not changed.
        rows: the labelled rows: a DataFrame, the path of a file, or a list of dicts; or a list of texts, together with
            `labels`.
        labels: the gold answers, if `rows` is a list of texts.
        test: labelled rows that should not contain the same texts.
        folds: number of folds; "auto": 5 for at most 10,000 texts, otherwise 3.
        texts_only: whether to train no model and to check the texts and the names of labels only.
        resume_dir: folder for the saved progress, as in `fit`.

    Returns:
        An Audit. `audit.table` has one line per text, most suspicious first, and `audit.write(folder)` writes the files.

    Raises:
        InputError: no row can be used, a package is missing, or the rows are not sufficient for the folds.

    Example:
        >>> audit = kb.audit(kb.TextClassifier("bert-base-chinese"), "train.csv")  # doctest: +SKIP
        >>> audit.write("audited")  # doctest: +SKIP
    """
    duplicates.check_installed()
    judging = task.judging()
    if judging.NEEDS_LABELS and not texts_only:
        label_errors.check_installed()
    own = clone(task)
    examples = own.examples(rows, labels)
    if not examples.rows:
        raise InputError(f"there is nothing to audit: {examples.summary()}")
    with contextlib.suppress(InputError) if texts_only else contextlib.nullcontext():
        inputs.prepare(own, examples)
    number = folds_for(examples) if folds == AUTO else folds
    if not texts_only:
        at_least_two(number, "folds")
    tests = None if test is None else own.examples(test)
    if tests is not None and not tests.rows:
        raise InputError(f"the test file has no usable row: {tests.summary()}")
    found = [*_findings(own, examples, tests)]
    made = None if texts_only else judged(own, examples, number, resume_dir)
    scores, more = (None, []) if made is None else _doubtful(own, examples, made.judgements)
    lines = [*_lines(own, examples, [*more, *found], made, scores), *_unused(examples)]
    file = getattr(rows, "attrs", {}).get("file", rows if isinstance(rows, str | PathLike) else "the table")
    return Audit(sorted(lines, key=_order), examples.count(), made, str(file), own, examples)


def _findings(task: "Task[Any]", examples: "Examples", tests: "Examples | None") -> Iterator[Finding]:
    """Yields everything that is found without a model."""
    judging, whole = task.judging(), duplicates.texts_of(task, examples)
    yield from duplicates.conflicts(judging, examples, whole)
    if tests is not None:
        yield from duplicates.in_test(judging, examples, whole, tests, duplicates.texts_of(task, tests))
    yield from names.names(judging, examples)
    yield from texts.texts(examples)
    yield from unlabelled.unlabelled(judging, examples)


def _doubtful(
    task: "Task[Any]", examples: "Examples", judgements: list[Judgement]
) -> tuple[list[float | None], list[Finding]]:
    """Returns the score of each example (None if its labels are not known to the model), and the suspicious ones."""
    places = [place for place, each in enumerate(judgements) if each.known]
    known, judging = [judgements[place] for place in places], task.judging()
    if not known:
        return [None] * len(judgements), []
    if judging.NEEDS_LABELS:
        gold = [judging.names(examples.rows[place]) for place in places]
        found, suspicious = label_errors.suspects(gold, known, _several(task))
    else:
        found, suspicious = gold_answers.suspects(known)
    scores: list[float | None] = [None] * len(judgements)
    for place, score in zip(places, found, strict=True):
        scores[place] = float(f"{score:.4g}")  # the most suspicious ones can be below 1e-6
    wrong = (places[i] for i in np.flatnonzero(suspicious))
    return scores, [Finding("answer", i, judgements[i].reason, judgements[i].suggested) for i in wrong]


def _several(task: Any) -> bool:
    return bool(getattr(task, "multi_label_", False))


def _lines(
    task: "Task[Any]",
    examples: "Examples",
    found: list[Finding],
    made: OutOfFold | None,
    scores: "list[float | None] | None",
) -> Iterator[Line]:
    by_place: dict[int, list[Finding]] = {place: [] for place in range(len(examples.rows))}
    for each in found:
        by_place[each.place].append(each)
    for place, example in enumerate(examples.rows):
        findings = tuple(by_place[place])
        suggested = next((each.suggested for each in findings if each.suggested is not None), None)
        if suggested is None and made is not None:
            suggested = made.judgements[place].suggested
        score = None if scores is None else scores[place]
        rows = tuple(row + 1 for row in examples.sources[place])
        yield Line(rows, task.question(example), task.gold_of(example), suggested, score, findings, place)


def _unused(examples: "Examples") -> Iterator[Line]:
    for row, reason in sorted(examples.left_out.items()):
        yield Line((row + 1,), {}, None, None, None, (Finding("not used", -1, reason),))


def _order(line: Line) -> tuple[bool, bool, float, int]:
    """Sorts suspicious answers first, then lines with other findings, then all others; each part by its scores."""
    return not line.suspicious, not line.findings, 1.0 if line.score is None else line.score, line.rows[0]
