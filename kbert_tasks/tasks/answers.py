"""Answers: the methods with defaults that describe answers in tables, files, pages and explanations."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ..metrics.classification import Report
from ..text.tokenizer import Encoded
from .contract import Contract, Outputs
from .presentation import Presentation
from .target import Target, largest_score

Record: TypeAlias = dict[str, Any]  # JSON values, such as an entry of `answers.jsonl`


class Answers(Contract):
    """Describes the answers of a task. The defaults suit a task with one answer per text.

    Attributes:
        presentation: names and keys that reports and comparisons use for the answers.
        FORMAT: format for writing answers if no file name determines it.
        ANNOTATION: the column of annotated texts that contains the answers (`data/annotations/entities.py`): ENTITIES, TRIPLES
            or LABEL; None if the answers cannot be written as annotations.
    """

    presentation = Presentation()
    FORMAT = "csv"
    ANNOTATION: str | None = None

    run_model: Callable[[Sequence[Encoded]], list[Outputs]]  # a method of Hooks

    def gold_of(self, example: Any) -> Any:
        """Returns the gold answer of an example as a JSON value, in the form of `answer_of`."""
        return getattr(example, self.ANSWER[0])

    def answer_of(self, prediction: Any) -> Any:
        """Returns the answer of a prediction as a JSON value."""
        return getattr(prediction, self.ANSWER[0])

    def is_right(self, example: Any, prediction: Any) -> bool:
        """Returns whether the prediction is the gold answer."""
        return self.answer_of(prediction) == self.gold_of(example)

    def to_dict(self, prediction: Any) -> Record:
        """Returns a prediction as a table row: a dict whose keys are the columns in ANSWER."""
        return {name: getattr(prediction, name) for name in self.ANSWER}

    def to_json(self, prediction: Any) -> Record:
        """Returns a prediction as a dict of JSON values with the keys in ANSWER, for programs; by default as `to_dict`."""
        return self.to_dict(prediction)

    def annotation(self, example: Any, prediction: Any) -> Any:
        """Returns the cell of the column ANNOTATION for a prediction, so that annotation tools can show it.

        Returns:
            For ENTITIES a list of dicts with `start`, `end` and `type`, for TRIPLES a list of dicts with `subject`,
            `predicate`, `object` and their spans, for LABEL a list of names.
        """
        raise NotImplementedError

    def certainty(self, example: Any, candidates: Any, prediction: Any) -> float | None:
        """Returns how certain a prediction is, from 0 to 1, to show annotators the most uncertain texts first.

        By default it is `prediction.probability` if there is such a number, otherwise None: the texts cannot be sorted.

        Args:
            example: the example.
            candidates: the return value of `decode`.
            prediction: the return value of `decide`.
        """
        probability = getattr(prediction, "probability", None)
        return probability if isinstance(probability, float) else None

    def question(self, example: Any) -> Record:
        """Returns the inputs of an example as a dict of JSON values, by the keys in `presentation.question`."""
        found = {name: getattr(example, name, None) for name in self.presentation.question}
        return {name: value for name, value in found.items() if value is not None}

    def details(self, example: Any, prediction: Any) -> Record:
        """Describes an answer next to the gold answer.

        Args:
            example: an example with a gold answer.
            prediction: the prediction for it.

        Returns:
            A dict of JSON values, with at least `text`, `gold` and `predicted`.
        """
        return self.question(example) | {"gold": self.gold_of(example), "predicted": self.answer_of(prediction)}

    def error(self, example: Any, prediction: Any) -> Record | None:
        """Returns the entry of `errors.jsonl`, a dict of JSON values, or None if the prediction is right."""
        return None if self.is_right(example, prediction) else self.details(example, prediction)

    def record(self, example: Any, candidates: Any, prediction: Any) -> Record:
        """Returns the entry of `answers.jsonl` for one answer, right or wrong.

        Args:
            example: an example with a gold answer.
            candidates: the return value of `decode`.
            prediction: the return value of `decide`.

        Returns:
            A dict of JSON values, with at least `text`, `gold`, `predicted`, `right` and `loss`. The loss is at least 0, or
            None if the task does not compute one. If two epochs have equal scores, the one with the lower mean is kept.
        """
        return self.details(example, prediction) | {"right": self.is_right(example, prediction), "loss": None}

    def score_candidates(
        self, examples: Sequence[Any], encoded: Sequence[Sequence[Encoded]], candidates: Sequence[Any]
    ) -> Report:
        """Chooses the answers for decoded examples and scores them.

        Args:
            examples: list of examples with gold answers.
            encoded: for each example the list of its windows.
            candidates: for each example the return value of `decode`.

        Returns:
            A Report with `errors` and `answers`. Each of their entries has `place`, the index of its example in `examples`,
            which `Examples.locate` replaces by the row number.
        """
        answers = [self.decide(*each) for each in zip(examples, candidates, strict=True)]
        report = self.measure(examples, answers)
        found = (self.error(example, answer) for example, answer in zip(examples, answers, strict=True))
        report.errors = [{"place": place} | each for place, each in enumerate(found) if each is not None]
        known = zip(examples, encoded, candidates, answers, strict=True)
        report.answers = [
            {"place": place} | self.record(example, each, answer) | {"tokens": windows[0].whole}
            for place, (example, windows, each, answer) in enumerate(known)
        ]
        return report

    @property
    def name(self) -> str:
        """The name of the task: the name of its folder, also for a subclass that is defined elsewhere."""
        modules = (kind.__module__ for kind in type(self).__mro__)
        return next((each.split(".")[-2] for each in modules if each.endswith(".task")), type(self).__name__)

    def explained_answers(self, value: Any) -> Sequence[Any]:
        """Returns the answers in the `gold` or `predicted` value of a record, in the form that `explain_targets` accepts."""
        return tuple(value) if isinstance(value, list | tuple) else () if value is None else (value,)

    def explain_targets(
        self, example: Any, windows: Sequence[Encoded], candidates: Any, prediction: Any, answer: Any
    ) -> list[Target]:
        """Returns the targets that `explain` explains.

        By default the target is the largest score of the model in each window, and `answer` is ignored.

        Args:
            example: the example, without a gold answer.
            windows: the list of Encoded that `encode` returned.
            candidates: the return value of `decode`.
            prediction: the return value of `decide`.
            answer: the answer to explain, in a form that the task accepts, or None for the predicted one.

        Returns:
            A list with one Target for each window that contains the answer.

        Raises:
            InputError: the answer is not possible for this text.
        """
        return [largest_score(self, window, str(prediction)) for window in windows]
