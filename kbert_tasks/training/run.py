"""Run: builds the model of a Trainer and trains it with `keras.Model.fit`."""

import contextlib
import functools
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import is_tpu, tensorflow
from ..data.batches import training_batches
from ..encoder import precision
from ..encoder.loading import build_encoder, load_trained_model_from_checkpoint
from . import compiling, distribution, embedding_subset, optimizers
from .checks import check_task

if TYPE_CHECKING:
    from tensorflow.distribute import Strategy

    from .._keras import Model
    from ..tasks.base import Task
    from .callbacks import Copied, DevScore
    from .trainer import Trainer

log = logging.getLogger("kbert_tasks")


def build(trainer: "Trainer") -> np.ndarray:
    """Sets the model of the task with only the used embedding rows; returns the whole table (vocabulary, hidden)."""
    from ..encoder.pooling import fill_pooler

    task, settings, checkpoint = trainer.task, trainer.settings, trainer.checkpoint
    encoder = load_trained_model_from_checkpoint(
        checkpoint.config_file, checkpoint.checkpoint_file, encoder=settings.encoder, first_only=task.first_only
    )
    with trainer.strategy.scope():
        encoder, table = embedding_subset.restrict(
            encoder, trainer.used, lambda number: encoder_of(task, vocab_size=number)
        )
        for layer in encoder.layers:
            number = optimizers.numbered(layer.name)
            layer.trainable = number is None or not settings.freeze_layers or number > settings.freeze_layers
            if hasattr(layer, "longest"):
                layer.longest = settings.max_length
        compiling.set_compiled(encoder, settings.compile)
        task.model = task.build(encoder)
        fill_pooler(task.model, checkpoint.pooler())
    return table


def encoder_of(task: "Task[Any]", **changes: Any) -> "Model":
    """Returns a new encoder for the task, with changes to its config."""
    return build_encoder(task.config | changes, task.settings.encoder, first_only=task.first_only)


class Run:
    """One training of the model of a Trainer, with its callbacks.

    Args:
        trainer: a Trainer whose task has a model.
        micro_batches: number of parts of a batch that are computed one after the other.
    """

    def __init__(self, trainer: "Trainer", micro_batches: int) -> None:
        from .backup import Backup
        from .callbacks import DevScore, Losses
        from .ema import Average
        from .step import Stepped
        from .tensorboard import TensorBoard

        task, settings, strategy, identity = trainer.task, trainer.settings, trainer.strategy, trainer.identity
        self.settings, self.strategy, self.micro_batches = settings, strategy, micro_batches
        self.batches = functools.partial(
            training_batches, trainer.windows, task.sample_target, settings.batch_size, settings.seed, settings.epochs
        )
        _, self.steps = self.batches()
        with strategy.scope():
            self.model = model = Stepped(task.model, micro_batches, settings.fgm_epsilon, trainer.halves)
            optimizer = optimizers.build_optimizer(
                settings, self.steps * settings.epochs, [layer.name for layer in model.layers]
            )
            optimizer = optimizers.with_slots(precision.scaled(optimizer, trainer.precision), model.trainable_weights)
            model.compile(optimizer, task.loss())
        if not is_tpu(strategy):
            check_task(task, model, trainer.windows)
        self.copies = _prediction_copies(task, model, trainer.precision, strategy)
        average = Average(model.trainable_weights, settings.ema_decay) if settings.ema_decay else None
        losses = Losses(settings.learning_rate)
        self.dev_score = DevScore(task, trainer.dev.rows, trainer.encoded_dev, average, bool(trainer.callbacks))
        self.backup = Backup(trainer.resume_dir, identity, model, average, losses, self.dev_score)
        events = TensorBoard(settings.tensorboard, identity, self.dev_score, resumed=self.backup.step > 0)
        first = (*[average] * bool(average), losses, *self.copies, self.dev_score, events)
        # The backup comes after the user's callbacks, because it saves whether one of them has stopped the training.
        self.callbacks = [*first, *trainer.callbacks, self.backup]
        distribution.check_agreement(strategy, {"progress": self.backup.step})
        log.info("training on %d texts or windows of texts, %d steps per epoch", len(trainer.windows), self.steps)

    def fit(self) -> "DevScore":
        """Trains all epochs that are not done yet; returns the DevScore."""
        from .callbacks import ProgressBar

        # If a run was interrupted within an epoch, the first iteration completes that epoch.
        for _ in range(2):
            epoch, done = divmod(self.backup.step, self.steps)
            if epoch >= self.settings.epochs or self.backup.stopped:
                break
            rest = functools.partial(self.batches, self.backup.step)
            dataset = distribution.distributed(
                self.strategy, rest, self.settings.batch_size, self.micro_batches, self.settings.max_length
            )
            with _without_advice():
                self.model.fit(
                    dataset,
                    initial_epoch=epoch,
                    epochs=epoch + 1 if done else self.settings.epochs,
                    steps_per_epoch=self.steps - done,
                    callbacks=[*self.callbacks, ProgressBar(self.steps, done)],
                    verbose=0,
                )
        self.dev_score.finish()
        for each in self.copies:
            each.copy()
        return self.dev_score


def _prediction_copies(task: "Task[Any]", model: "Model", computed_in: str, strategy: "Strategy") -> "list[Copied]":
    """On a TPU, gives the task a second model for prediction and returns [the callback that copies the weights].

    The model on a TPU accepts only one input shape. On other devices the function returns an empty list.
    """
    from .callbacks import Copied

    if not is_tpu(strategy):
        return []
    with precision.computing(computed_in):
        number = model.get_layer(embedding_subset.TABLE).get_weights()[0].shape[0]
        task.model = task.build(encoder_of(task, vocab_size=number))
    return [Copied(model, task.model)]


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Hides warnings inside the block that a user can do nothing about.

    Keras warns if callbacks take longer than a step, which is normal for a tiny model. TensorFlow warns about retracing
    after a few trainings in one process, because each training traces its step.
    """
    logger = tensorflow().get_logger()

    def other(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return "is slow compared to the batch time" not in message and "triggered tf.function retracing" not in message

    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)
