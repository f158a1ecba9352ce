"""Task: the base class of all tasks, with the methods that users call."""

import atexit
import threading
import weakref
from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from .._keras import computes_here
from ..data import overlap
from ..data.examples import Examples, examples_of
from ..errors import InputError
from ..lock import locked_by_chief
from ..metrics.advice import advice
from ..saving.model import Stored
from ..settings import Settings
from ..text.tokenizer import Tokenizer
from .estimator import Estimator
from .hooks import FittedBaseline, Hooks

if TYPE_CHECKING:
    from typing_extensions import Self

    from .._keras import Callback, Model
    from ..checkpoint.checkpoint import Checkpoint
    from ..metrics.classification import Report
    from ..typing import Labels, Rows

P = TypeVar("P")  # a task's Prediction
T = TypeVar("T")
_MAKING = threading.RLock()  # threads that share a task must not make the same thing twice
_TRACED: "weakref.WeakSet[Task[Any]]" = weakref.WeakSet()


@atexit.register
def _forget() -> None:
    """Deletes traced functions at exit: TensorFlow 2.16 fails if they outlive its modules."""
    for task in _TRACED:
        task._made.clear()


class Task(Estimator, Hooks, Generic[P]):
    """Fine-tunes a BERT checkpoint for one kind of answer.

    A subclass implements the nine methods of Contract and may override those of Hooks and Answers.

    Args:
        checkpoint: weights to start from: a folder, a catalogue name, `hf:OWNER/NAME`, or a Checkpoint.
        **settings: fields of the task's Settings, such as `epochs=3`.

    The attributes below are set by `fit` and by `load`.

    Attributes:
        model: the trained `keras.Model`. After `load` with OpenVINO, it is built when it is first used.
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

    tokenizer: Tokenizer
    config: dict[str, Any]
    seen_: np.ndarray
    baseline_: FittedBaseline | None
    report_: dict[str, Any]
    errors_: list[dict[str, Any]]
    answers_: list[dict[str, Any]]

    def __init__(self, checkpoint: "str | PathLike[str] | Checkpoint | None" = None, **settings: Any) -> None:
        self.checkpoint = checkpoint
        self.settings = self.Settings.of(settings)
        self._next: Settings | None = None  # settings for the next `fit`, if `set_params` changed a trained task
        self._model: Any = None  # the trained model, or Stored
        self.engine_ = None
        self.baseline_ = None
        self._made: dict[Any, tuple[Any, Any]] = {}

    @property
    def model(self) -> "Model":
        if isinstance(self._model, Stored):
            self._model = self._model.model(self)
        return self._model

    @model.setter
    def model(self, model: "Model") -> None:
        self._model = model

    def once(self, make: "Callable[[Self], T]") -> T:
        """Returns `make(self)`, cached until `self.model` changes; used for traced functions, which take seconds to make."""
        computes_here()
        with _MAKING:
            model, made = self._made.get(make, (None, None))
            if model is not self.model or made is None:
                made = make(self)
                self._made[make] = self.model, made
                _TRACED.add(self)
            return made

    def examples(self, rows: "Rows | Examples", labels: "Labels | None" = None, gold: bool = True) -> Examples:
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
        callbacks: "Sequence[Callback]" = (),
        teacher: "Task[Any] | str | PathLike[str] | None" = None,
        unlabelled: "Rows | Examples | None" = None,
    ) -> "Self":
        """Trains the model and keeps the weights of the epoch with the best development score.

        Args:
            train: the training rows: a DataFrame, the path of a file, or a list of dicts; or a list of texts or of pairs of
                texts, together with `labels`.
            labels: the gold answers, if `train` is a list of texts.
            dev: the development rows, in the same forms as `train`, or a tuple (texts, labels). By default, the setting
                `validation_split` determines which share of `train` is held out. Without development rows, the last
                epoch is kept.
            resume_dir: folder for the saved progress, which is written after each epoch and every `save_minutes` minutes. If
                training is interrupted, call `fit` again with the same arguments: it resumes from this folder and gives the
                same model. `fit` does not delete the folder.
            callbacks: `tf_keras.callbacks.Callback` objects. The `logs` of `on_epoch_end` contain `loss` and the development
                scores, such as `dev_accuracy`. A callback can end training after an epoch with `self.model.stop_training =
                True`. It cannot change the learning rate (use the setting `schedule`), and its state is not saved in
                `resume_dir`. With `ema_decay`, a callback that saves weights saves the trained ones, not their average.
            teacher: a trained task of the same kind, or its saved folder, whose answers this model learns together with the gold
                answers (knowledge distillation; see the setting `distillation_weight`).
            unlabelled: texts without gold answers, as for `predict`, for which only the teacher's answers are learned.

        Returns:
            self.

        Raises:
            InputError: the data or the settings are not valid.
        """
        from ..training.callbacks import checked
        from ..training.recording import record, sources_of
        from ..training.trainer import Trainer

        callbacks, given = checked(callbacks), teacher
        if teacher is not None and not isinstance(teacher, Task):
            from .loading import load

            teacher = load(teacher, "keras")
        if teacher is not None:
            check_trained(teacher)
        # Train a new object, so that this one does not change if training fails.
        fresh = type(self)(**self.get_params())
        with locked_by_chief(resume_dir):
            trainer = Trainer(fresh, fresh.examples(train, labels), dev, resume_dir, callbacks, teacher, unlabelled)
            sources = sources_of(train, labels, dev, unlabelled=unlabelled)
            trainer.plan()
            trainer.fit()
            trainer.finish()
        record(fresh, fresh, sources, given)
        self._take_over(fresh)
        return self

    def _take_over(self, trained: "Self") -> None:
        """Replaces the results of earlier trainings by those of another object of this class."""
        # Attributes that start with "_" and that a task does not have were set by scikit-learn's searches.
        for name in [name for name in vars(self) if name[0] != "_" and name not in vars(trained)]:
            delattr(self, name)
        for name, value in vars(trained).items():
            setattr(self, name, value)
        self._made = {}  # traced from the model with a reduced embedding table, which the full model has replaced

    def predict(self, texts: "Rows") -> list[P | None]:
        """Predicts an answer for each text.

        Args:
            texts: a list of texts (of pairs, if the task was trained on pairs), a DataFrame, or the path of a file.

        Returns:
            A list with one Prediction for each text, in the same order. It is None if the text, the second text or the event
            type is empty.

        Raises:
            InputError: the task is not trained, or the texts cannot be read.
        """
        from ..inference.predict import answered

        check_trained(self)
        found = answered(self, self.examples(texts, gold=False))
        return [each if each is None else each.prediction for each in found]

    def evaluate(self, rows: "Rows | Examples", labels: "Labels | None" = None) -> "Report":
        """Predicts the answers for labelled rows and compares them with the gold answers.

        Args:
            rows: the labelled rows: a DataFrame, the path of a file, or a list of dicts; or a list of texts or of pairs of
                texts, together with `labels`.
            labels: the gold answers, if `rows` is a list of texts.

        Returns:
            A Report. `report["accuracy"]` is a score, and `print(report)` shows all scores as a table.

        Raises:
            InputError: the task is not trained, or no row can be used.
        """
        from ..inference.predict import decoded

        check_trained(self)
        examples = self.examples(rows, labels)
        if not examples.rows:
            raise InputError(f"there is nothing to evaluate: {examples.summary()}")
        overlap.note(self, examples, self.seen_)
        encoded = [self.encode(example) for example in examples.rows]
        examples.note(self, encoded)
        report = self.score_candidates(examples.rows, encoded, decoded(self, examples.rows, encoded))
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

    def add_test(self, report: "Report", seconds: float, examples: Sequence[Any] = ()) -> None:
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
        if self.teacher_ and examples:
            from ..training.distillation import scored

            for key, value in scored(self.teacher_, examples).items():
                self.report_["teacher"][key]["test"] = value
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
    if task._model is None:
        raise InputError(f"this {type(task).__name__} is not trained: call fit, or kbert_tasks.load a saved folder")
