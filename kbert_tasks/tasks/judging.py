"""Judging: what `kbert_tasks.audit` asks a task about its gold answers. The defaults suit a task with one answer per text."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ..text.tokenizer import Encoded

if TYPE_CHECKING:
    from .base import Task

TableRow: TypeAlias = dict[str, Any]  # column to cell
Strings: TypeAlias = tuple[str, ...]  # parts of a text


@dataclass(frozen=True)
class Evidence:
    """What the outputs of a model say about an example.

    Attributes:
        candidates: the return value of `decode`.
        gold: for a task whose answers are parts of the text, key of a gold answer to its probability, however
            small; without answers that the model cannot give.
    """

    candidates: Any
    gold: Mapping[Hashable, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """What a model that has not seen an example in training says about its gold answer.

    Attributes:
        gold: the probability of the gold answer; if there are several, of the one that is most in doubt.
        other: the probability of the strongest answer that contradicts it, or that is missing.
        score: from 0 (the gold answer is probably wrong) to 1.
        suggested: the answer of the model, as a JSON value in the form of `Answers.gold_of`.
        reason: one sentence about what is in doubt.
        probabilities: dict of label to probability, if the task chooses among labels; None for other tasks.
        known: whether the training examples of the model had all labels of the gold answer.
        spurious: whether the only doubt is a gold answer that the model does not give, without another one in its place.
    """

    gold: float
    other: float
    score: float
    suggested: Any
    reason: str
    probabilities: Mapping[str, float] | None = None
    known: bool = True
    spurious: bool = False


class Judging:
    """Compares the gold answers of a task with the answers of a model, and converts them to files for annotation tools.

    Args:
        task: a task. Only `judge` needs a trained one.

    Attributes:
        NEEDS_LABELS: whether `judge` returns the probabilities of labels.
    """

    NEEDS_LABELS = False

    def __init__(self, task: "Task[Any]") -> None:
        self.task: Any = task

    def evidence(self, example: Any, encoded: Sequence[Encoded], outputs: Sequence[Any]) -> Evidence:
        """Returns what the outputs say about an example; the arguments are those of `Task.decode`."""
        return Evidence(self.task.decode(example, encoded, outputs))

    def judge(self, example: Any, encoded: Sequence[Encoded], evidence: Evidence) -> Judgement:
        """Judges the gold answer of an example that the task has not seen in training.

        Args:
            example: an example with a gold answer.
            encoded: list of Encoded, its windows.
            evidence: the return value of `evidence`.
        """
        candidates = evidence.candidates
        prediction = self.task.decide(example, candidates)
        loss, right = self.task.record(example, candidates, prediction)["loss"], self.task.is_right(example, prediction)
        gold = float(right) if loss is None else math.exp(-loss)
        suggested = self.task.answer_of(prediction)
        return Judgement(gold, 1 - gold, gold, suggested, f"the gold answer has the probability {gold:.2f}")

    def judge_all(
        self, examples: Sequence[Any], encoded: Sequence[Sequence[Encoded]], evidence: Sequence[Evidence]
    ) -> list[Judgement]:
        """Judges the gold answers of several examples; a task overrides this method or `judge`.

        Args:
            examples, encoded, evidence: sequences of the arguments of `judge`.
        """
        return [self.judge(*each) for each in zip(examples, encoded, evidence, strict=True)]

    def names(self, example: Any) -> Strings:
        """Returns the names of labels, types or predicates in the gold answer; by default the classes of the task."""
        return tuple(self.task.classes_of(example))

    def answers(self, example: Any) -> dict[Hashable, Strings]:
        """Returns the gold answers of an example, to compare them with those of other texts.

        Returns:
            A dict of what identifies an answer to the strings of the text that it consists of: an answer is possible for
            another text only if these strings occur there.
        """
        return {str(self.task.gold_of(example)): ()}

    def is_free(self, example: Any, answer: Any, strings: Strings) -> bool:
        """Returns whether an answer of another text could also be one of this text, which contains its strings.

        Args:
            example: the example of this text, which does not have the answer.
            answer: a key of what `answers` returned for the other text.
            strings: the strings of the answer.
        """
        return False

    def answer_shown(self, answer: Any) -> str:
        """Returns a key of what `answers` returns as text."""
        return str(answer)

    def same_answers(self, one: Any, other: Any) -> bool:
        """Returns whether two examples have the same gold answers."""
        return bool(self.task.gold_of(one) == self.task.gold_of(other))

    def annotated(self, example: Any) -> TableRow | None:
        """Returns an example as a row that annotation tools can show, or None if they cannot show all of its answers.

        Returns:
            A dict with `text` and `label` (a list of names), `entities` or `spo_list`, as in
            `kbert_tasks.data.annotations`.
        """
        return None

    def read_annotated(self, row: TableRow) -> TableRow:
        """Converts a row with the keys that `annotated` returns, as a tool wrote it, to a row of the task's table."""
        return row

    def corrected(self, example: Any, rows: Sequence[TableRow]) -> list[TableRow]:
        """Returns the table rows of an example with another gold answer.

        Args:
            example: the example with the new gold answer.
            rows: its rows in the table; several if the table has one answer per row.

        Returns:
            A list of rows. All cells that do not belong to the answer keep their values.
        """
        return [{**row, self.task.settings.label_column: self.task.gold_of(example)} for row in rows]
