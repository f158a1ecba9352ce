"""Contract: the nine methods that define a task.

The methods in `hooks.py` have defaults that suit most tasks.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from ..metrics.classification import Report
from ..settings import Settings
from ..text.tokenizer import Encoded, Tokenizer

if TYPE_CHECKING:
    from tf_keras.losses import Loss

    from .._keras import Model

V = TypeVar("V")
Row: TypeAlias = Mapping[str, Any]  # column name to value
Arrays: TypeAlias = dict[str, np.ndarray]  # name of a model input or output to array
Outputs: TypeAlias = dict[str, Any]  # what `run_model` returns for one window: Arrays, unless a task overrides it


def known(value: V | None) -> V:
    """Returns a value that may be None, such as a gold answer, in a method that needs it.

    Raises:
        ValueError: the value is None.
    """
    if value is None:
        raise ValueError("expected a known value, such as a gold answer or a probability, found None")
    return value


class Contract:
    """What a task implements. See `docs/fourth_task.md` for two complete examples.

    For training, `read_row` converts each row of a table to an example, and `prepare` collects from all examples what the
    head needs to know. `build` adds the head to the encoder, and `loss` returns the losses. `encode` converts an example to
    one or more windows of tokens, and `target` returns the gold values of each window. For prediction, `decode` combines
    the model outputs of all windows of an example into candidate answers with probabilities, and `decide` selects the
    answer. `measure` compares answers with gold answers.

    `fit` checks before the first step that the outputs, the losses and the targets fit together
    (`training/checks.py`).

    Attributes:
        Settings: the dataclass of the task's settings, a subclass of `kbert_tasks.settings.Settings`.
        MAIN_SCORE: the development score that selects the best epoch: a number for any predictions; higher is better.
        LEARNED: attributes set by `prepare` and `tune`. Their values are JSON values and are stored in the saved folder.
        ANSWER: columns of an answer in a table, the keys of `to_dict`. The first one is also the name of the attribute that
            holds the answer in an example (the gold answer) and in a prediction, unless the task overrides `gold_of`,
            `answer_of` and `to_dict`.
    """

    Settings: type[Settings] = Settings
    MAIN_SCORE = "accuracy"
    LEARNED: tuple[str, ...] = ()
    ANSWER: tuple[str, ...] = ()

    settings: Any
    tokenizer: Tokenizer

    def read_row(self, row: Row, with_answer: bool) -> Any:
        """Converts a table row to an example.

        Args:
            row: dict of column name to value.
            with_answer: whether to read the gold answer too. If False, the row may lack it.

        Returns:
            An example (each task defines its own class, with the attribute `text`), or a Skip with the reason why the row
            is not used.

        Raises:
            RowError: a value of the row is not valid.
        """
        raise NotImplementedError

    def prepare(self, examples: Sequence[Any]) -> None:
        """Sets the attributes listed in LEARNED from the training examples, such as the set of labels.

        Args:
            examples: list of examples with gold answers.

        Raises:
            InputError: the examples are not sufficient for training.
        """
        raise NotImplementedError

    def build(self, encoder: "Model") -> "Model":
        """Adds the head of the task to the encoder.

        Args:
            encoder: a `keras.Model` that returns token vectors (batch, time, hidden).

        Returns:
            A `keras.Model` that returns a dict of output name to tensor. Its first inputs are those of the encoder.
        """
        raise NotImplementedError

    def loss(self) -> "dict[str, Loss]":
        """Returns the loss of each output of the model.

        Returns:
            A dict of output name to `keras.losses.Loss`. `loss.call(target, output)` returns one value for each text, or
            one for each token: values for tokens are averaged over the tokens of the text that have a target, so that
            padding does not count. Targets are padded with -1.
        """
        raise NotImplementedError

    def encode(self, example: Any) -> list[Encoded]:
        """Tokenizes an example.

        No other method truncates a text or splits it into windows.

        Args:
            example: an example, with or without a gold answer.

        Returns:
            A list of Encoded: one for each window, at least one.
        """
        raise NotImplementedError

    def target(self, example: Any, encoded: Encoded) -> Any:
        """Returns the training target of one window.

        Args:
            example: an example with a gold answer.
            encoded: one of the Encoded that `encode` returned for it.

        Returns:
            A dict of output name to array without a batch axis, or any other value that the task's own `sample_target`
            accepts. If it is a Skip for the first window of an example, the example is not used for training.
        """
        raise NotImplementedError

    def decode(self, example: Any, encoded: Sequence[Encoded], outputs: Sequence[Outputs]) -> Any:
        """Combines the model outputs for the windows of one example.

        Args:
            example: the example.
            encoded: list of Encoded, its windows.
            outputs: for each window a dict of output name to array, without batch axis and without padding: an axis of
                tokens has `len(window.ids)` entries.

        Returns:
            The candidate answers with their probabilities, in any form that the task's own `decide`, `tune` and `record`
            accept.
        """
        raise NotImplementedError

    def decide(self, example: Any, candidates: Any) -> Any:
        """Selects the answer for one example.

        Args:
            example: the example.
            candidates: the return value of `decode`.

        Returns:
            The Prediction of the task.
        """
        raise NotImplementedError

    def measure(self, examples: Sequence[Any], predictions: Sequence[Any]) -> Report:
        """Scores predictions against gold answers.

        Args:
            examples: list of examples with gold answers.
            predictions: list of the predictions for them, in the same order.

        Returns:
            A Report that contains the score MAIN_SCORE.
        """
        raise NotImplementedError
