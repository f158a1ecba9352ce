"""Judges each gold answer with a model that has not seen its text: cross-validation."""

import logging
import statistics
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

from ..inference.predict import decoded
from ..tasks.judging import Judgement
from ..training.repeated import checked_folds, clone, subfolder

if TYPE_CHECKING:
    from ..data.examples import Examples
    from ..tasks.base import Task

FEW = 10_000  # of 6,920 texts, five folds found more wrong labels than three (benchmarks/audit.md)
FOLDS = {True: 5, False: 3}  # number of folds for at most FEW examples, and for more

log = logging.getLogger("kbert_tasks")


@dataclass
class OutOfFold:
    """The judgements of all examples.

    Attributes:
        judgements: one for each example.
        folds: number of folds.
        score: name of the main score of the task.
        scores: the main score of each model on the examples that it judged.
    """

    judgements: list[Judgement]
    folds: int
    score: str
    scores: list[float | None] = field(default_factory=list)

    def __str__(self) -> str:
        known = [each for each in self.scores if each is not None]
        mean = f": {self.score} on the texts that a model has not seen {statistics.mean(known):.4f}" if known else ""
        spread = f", from {min(known):.4f} to {max(known):.4f}" if known else ""
        return f"{self.folds} folds{mean}{spread}"


def folds_for(examples: "Examples") -> int:
    """Returns the default number of folds."""
    return FOLDS[len(examples.rows) <= FEW]


def judged(
    task: "Task[Any]", examples: "Examples", folds: int, resume_dir: str | PathLike[str] | None = None
) -> OutOfFold:
    """Trains one model for each fold on the other folds, and judges the gold answers of the fold with it.

    Args:
        task: a task with its checkpoint and settings; it is not changed.
        examples: its examples with gold answers.
        folds: number of folds.
        resume_dir: folder for the saved progress, as in `fit`.
    """
    found: list[Any] = [None] * len(examples.rows)
    made = OutOfFold(found, folds, task.MAIN_SCORE)
    for fold, (rest, part) in enumerate(checked_folds(task, examples, folds), 1):
        log.info("fold %d of %d", fold, folds)
        one = clone(task)
        one.fit(examples.part(rest), resume_dir=subfolder(resume_dir, f"fold-{fold}"))
        rows = [examples.rows[place] for place in part]
        encoded = [one.encode(example) for example in rows]
        judging = one.judging()
        evidence = decoded(one, rows, encoded, decode=judging.evidence)
        for place, judgement in zip(part, judging.judge_all(rows, encoded, evidence), strict=True):
            found[place] = judgement
        candidates = [each.candidates for each in evidence]
        made.scores.append(one.score_candidates(rows, encoded, candidates).scores.get(one.MAIN_SCORE))
    return made
