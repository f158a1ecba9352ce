"""Trainer: trains a task from a checkpoint and examples, with the training loop of Keras."""

import contextlib
import dataclasses
import functools
import logging
import time
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import computes_here, is_tpu
from ..data import overlap
from ..data.examples import Examples
from ..data.split import hold_out
from ..encoder import precision
from ..encoder.ops import seeded
from ..errors import InputError
from ..metrics.advice import advice
from ..settings import AUTO
from . import compiling, defaults, distribution, embedding_subset, halves, inputs, plan
from .distillation import Distillation
from .run import Run, build, encoder_of
from .versions import versions

if TYPE_CHECKING:
    from tensorflow.distribute import Strategy

    from .._keras import Callback
    from ..checkpoint.checkpoint import Checkpoint
    from ..settings import Settings
    from ..tasks.base import Task
    from ..text.tokenizer import Encoded
    from ..typing import Labels, Rows
    from .callbacks import DevScore

log = logging.getLogger("kbert_tasks")
NOT_DECISIVE = (*plan.SAME, "tensorboard", "save_minutes", "validation_split", "baseline")  # the model is the same


class Trainer:
    """Fine-tunes a new model for a task and sets the attributes of the task, including `report_`.

    Call `plan`, `fit` and `finish`, in this order.

    Args:
        task: a task with its checkpoint and settings. It must be a new object, because a failed training leaves it
            incomplete.
        examples: the training Examples.
        dev: development data as rows, (texts, labels) or Examples; if None, a share of `examples` is held out.
        resume_dir: folder for the progress, or None.
        callbacks: additional Keras callbacks.
        teacher: a trained task whose answers are learned, or None.
        unlabelled: texts that only the teacher answers, or None.

    Attributes:
        settings: the settings, as values; `requested` are those of the user, where some may be "auto".
        resolved: dict of name to Resolved for the settings that can be "auto".
        strategy: the TensorFlow strategy that distributes the training over devices.
        precision: "float32", "bfloat16" or "float16".
        halves: whether a step computes the two halves of its batch at the same time.
        checkpoint: the Checkpoint.
        windows: the training data, a list of (x, target).
        encoded_dev: for each development example a list of Encoded.
        used: the tokens that occur in the texts; only their embeddings are trained.
        identity: dict of everything that determines the result.
        distillation: the Distillation, or None without a teacher; `unlabelled` are its examples, if it has any.
        planned: the entry "plan" of the report.
        seconds: dict of the name of a stage to its duration.

    Raises:
        InputError: the data or the settings are not valid, or training fails because of them.
    """

    settings: "defaults.ResolvedSettings"
    requested: "Settings"
    resolved: dict[str, defaults.Resolved[Any]]
    strategy: "Strategy"
    precision: str
    halves: bool
    checkpoint: "Checkpoint"
    windows: list[inputs.Window]
    encoded_dev: "list[list[Encoded]]"
    used: np.ndarray
    identity: dict[str, Any]
    distillation: Distillation | None
    unlabelled: Examples | None
    planned: dict[str, Any]
    seconds: dict[str, float]
    baseline: dict[str, Any]
    dev_score: "DevScore"

    def __init__(
        self,
        task: "Task[Any]",
        examples: Examples,
        dev: "Rows | Examples | tuple[Rows, Labels] | None" = None,
        resume_dir: str | PathLike[str] | None = None,
        callbacks: "Sequence[Callback]" = (),
        teacher: "Task[Any] | None" = None,
        unlabelled: "Rows | Examples | None" = None,
    ) -> None:
        computes_here()
        self.task, self.resume_dir, self.callbacks = task, resume_dir, callbacks
        self.requested = self.settings = task.settings
        self.resolved, self.seconds, self.baseline = {}, {}, {}
        if not examples.rows:
            raise InputError(f"there is nothing to train on: {examples.summary()}")
        if dev is None:
            self.resolved["validation_split"] = defaults.held_out_share(self.requested, len(examples.rows))
            examples, dev = hold_out(task, examples, self.resolved["validation_split"].value)
        inputs.prepare(task, examples)
        dev_examples: Examples = task.examples(*dev) if isinstance(dev, tuple) else task.examples(dev)
        if dev_examples.read and not dev_examples.rows:
            raise InputError(f"there are no usable development rows: {dev_examples.summary()}")
        if self.requested.patience not in (AUTO, 0) and not dev_examples.rows:
            raise InputError(
                "patience needs development examples: give a development file, or a validation_split above 0"
            )
        self.examples, self.dev = examples, dev_examples
        self.distillation = self.unlabelled = None
        if teacher is not None:
            self.distillation, task.teacher_ = Distillation(task, teacher, unlabelled, examples, dev_examples), teacher
            self.unlabelled = self.distillation.unlabelled
        elif unlabelled is not None:
            raise InputError(
                "unlabelled texts need a teacher that answers them: give teacher (--teacher), or leave them out"
            )
        self.strategy = distribution.strategy(self.requested.device)
        if self.requested.ema_decay not in (AUTO, 0) and is_tpu(self.strategy):
            raise InputError("ema_decay reads all weights after each step, which is slow on a TPU: leave it out")

    # The plan ------------------------------------------------------------------------------------------------

    @distribution.explain_lost_worker
    def plan(self) -> None:
        """Loads the checkpoint, encodes the texts, resolves "auto" settings, and logs and checks the plan."""
        task = self.task
        with self._timed("load"):
            self.checkpoint = inputs.checkpoint_of(task)
        # Before TensorFlow computes anything, because it then has its threads.
        self.halves = halves.pays(self.requested, self.checkpoint.config, self.strategy)
        task.seen_ = np.unique(overlap.fingerprints(task, self.examples.rows))
        overlap.note(task, self.dev, task.seen_)
        if again := len(self.examples.rows) - len(task.seen_):
            self.examples.notes["duplicate text"] = again
        if self.unlabelled:
            task.seen_ = np.union1d(task.seen_, overlap.fingerprints(task, self.unlabelled.rows))
        task.tokenizer = task.new_tokenizer(self.checkpoint.vocabulary, self.checkpoint.cased)
        task.config = self.checkpoint.config
        # Computed before `encode` skips texts without a target, because the workers compare the rows that they received.
        rows = {"train": inputs.checksum_of_rows(self.examples), "dev": inputs.checksum_of_rows(self.dev)}
        with self._timed("teacher" if self.distillation else "tokenize"):
            encode = self.distillation.encode if self.distillation else functools.partial(inputs.encode, task)
            self.windows, self.lengths = encode(self.examples)
        with self._timed("tokenize"):
            self.encoded_dev = [task.encode(example) for example in self.dev.rows]
        self.dev.note(task, self.encoded_dev)
        self._resolve()
        decisive = {name: value for name, value in self.settings.as_dict().items() if name not in NOT_DECISIVE}
        self.identity = {
            "settings": decisive,
            "checkpoint": inputs.checksum_of_checkpoint(self.checkpoint),
            "rows": rows,
            "precision": self.precision,
        }
        if self.distillation:
            self.identity["distillation"] = self.distillation.identity()
        distribution.check_agreement(self.strategy, self.identity)
        self.used = embedding_subset.numbers(
            [x["Input-Token"] for x, _ in self.windows] + [w.ids for parts in self.encoded_dev for w in parts]
        )
        self.planned = plan.make_plan(
            task, self.examples, self.dev, self.windows, self.lengths, len(self.used), self.precision,
            self.strategy.num_replicas_in_sync, self.resume_dir, self.resolved,
            self.unlabelled,
        )  # fmt: skip

    def _resolve(self) -> None:
        """Replaces each "auto" in the settings of the task by a value."""
        task, hidden = self.task, self.checkpoint.config["hidden_size"]
        settings, found = defaults.resolve(
            self.requested, task.recipe, hidden, len(self.windows), bool(self.dev.rows), is_tpu(self.strategy)
        )
        self.precision, why = precision.choose(settings.precision, settings.encoder)
        log.info("computing in %s: %s", self.precision, why)
        tokens = [len(x["Input-Token"]) for x, _ in self.windows]
        found["compile"] = compiling.resolve_compile(
            settings, task.config, self.precision, task.first_only, self.strategy, tokens, self.halves
        )
        self.settings = task.settings = dataclasses.replace(settings, compile=found["compile"].value)
        self.resolved |= found | task.auto_settings()

    # Training ------------------------------------------------------------------------------------------------

    @distribution.explain_lost_worker
    def fit(self) -> None:
        """Fits the baseline, then trains the model; with `auto_micro_batches`, again if memory runs out."""
        self._fit_baseline()
        self.windows = [
            (x | {"Input-Token": embedding_subset.renumbered(x["Input-Token"], self.used)}, target)
            for x, target in self.windows
        ]
        self.encoded_dev = embedding_subset.encoded(self.encoded_dev, self.used)
        table = plan.run_with_retries(self.planned, self._attempt, self.settings.auto_micro_batches, self.resume_dir)
        with precision.computing(self.precision):
            model = self.task.build(encoder_of(self.task))
            self.task.model = embedding_subset.expand(self.task.model, table, self.used, model)

    def _attempt(self, micro_batches: int) -> np.ndarray:
        """Trains with this number of micro-batches; returns the embedding table of the checkpoint."""
        with self.strategy.scope():
            seeded(self.settings.seed)
        with self._timed("load"), precision.computing(self.precision):
            table = build(self)
        log.info(
            "training %d of %d token embeddings: the other tokens do not occur in the texts", len(self.used), len(table)
        )
        self.dev_score = Run(self, micro_batches).fit()
        return table

    def _fit_baseline(self) -> None:
        """Sets `baseline_` of the task, and `baseline`, its entry in the report."""
        task, began = self.task, time.perf_counter()
        task.baseline_ = task.baseline(self.examples.rows)
        if task.baseline_ is None:
            return
        about, scores = task.baseline_.about, {"dev": task.baseline_.scores(self.dev.rows)} if self.dev.rows else {}
        self.seconds["baseline"] = time.perf_counter() - began
        shown = "".join(f", dev {name} {value:.4f}" for name, value in scores.get("dev", {}).items())
        log.info("baseline: %s%s, %.1f s", about["name"], shown, self.seconds["baseline"])
        self.baseline = {"baseline": about | {"scores": scores}}

    # The report ----------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Sets `report_`, `errors_` and `answers_` of the task, and gives it the requested settings back."""
        task, history, best = self.task, self.dev_score.history, self.dev_score.best_report
        self.seconds["train"] = sum(epoch["seconds"] for epoch in history)
        self.seconds["evaluate"] = self.dev_score.seconds
        for note in task.tuning_notes():
            log.info(note)
        if best:
            self.dev.notes.update(best.examples.get("notes", {}))
            self.dev.locate(best)
        task.settings = self.requested
        more = {} if self.unlabelled is None else {"unlabelled": self.unlabelled.count()}
        task.errors_, task.answers_ = (best.errors, best.answers) if best else ([], [])
        checkpoint, shares = self.checkpoint, np.linspace(0, 1, 201)
        task.report_ = {
            "task": task.name,
            "settings": self.requested.as_dict(),
            "resolved": {name: dataclasses.asdict(each) for name, each in self.resolved.items()},
            "versions": versions(),
            "precision": self.precision,
            "plan": self.planned,
            "lengths": {"train": np.quantile(self.lengths, shares, method="nearest").tolist()},
            "checkpoint": {
                "name": checkpoint.name,
                "cased": checkpoint.cased,
                "sha256": self.identity["checkpoint"],
                "config": checkpoint.config,
            }
            | ({"hub": checkpoint.hub} if checkpoint.hub else {}),
            "scores": {"dev": best.scores} if best else {},
            "examples": {"train": self.examples.count(), "dev": self.dev.count()} | more,
            "history": history,
            "best_epoch": self.dev_score.best_epoch or len(history),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        } | self.baseline
        if self.distillation:
            task.report_["teacher"] = self.distillation.about(self.dev)
        task.report_["advice"] = advice(task.report_)

    @contextlib.contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
