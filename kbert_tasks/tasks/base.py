"""Task: what every task shares, and the methods that each one fills in."""

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
    """TensorFlow 2.16 complains of a function that is still there when its modules are not."""
    for task in _TRACED:
        task._made.clear()


class Task(Estimator, Generic[P]):
    """Fine-tunes a BERT checkpoint to one kind of answer.

    Args:
        checkpoint: folder, catalogue name or `hf:OWNER/NAME` of the weights to start from, or a Checkpoint.
        **settings: fields of the task's Settings, such as `epochs=3`.

    After `fit` or `load` it has:

    Attributes:
        model: the Keras model; an ordinary one.
        tokenizer: text to ids.
        config: the encoder's `bert_config.json`.
        seen_: fingerprints of the training texts.
        report_: what `report.json` holds.
        engine_: what reads the texts in Keras's place, as `load` was told; None after `fit`.
        baseline_: what `baseline` returned for the training examples; None after `load`.
        errors_: what `errors.jsonl` holds: the wrong answers on the test texts, or else on the development texts.
        answers_: what `answers.jsonl` holds: a `record` of each of those texts, the right answers included.
    """

    model: "Model"
    tokenizer: Tokenizer
    config: dict[str, Any]
    seen_: np.ndarray
    report_: dict[str, Any]
    errors_: list[dict[str, Any]]
    answers_: list[dict[str, Any]]

    Settings = Settings
    recipe = CLASSIFICATION  # what the settings that are "auto" are derived by
    MAIN_SCORE = "accuracy"  # the development score by which the best epoch is kept
    LEARNED: tuple[str, ...] = ()  # attributes that `learn` sets: JSON values, kept in the saved folder
    ANSWER: tuple[str, ...] = ()  # the columns of `row`
    SECOND_TEXT = "the second text"  # of a pair, in messages
    presentation = Presentation()
    SECOND: str | None = None  # the setting that names the column of what stands second in a pair
    paired = False  # whether this trained task wants pairs
    first_only = False  # whether the head reads the vector of [CLS] alone
    FORMAT = "csv"  # that answers are written in where no file name tells

    def __init__(self, checkpoint: "str | PathLike[str] | Checkpoint | None" = None, **settings: Any):
        self.checkpoint = checkpoint
        self.settings = self.Settings.of(settings)
        self._next: Settings | None = None  # of a trained task: what `set_params` has set for the next `fit`
        self.model = None
        self.engine_ = None
        self.baseline_ = None
        self._made: dict[Any, tuple[Any, Any]] = {}

    # What a task fills in -------------------------------------------------------------------------------------

    def example(self, row, gold):
        """A row (dict of column to value) as an example, or Skip. `gold`: with its answer."""
        raise NotImplementedError

    def columns(self, gold):
        """Settings that name the columns a table must have."""
        raise NotImplementedError

    def learn(self, examples):
        """Sets the LEARNED attributes from the training examples."""
        raise NotImplementedError

    def build(self, encoder):
        """The encoder (a keras.Model) with the task's head: a keras.Model whose outputs are a dict."""
        raise NotImplementedError

    def losses(self):
        """Output name to Keras loss."""
        raise NotImplementedError

    def encode(self, example):
        """The example as a list of Encoded, its windows; the only place where a text is cut."""
        raise NotImplementedError

    def target(self, example, encoded):
        """What `draw` makes the target of one window from, or Skip; as it is, a dict of output name to array."""
        raise NotImplementedError

    def check_targets(self, examples, targets):
        """Raises InputError where the targets of all windows of the training examples leave nothing to learn."""

    def decode(self, example, encoded, outputs):
        """What is possible for one example, from its windows and what `outputs` gave for each; `choose` decides."""
        raise NotImplementedError

    def measure(self, examples, predictions):
        """Report of the predictions beside the examples' gold."""
        raise NotImplementedError

    def error(self, example, prediction):
        """What is wrong with a prediction beside the gold, as a dict; None where nothing is."""
        raise NotImplementedError

    def record(self, example, possible, prediction):
        """All that is known of one answer, for `answers.jsonl`: a dict with text, gold, predicted, right and loss."""
        raise NotImplementedError

    def row(self, prediction):
        """The prediction as the ANSWER columns of a table: a dict."""
        raise NotImplementedError

    def stratum(self, example):
        """What must be alike in the training and the held-out share."""
        return None

    def needed(self, example):
        """What cannot be learned without it or its like: the last examples of each are not held out."""
        return ()

    # What a task may change -----------------------------------------------------------------------------------

    def named(self, rows):
        """A table with the names of columns that the settings tell, where the task knows them by their order."""
        return rows

    def beside(self, labels):
        """Labels that were passed beside texts, as a list: an entry for each text."""
        return label_forms.beside(labels)

    def grouped(self, rows):
        """A table with gold as one with a row for each example, and for each the positions of the rows it is made from."""
        return rows, apart(rows)

    def parts(self, example):
        """(text, None), or the two texts that the model reads: they identify an example among those trained on."""
        return example.text, None

    def new_tokenizer(self, vocabulary, cased, by_character=False):
        return Tokenizer(vocabulary, cased, by_character)

    def remarks(self, example, encoded):
        """What the notes of Examples should count about one example and its windows: sentences."""
        if len(encoded) > 1:
            yield "longer than max_length: read in windows"
        elif encoded[0].cut:
            yield "cut to max_length"

    def doubts(self, examples):
        """Sentences about the gold of training examples that is probably a mistake; they are logged before training."""
        return ()

    def derived(self):
        """{name: defaults.Resolved} of the task's own settings that can be "auto"; the config of the checkpoint is known."""
        return {}

    def draw(self, x, target, chance):
        """(x, y) of one window in one epoch; `chance`: a NumPy generator."""
        return x, target

    def outputs(self, encoded):
        """What the model says of a batch of Encoded: for each a dict of output name to array."""
        from ..inference.predict import inputs, run

        found = run(self)(inputs(encoded))
        return [{name: value[i] for name, value in found.items()} for i in range(len(encoded))]

    @staticmethod
    def reader(model):
        """The part of the model that reads texts: a keras.Model from their inputs alone to a dict of outputs."""
        return model

    def probabilities(self, scores):
        """Scores of the model as probabilities; both are arrays of one shape."""
        return 1 / (1 + np.exp(-scores.astype("float64")))

    def baseline(self, examples):
        """A cheap model fitted on the training examples, to compare scores with, or None.

        It has `about`, a dict for report.json with its `name`, and `scores(examples)`, a dict of name to number.
        """
        return None

    def tune(self, examples, possible):
        """Sets, from what is possible for development examples, the LEARNED attributes that `choose` goes by."""

    def tuning_notes(self):
        """Sentences about what `tune` could not set; they are logged once, after training."""
        return ()

    def choose(self, example, possible):
        """The prediction: of what `decode` holds possible for an example, what is answered."""
        return possible

    @property
    def name(self) -> str:
        """The name of the task: that of the folder its module is in."""
        return type(self).__module__.split(".")[-2]

    def explained_answers(self, value):
        """The answers in `gold` or `predicted` of a record in `answers.jsonl`, each as `explain_targets` takes it."""
        return tuple(value) if isinstance(value, list | tuple) else () if value is None else (value,)

    def explain_targets(self, example, windows, possible, prediction, answer):
        """What `explain` explains: a list of Target, one for each window where the answer can be found.

        By default it explains the largest score of the model in each window, whatever `answer` says.

        Args:
            example: as `example` made it.
            windows: its Encoded, as `encode` made them.
            possible: as `decode` returned it.
            prediction: as `choose` returned it.
            answer: in a form that the task accepts, or None for what it predicts.
        """
        return [largest_score(self, window, str(prediction)) for window in windows]

    # What tasks share -----------------------------------------------------------------------------------------

    def once(self, make):
        """`make(self)`, made once for each model that this task has: what is traced from it, which takes seconds."""
        computes_here()
        model, made = self._made.get(make, (None, None))
        if model is not self.model or made is None:
            made = make(self)
            self._made[make] = self.model, made
            _TRACED.add(self)
        return made

    def examples(self, rows, labels=None, gold=True):
        """Examples of a table, file or list (see `kbert_tasks.data.tables.table`), every row of it accounted for."""
        return rows.copy() if isinstance(rows, Examples) else examples_of(self, rows, labels, gold)

    def fit(
        self,
        train: "Rows | Examples",
        labels: "Labels | None" = None,
        *,
        dev: "Rows | Examples | tuple[Rows, Labels] | None" = None,
        resume_dir: str | PathLike[str] | None = None,
    ) -> "Self":
        """Fine-tunes on `train` and keeps the epoch with the best score on `dev`; returns self.

        Args:
            train: DataFrame, file, list of dicts, or list of texts (or of pairs) with `labels`.
            labels: the gold answers where `train` is a list of texts.
            dev: rows, or (texts, labels), for choosing the epoch; by default a share (`validation_split`) of `train` is held out.
            resume_dir: a folder where the progress is kept (after each epoch, and every `save_minutes`). The same call goes on
                from what it finds there, and ends with the same model. It stays there: delete it once the task is saved.
        """
        from ..training.trainer import train as run

        # A new object learns; if that fails, this one is as it was.
        fresh = type(self)(**self.get_params())
        with locked_by_chief(resume_dir):
            run(fresh, fresh.examples(train, labels), dev, resume_dir)
        fresh._made.clear()  # it was traced from the model of the tokens met, which the whole one has replaced
        # Nothing of an earlier training stays, but what scikit-learn's searches have attached to this object does.
        others = {name: value for name, value in vars(self).items() if name[0] == "_" and name not in vars(fresh)}
        self.__dict__ = vars(fresh) | others
        return self

    def predict(self, texts: "Rows") -> list[P | None]:
        """A list with one prediction for each text, in their order; None for a text that is empty.

        Args:
            texts: list of texts (of pairs, if trained on pairs), DataFrame or file.
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
        """A Report of the predictions for rows with gold; prints readably."""
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
        """The main score on rows with gold answers: accuracy for classification, F1 for the other tasks.

        It is NaN where the score is not defined. `evaluate` returns all scores.
        """
        found = self.evaluate(rows, labels)[self.MAIN_SCORE]
        return float("nan") if found is None else float(found)

    def judge(self, examples, encoded, possible):
        """Report of what is answered, of all that `decode` holds possible, with its errors and all answers.

        Each of them has the `place` of its example among `examples`; `Examples.locate` makes row numbers of it.
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
        """Puts the Report of a test set, which took so long, into `report_`, and its answers into `answers_`.

        The baseline, where there is one, is scored on the test set's examples too.
        """
        self.errors_, self.answers_ = report.errors, report.answers
        self.report_["scores"]["test"] = report.scores
        self.report_["examples"]["test"] = report.examples
        if self.baseline_ and examples:
            self.report_["baseline"]["scores"]["test"] = self.baseline_.scores(examples)
        self.report_["advice"] = advice(self.report_)
        self.report_["seconds"]["evaluate"] = round(self.report_["seconds"]["evaluate"] + seconds, 3)

    def save(self, folder: str | PathLike[str]) -> None:
        """Writes a folder that `kbert_tasks.load` reads, with no need of the checkpoint; whole or not at all."""
        from ..cluster import chief
        from ..saving.saving import save

        check_trained(self)
        if chief():  # of several machines the first writes
            save(self, folder)


def check_trained(task: Any) -> None:
    """Raises an InputError unless `task` is a trained or loaded Task."""
    if not isinstance(task, Task):
        raise InputError(f"a trained task is needed, found {task!r:.80}: open a saved folder with kbert_tasks.load")
    if task.model is None:
        raise InputError(f"this {type(task).__name__} is not trained: call fit, or kbert_tasks.load a saved folder")
