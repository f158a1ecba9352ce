"""Task: the base class of all tasks, with the methods that each task implements."""

import atexit
import weakref
from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from .._keras import computes_here
from ..data import label_forms, overlap
from ..data.examples import Examples, apart, examples_of
from ..errors import InputError
from ..lock import locked_by_chief
from ..metrics.advice import advice
from ..settings import Settings
from ..text.tokenizer import Tokenizer
from ..training.defaults import CLASSIFICATION
from .estimator import Estimator
from .presentation import Presentation
from .target import largest_score

if TYPE_CHECKING:
    from typing_extensions import Self

    from .._keras import Model
    from ..checkpoint.checkpoint import Checkpoint
    from ..metrics.classification import Report
    from ..typing import Labels, Rows

P = TypeVar("P")  # a task's Prediction
_TRACED: "weakref.WeakSet[Task[Any]]" = weakref.WeakSet()


@atexit.register
def _forget():
    """Deletes traced functions at exit: TensorFlow 2.16 fails if they outlive its modules."""
    for task in _TRACED:
        task._made.clear()


class Task(Estimator, Generic[P]):
    """Fine-tunes a BERT checkpoint for one kind of answer.

    A subclass implements the methods of the first group below and may override those of the second. A row of a table
    becomes an example (`example`). An example is encoded as one or more windows (`encode`). For training, each window
    gets a target (`target`, `draw`). For prediction, the model outputs of all windows of an example are combined
    (`decode`), and the task selects the answer (`choose`).

    Args:
        checkpoint: weights to start from: a folder, a catalogue name, `hf:OWNER/NAME`, or a Checkpoint.
        **settings: fields of the task's Settings, such as `epochs=3`.

    The attributes below are set by `fit` and by `load`.

    Attributes:
        model: the trained `keras.Model`.
        tokenizer: the Tokenizer that converts text to ids.
        config: the contents of the encoder's `bert_config.json`.
        seen_: fingerprints of the training texts.
        report_: the contents of `report.json`.
        engine_: the inference engine that `load` started, or None if predictions are computed with Keras.
        baseline_: the return value of `baseline` for the training examples; None after `load`.
        errors_: the contents of `errors.jsonl`: the wrong answers on the test set, or on the development set if there is
            no test set.
        answers_: the contents of `answers.jsonl`: one `record` for each text of the same set, including right answers.
    """

    model: "Model"
    tokenizer: Tokenizer
    config: dict[str, Any]
    seen_: np.ndarray
    report_: dict[str, Any]
    errors_: list[dict[str, Any]]
    answers_: list[dict[str, Any]]

    Settings = Settings
    recipe = CLASSIFICATION  # default values for settings that are "auto"
    MAIN_SCORE = "accuracy"  # the development score that selects the best epoch
    LEARNED: tuple[str, ...] = ()  # attributes set by `learn` and `tune`: JSON values, stored in the saved folder
    ANSWER: tuple[str, ...] = ()  # the columns returned by `row`
    SECOND_TEXT = "the second text"  # name of the second text of a pair, for messages
    presentation = Presentation()
    SECOND: str | None = None  # the setting that names the column of the second text of a pair
    paired = False  # whether this trained task expects pairs
    first_only = False  # whether the head uses only the vector of [CLS]
    FORMAT = "csv"  # format for writing answers if no file name determines it

    def __init__(self, checkpoint: "str | PathLike[str] | Checkpoint | None" = None, **settings: Any):
        self.checkpoint = checkpoint
        self.settings = self.Settings.of(settings)
        self._next: Settings | None = None  # settings for the next `fit`, if `set_params` changed a trained task
        self.model = None
        self.engine_ = None
        self.baseline_ = None
        self._made: dict[Any, tuple[Any, Any]] = {}

    # Methods that a task must implement -----------------------------------------------------------------------

    def example(self, row, gold):
        """Converts a table row to an example.

        Args:
            row: dict of column name to value.
            gold: whether to read the gold answer too. If False, the row may lack it.

        Returns:
            An example (each task defines its own class), or a Skip with the reason why the row is not used.

        Raises:
            RowError: a value of the row is not valid.
        """
        raise NotImplementedError

    def columns(self, gold):
        """Returns the names of the settings that hold the names of required columns, such as ["text_column"].

        Args:
            gold: whether the columns of the gold answer are required too.
        """
        raise NotImplementedError

    def learn(self, examples):
        """Sets the attributes listed in LEARNED from the training examples, such as the set of labels.

        Args:
            examples: list of examples with gold answers.

        Raises:
            InputError: the examples are not sufficient for training.
        """
        raise NotImplementedError

    def build(self, encoder):
        """Adds the head of the task to the encoder.

        Args:
            encoder: a `keras.Model` that returns token vectors (batch, time, hidden).

        Returns:
            A `keras.Model` that returns a dict of output name to tensor. Its first inputs are those of the encoder.
        """
        raise NotImplementedError

    def losses(self):
        """Returns a dict of output name to Keras loss."""
        raise NotImplementedError

    def encode(self, example):
        """Tokenizes an example.

        No other method truncates a text or splits it into windows.

        Args:
            example: an example, with or without a gold answer.

        Returns:
            A list of Encoded: one for each window, at least one.
        """
        raise NotImplementedError

    def target(self, example, encoded):
        """Returns the training target of one window.

        Args:
            example: an example with a gold answer.
            encoded: one of the Encoded that `encode` returned for it.

        Returns:
            The value that `draw` receives for this window, by default a dict of output name to array, without a batch axis.
            If it is a Skip for the first window of an example, the example is not used for training.
        """
        raise NotImplementedError

    def check_targets(self, examples, targets):
        """Checks that the training targets contain something to learn; by default accepts all targets.

        Args:
            examples: the Examples used for training.
            targets: list of the targets of all their windows, as returned by `target`.

        Raises:
            InputError: there is nothing to learn.
        """

    def decode(self, example, encoded, outputs):
        """Combines the model outputs for the windows of one example.

        Args:
            example: the example.
            encoded: list of Encoded, its windows.
            outputs: list of the values that `outputs` returned for these windows.

        Returns:
            The possible answers with their scores, in any form that the task's own `choose`, `tune` and `record` accept.
        """
        raise NotImplementedError

    def measure(self, examples, predictions):
        """Scores predictions against gold answers.

        Args:
            examples: list of examples with gold answers.
            predictions: list of the predictions for them, in the same order.

        Returns:
            A Report that contains the score MAIN_SCORE.
        """
        raise NotImplementedError

    def error(self, example, prediction):
        """Describes the error in a prediction.

        Args:
            example: an example with a gold answer.
            prediction: the prediction for it.

        Returns:
            A dict of JSON values for `errors.jsonl`, or None if the prediction is right.
        """
        raise NotImplementedError

    def record(self, example, possible, prediction):
        """Describes one answer, right or wrong.

        Args:
            example: an example with a gold answer.
            possible: the return value of `decode`.
            prediction: the return value of `choose`.

        Returns:
            A dict of JSON values for `answers.jsonl`, with at least `text`, `gold`, `predicted`, `right` and `loss`.
        """
        raise NotImplementedError

    def row(self, prediction):
        """Returns a prediction as a table row: a dict whose keys are the columns in ANSWER."""
        raise NotImplementedError

    def stratum(self, example):
        """Returns the group of an example (any hashable value) for stratified splits; by default all are in one group."""
        return None

    def needed(self, example):
        """Returns the classes of an example, such as its labels.

        If no development set is given, the split keeps at least one text of each class in the training set.
        """
        return ()

    # Methods that a task may override -------------------------------------------------------------------------

    def named(self, rows):
        """Returns the table (a DataFrame) with its columns renamed, if the task recognises a format without a header."""
        return rows

    def beside(self, labels):
        """Converts the `labels` argument of `fit`, `evaluate` and `score` to a list with one entry for each text."""
        return label_forms.beside(labels)

    def grouped(self, rows):
        """Groups the rows of a table with gold answers that belong to one example.

        Args:
            rows: a DataFrame.

        Returns:
            (table, sources): a DataFrame with one row for each example, and for each of them a tuple with the positions in
            `rows` of the rows it was made from. By default each row is an example.
        """
        return rows, apart(rows)

    def parts(self, example):
        """Returns the texts that the model reads: (text, None), or (first text, second text) for a pair.

        They also identify an example when it is compared with the training texts.
        """
        return example.text, None

    def new_tokenizer(self, vocabulary, cased, by_character=False):
        """Returns the Tokenizer for a vocabulary (list of tokens).

        Args:
            vocabulary: tokens in the order of their ids.
            cased: whether the checkpoint distinguishes upper and lower case.
            by_character: whether each character is a token.
        """
        return Tokenizer(vocabulary, cased, by_character)

    def remarks(self, example, encoded):
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

    def doubts(self, examples):
        """Returns warnings about gold answers that are probably mistakes; they are logged before training.

        Args:
            examples: list of training examples.

        Returns:
            An iterable of sentences.
        """
        return ()

    def derived(self):
        """Resolves the task's own settings that are "auto"; `self.config` is already set.

        Returns:
            A dict of setting name to defaults.Resolved.
        """
        return {}

    def draw(self, x, target, chance):
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

    def outputs(self, encoded):
        """Runs the model on a batch.

        Args:
            encoded: list of Encoded.

        Returns:
            A list with one dict of output name to array for each Encoded.
        """
        from ..inference.predict import inputs, run

        found = run(self)(inputs(encoded))
        return [{name: value[i] for name, value in found.items()} for i in range(len(encoded))]

    @staticmethod
    def reader(model):
        """Returns the part of the model that prediction uses first.

        Args:
            model: the `keras.Model` that `build` returned.

        Returns:
            A `keras.Model` whose only inputs are token and segment ids, and which returns a dict of outputs.
        """
        return model

    def probabilities(self, scores):
        """Converts scores (logits) to probabilities of the same shape; by default with a sigmoid."""
        return 1 / (1 + np.exp(-scores.astype("float64")))

    def baseline(self, examples):
        """Returns a simple model fitted on the training examples, for comparison, or None.

        Args:
            examples: list of training examples.

        Returns:
            An object with the attribute `about` (dict for `report.json`, with a `name`) and the method
            `scores(examples)`, which returns a dict of score name to number.
        """
        return None

    def tune(self, examples, possible):
        """Sets the decision thresholds and other LEARNED attributes that `choose` uses.

        Args:
            examples: list of development examples.
            possible: list of the values that `decode` returned for them.
        """

    def tuning_notes(self):
        """Returns sentences about values that `tune` could not set; they are logged once, after training."""
        return ()

    def choose(self, example, possible):
        """Selects the answer for one example.

        Args:
            example: the example.
            possible: the return value of `decode`.

        Returns:
            The Prediction of the task.
        """
        return possible

    @property
    def name(self) -> str:
        """The name of the task, which is the name of its folder."""
        return type(self).__module__.split(".")[-2]

    def explained_answers(self, value):
        """Returns the answers in the `gold` or `predicted` value of a record, in the form that `explain_targets` accepts."""
        return tuple(value) if isinstance(value, list | tuple) else () if value is None else (value,)

    def explain_targets(self, example, windows, possible, prediction, answer):
        """Returns the targets that `explain` explains.

        By default the target is the largest score of the model in each window, and `answer` is ignored.

        Args:
            example: the return value of `example`.
            windows: the list of Encoded that `encode` returned.
            possible: the return value of `decode`.
            prediction: the return value of `choose`.
            answer: the answer to explain, in a form that the task accepts, or None for the predicted one.

        Returns:
            A list with one Target for each window that contains the answer.

        Raises:
            InputError: the answer is not possible for this text.
        """
        return [largest_score(self, window, str(prediction)) for window in windows]

    # Methods that all tasks share -----------------------------------------------------------------------------

    def once(self, make):
        """Returns `make(self)`, cached until `self.model` changes; used for traced functions, which take seconds to make."""
        computes_here()
        model, made = self._made.get(make, (None, None))
        if model is not self.model or made is None:
            made = make(self)
            self._made[make] = self.model, made
            _TRACED.add(self)
        return made

    def examples(self, rows, labels=None, gold=True):
        """Converts a table, file or list to Examples.

        Args:
            rows: see `kbert_tasks.data.tables.table`.
            labels: gold answers, if `rows` is a list of texts.
            gold: whether the gold answers are read.

        Returns:
            An Examples, which records for each row whether it was used, joined to another row, or skipped.
        """
        return rows.copy() if isinstance(rows, Examples) else examples_of(self, rows, labels, gold)

    def fit(
        self,
        train: "Rows | Examples",
        labels: "Labels | None" = None,
        *,
        dev: "Rows | Examples | tuple[Rows, Labels] | None" = None,
        resume_dir: str | PathLike[str] | None = None,
    ) -> "Self":
        """Fine-tunes on `train` and keeps the epoch with the best score on `dev`.

        Args:
            train: DataFrame, file, list of dicts, or list of texts (or pairs of texts) with `labels`.
            labels: the gold answers, if `train` is a list of texts.
            dev: rows, or (texts, labels), to choose the epoch with; by default `validation_split` of `train` is held out.
            resume_dir: folder to save the progress in, after each epoch and every `save_minutes`. If training is
                interrupted, the same call resumes from this folder and gives the same model. The folder is not deleted.

        Returns:
            self.

        Raises:
            InputError: the data or the settings are not valid.
        """
        from ..training.trainer import train as run

        # Train a new object, so that this one does not change if training fails.
        fresh = type(self)(**self.get_params())
        with locked_by_chief(resume_dir):
            run(fresh, fresh.examples(train, labels), dev, resume_dir)
        fresh._made.clear()  # traced from the model with a reduced embedding table, which the full model has replaced
        # Drop the results of earlier training, but keep attributes that scikit-learn's searches have set on this object.
        others = {name: value for name, value in vars(self).items() if name[0] == "_" and name not in vars(fresh)}
        self.__dict__ = vars(fresh) | others
        return self

    def predict(self, texts: "Rows") -> list[P | None]:
        """Predicts an answer for each text.

        Args:
            texts: list of texts (or of pairs, if the task was trained on pairs), DataFrame or file.

        Returns:
            A list with one prediction for each text, in the same order; None for an empty text.

        Raises:
            InputError: the task is not trained, or the texts cannot be read.
        """
        from ..inference.predict import predictions

        check_trained(self)
        examples = self.examples(texts, gold=False)
        found: list[P | None] = [None] * examples.read
        for source, prediction in zip(examples.sources, predictions(self, examples.rows), strict=True):
            for position in source:
                found[position] = prediction
        return found

    def evaluate(self, rows: "Rows | Examples", labels: "Labels | None" = None) -> "Report":
        """Scores the predictions for rows with gold answers.

        Args:
            rows: DataFrame, file, list of dicts, or list of texts (or pairs of texts) with `labels`.
            labels: the gold answers, if `rows` is a list of texts.

        Returns:
            A Report, which holds the scores and prints as a table.

        Raises:
            InputError: the task is not trained, or no row can be used.
        """
        from ..inference.predict import decoded

        check_trained(self)
        examples = self.examples(rows, labels)
        if not examples.rows:
            raise InputError(f"there is nothing to evaluate: {examples.told()}")
        overlap.note(self, examples, self.seen_)
        encoded = [self.encode(example) for example in examples.rows]
        examples.note(self, encoded)
        report = self.judge(examples.rows, encoded, decoded(self, examples.rows, encoded))
        examples.notes.update(report.examples.get("notes", {}))
        report.examples = examples.count()
        examples.locate(report)
        return report

    def score(self, rows: "Rows", labels: "Labels | None" = None) -> float:
        """Returns the main score on rows with gold answers: accuracy for classification, F1 for the other tasks.

        The score is NaN if it is not defined for these rows. `evaluate` returns all scores.
        """
        found = self.evaluate(rows, labels)[self.MAIN_SCORE]
        return float("nan") if found is None else float(found)

    def judge(self, examples, encoded, possible):
        """Chooses the answers for decoded examples and scores them.

        Args:
            examples: list of examples with gold answers.
            encoded: for each example the list of its windows.
            possible: for each example the return value of `decode`.

        Returns:
            A Report with `errors` and `answers`. Each of their entries has `place`, the index of its example in `examples`,
            which `Examples.locate` replaces by the row number.
        """
        answers = [self.choose(*each) for each in zip(examples, possible, strict=True)]
        report = self.measure(examples, answers)
        found = (self.error(example, answer) for example, answer in zip(examples, answers, strict=True))
        report.errors = [{"place": place} | each for place, each in enumerate(found) if each is not None]
        known = zip(examples, encoded, possible, answers, strict=True)
        report.answers = [
            {"place": place} | self.record(example, each, answer) | {"tokens": windows[0].whole}
            for place, (example, windows, each, answer) in enumerate(known)
        ]
        return report

    def add_test(self, report, seconds, examples=()):
        """Adds the results on a test set to `report_`, `errors_` and `answers_`.

        Args:
            report: the Report of the test set.
            seconds: duration of the evaluation.
            examples: the examples of the test set, to score the baseline on, if there is one.
        """
        self.errors_, self.answers_ = report.errors, report.answers
        self.report_["scores"]["test"] = report.scores
        self.report_["examples"]["test"] = report.examples
        if self.baseline_ and examples:
            self.report_["baseline"]["scores"]["test"] = self.baseline_.scores(examples)
        self.report_["advice"] = advice(self.report_)
        self.report_["seconds"]["evaluate"] = round(self.report_["seconds"]["evaluate"] + seconds, 3)

    def save(self, folder: str | PathLike[str]) -> None:
        """Writes the trained task to a folder, which `kbert_tasks.load` reads without the checkpoint.

        If writing fails, the folder does not change.

        Raises:
            InputError: the task is not trained, or the folder cannot be written.
        """
        from ..cluster import chief
        from ..saving.saving import save

        check_trained(self)
        if chief():  # with several machines, only the first one writes
            save(self, folder)


def check_trained(task: Any) -> None:
    """Checks that `task` is a trained or loaded Task.

    Raises:
        InputError: it is not.
    """
    if not isinstance(task, Task):
        raise InputError(f"a trained task is needed, found {task!r:.80}: open a saved folder with kbert_tasks.load")
    if task.model is None:
        raise InputError(f"this {type(task).__name__} is not trained: call fit, or kbert_tasks.load a saved folder")
