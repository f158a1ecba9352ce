"""Hooks: the methods with defaults for reading rows, for training and for prediction."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from scipy.special import expit

from ..data import label_forms
from ..data.examples import Examples, one_row_each
from ..errors import InputError
from ..text.tokenizer import Encoded, Tokenizer
from ..training.defaults import TEXTS, Resolved
from .answers import Answers
from .contract import Arrays, Outputs
from .judging import Judging

if TYPE_CHECKING:
    import pandas as pd

    from .._keras import Model
    from ..typing import Labels
    from .base import Task
    from .client import Client


class FittedBaseline(Protocol):
    """A simple model fitted on the training examples, as `Hooks.baseline` returns it."""

    about: dict[str, Any]

    def scores(self, examples: Sequence[Any]) -> dict[str, int | float]: ...


class Hooks(Answers):
    """Methods and attributes that a task may override, in addition to those of Answers.

    Attributes:
        recipe: default values for settings that are "auto".
        SECOND: the setting that names the column of the second text of a pair, or None.
        SECOND_TEXT: name of the second text of a pair, for messages.
        paired: whether this trained task expects pairs.
        first_only: whether the head uses only the vector of [CLS].
        teacher_: the teacher of the last `fit`, a trained task, or None.
        CLASSES: name of the attribute in LEARNED that lists the classes of the answers, or None.
        SECOND_STAGE: name of a layer that `run_model` runs after `prediction_model` with inputs that it computes from the
            outputs, see `inference.engine.Engine.second`; None if there is no such layer.
    """

    recipe = TEXTS
    SECOND: str | None = None
    SECOND_TEXT = "the second text"
    paired: Any = False
    first_only: Any = False
    CLASSES: str | None = None
    teacher_: "Task[Any] | None" = None
    SECOND_STAGE: str | None = None

    # Reading -----------------------------------------------------------------------------------------------

    def reads_second(self, with_answer: bool) -> bool:
        """Returns whether the column of the second text is read, if there is one.

        Args:
            with_answer: whether the gold answer is read too, which the column may belong to.
        """
        return self.paired is not False

    def columns(self, with_answer: bool) -> list[str]:
        """Returns the names of the settings that name the required columns of a table, such as ["text_column"].

        Args:
            with_answer: whether the columns of the gold answer are required too.
        """
        return ["text_column", *["label_column"] * with_answer]

    def name_columns(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        """Returns the table (a DataFrame) with its columns renamed, if the task recognises a format without a header."""
        return rows

    def label_list(self, labels: "Labels") -> list[Any]:
        """Converts the `labels` argument of `fit`, `evaluate` and `score` to a list with one entry for each text."""
        return label_forms.label_list(labels)

    def group_rows(self, rows: "pd.DataFrame") -> "tuple[pd.DataFrame, list[tuple[int, ...]]]":
        """Groups the rows of a table with gold answers that belong to one example.

        Args:
            rows: a DataFrame.

        Returns:
            (table, sources): a DataFrame with one row for each example, and for each of them a tuple with the positions in
            `rows` of the rows it was made from. By default each row is an example.
        """
        return rows, one_row_each(rows)

    def texts_of(self, example: Any) -> tuple[str, str | None]:
        """Returns the texts that the model reads: (text, None), or (first text, second text) for a pair.

        They also identify an example when it is compared with the training texts.
        """
        return example.text, None

    def split_key(self, example: Any) -> Hashable:
        """Returns the group of an example (any hashable value) for stratified splits; by default all are in one group."""
        return None

    def classes_of(self, example: Any) -> tuple[str, ...]:
        """Returns the classes of an example, such as its labels.

        If no development set is given, the split keeps at least one text of each class in the training set.
        """
        return ()

    def notes_on(self, example: Any, encoded: Sequence[Encoded]) -> Iterator[str]:
        """Yields notes about one example and its windows, such as "cut to max_length".

        The notes are counted and reported for each file.

        Args:
            example: the example.
            encoded: list of Encoded, its windows.
        """
        if len(encoded) > 1:
            yield "longer than max_length: read in windows"
        elif encoded[0].cut:
            yield "cut to max_length"

    def doubtful_answers(self, examples: Sequence[Any]) -> Iterable[str]:
        """Returns warnings about gold answers that are probably mistakes; they are logged before training.

        Args:
            examples: list of training examples.

        Returns:
            An iterable of sentences.
        """
        return ()

    # Training ----------------------------------------------------------------------------------------------

    def new_tokenizer(self, vocabulary: list[str], cased: bool, by_character: bool = False) -> Tokenizer:
        """Returns the Tokenizer for a vocabulary (list of tokens).

        Args:
            vocabulary: tokens in the order of their ids.
            cased: whether the checkpoint distinguishes upper and lower case.
            by_character: whether each character is a token.
        """
        return Tokenizer(vocabulary, cased, by_character)

    def auto_settings(self) -> dict[str, Resolved]:
        """Resolves the task's own settings that are "auto"; `self.config` is already set.

        Returns:
            A dict of setting name to defaults.Resolved.
        """
        return {}

    def check_targets(self, examples: Examples, targets: Sequence[Any]) -> None:
        """Checks that the training targets contain something to learn; by default accepts all targets.

        Args:
            examples: the Examples used for training.
            targets: list of the targets of all their windows, as returned by `target`.

        Raises:
            InputError: there is nothing to learn.
        """

    def sample_target(self, x: Arrays, target: Any, chance: np.random.Generator) -> tuple[Arrays, Arrays]:
        """Makes the model inputs and targets for one window in one epoch.

        A task that samples part of its target in each epoch, such as negative examples, overrides this method.

        Args:
            x: dict of model input name to array (tokens,).
            target: the return value of `target` for this window.
            chance: a NumPy random generator.

        Returns:
            (x, y): dict of model input name to array, and dict of output name to array, both without a batch axis.
        """
        return x, target

    def taught(self, example: Any, candidates: Any, share: float) -> Any:
        """Returns an example with the answers of a teacher, for `target`.

        Args:
            example: an example with or without a gold answer.
            candidates: what `decode` of the teacher returned for it.
            share: weight of the teacher's answers, from 0 to 1; the gold answer has the rest. 1 without a gold answer.
        """
        raise InputError(
            f"the task {cast('Task[Any]', self).name} cannot learn from a teacher: it does not define taught"
        )

    def baseline(self, examples: Sequence[Any]) -> FittedBaseline | None:
        """Returns a simple model fitted on the training examples, for comparison, or None.

        Args:
            examples: list of training examples.

        Returns:
            An object with the attribute `about` (dict for `report.json`, with a `name`) and the method
            `scores(examples)`, which returns a dict of score name to number.
        """
        return None

    def tune(self, examples: Sequence[Any], candidates: Sequence[Any]) -> None:
        """Sets the decision thresholds and other LEARNED attributes that `decide` uses.

        Args:
            examples: list of development examples.
            candidates: list of the values that `decode` returned for them.
        """

    def tuning_notes(self) -> Iterable[str]:
        """Returns sentences about values that `tune` could not set; they are logged once, after training."""
        return ()

    # Prediction --------------------------------------------------------------------------------------------

    def run_model(self, encoded: Sequence[Encoded]) -> list[Outputs]:
        """Runs the model on a batch of windows.

        Args:
            encoded: list of Encoded.

        Returns:
            A list with one dict of output name to array for each Encoded, without batch axis and without padding.
        """
        from ..inference.predict import inputs, run, unpadded

        task = cast("Task[Any]", self)  # only Task inherits from Hooks
        return unpadded(task, run(task)(inputs(encoded)), encoded)

    @staticmethod
    def prediction_model(model: "Model") -> "Model":
        """Returns the part of the model that prediction uses first.

        Args:
            model: the `keras.Model` that `build` returned.

        Returns:
            A `keras.Model` whose only inputs are token and segment ids, and which returns a dict of outputs.
        """
        return model

    def client(self) -> "Client | None":
        """Describes for `kbert_tasks.export` how programs without this package get answers from the model.

        Returns:
            A Client, or None if the task cannot be exported.
        """
        return None

    def judging(self) -> Judging:
        """Returns the Judging that compares gold answers with those of a model, for `kbert_tasks.audit`."""
        return Judging(cast("Task[Any]", self))

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Converts scores (logits) to probabilities of the same shape; by default with a sigmoid."""
        return expit(scores.astype("float64"))
