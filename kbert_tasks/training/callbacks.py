"""Keras callbacks: mean loss, development score, progress bar, and the check of callbacks that users pass."""

import contextlib
import dataclasses
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from .._keras import keras2
from ..errors import InputError
from ..inference.predict import decoded
from ..metrics.classification import Report
from . import distribution

if TYPE_CHECKING:
    from .._keras import Callback, Model
    from ..tasks.base import Task
    from ..text.tokenizer import Encoded
    from .ema import Average

log = logging.getLogger("kbert_tasks")
Callback = keras2().callbacks.Callback


class Losses(Callback):
    """Puts the mean losses of the epoch so far into the logs, for the callbacks that follow.

    Keras cannot resume its own mean in the middle of an epoch.

    Args:
        rate: the learning rate, shown in the error message.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate, self.texts, self.seconds = rate, 0, 0.0
        self.sums: dict[str, float] = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.perf_counter() - self.seconds

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        if not math.isfinite(logs["loss"]):
            raise InputError(f"the loss is not finite: learning_rate {self.rate:.3g} is too high; use a tenth of it")
        texts = int(logs["texts"])
        self.texts += texts
        for name in logs.keys() - {"texts"}:
            self.sums[name] = self.sums.get(name, 0.0) + texts * float(logs[name])
        logs.update(self._means())
        self.seconds = time.perf_counter() - self._began

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        logs.update(self._means(), seconds=round(self.seconds, 3))
        self.sums, self.texts, self.seconds = {}, 0, 0.0

    def _means(self) -> dict[str, float]:
        return {name: value / self.texts for name, value in self.sums.items()}


class DevScore(Callback):
    """Scores the development examples after each epoch and keeps the weights of the best epoch.

    Scoring uses the same code as prediction. Each score is added to the logs of the epoch, for the callbacks that follow:
    `dev_accuracy` for the score `accuracy`, and so on. `finish` restores the weights of the best epoch: the epoch with the
    best score, and among equal scores the one with the lowest development loss.

    Args:
        task: a task with its model.
        examples, encoded: the development examples.
        average: an `Average` whose weights are scored and kept instead of the model's own, or None.
        keep_last: whether the weights of the last epoch are kept too, because other callbacks may change them.

    Attributes:
        history: for each epoch a dict with `epoch`, `loss`, `dev` (scores) and `seconds` (training time only).
        best_epoch: number of the best epoch, counted from 1.
        best_report: the development Report of that epoch.
        seconds: time spent on scoring.
    """

    def __init__(
        self,
        task: "Task[Any]",
        examples: Sequence[Any],
        encoded: "Sequence[Sequence[Encoded]]",
        average: "Average | None" = None,
        keep_last: bool = False,
    ) -> None:
        super().__init__()
        self.keep_last = keep_last
        self.task, self.examples, self.encoded, self.average = task, examples, encoded, average
        self.history: list[dict[str, Any]] = []
        self.seconds = 0.0
        self.best_epoch: int | None = None
        self.best_report: Report | None = None
        self.best: list[float] | None = None
        self.best_weights: list[np.ndarray] | None = None
        self.best_learned: dict[str, Any] | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        entry: dict[str, Any] = {"epoch": epoch + 1, "loss": float(logs["loss"]), "seconds": logs["seconds"]}
        if parts := {
            name.removesuffix("_loss"): float(value) for name, value in logs.items() if name.endswith("_loss")
        }:
            entry["losses"] = parts
        if self.examples:
            began = time.perf_counter()
            with self.average.shown() if self.average else contextlib.nullcontext():
                self._score(entry, logs)
            self.seconds += time.perf_counter() - began
        self.history.append(entry)
        shown = "".join(f", dev {name} {value:.4f}" for name, value in entry.get("dev", {}).items())
        losses = ", ".join(f"{name} {value:.4f}" for name, value in entry.get("losses", {}).items())
        losses = f" ({losses})" if losses else ""
        log.info("epoch %d: loss %.4f%s%s, %.1f s", epoch + 1, entry["loss"], losses, shown, entry["seconds"])
        # `stops` comes first, because all machines have to compute it. A user's callback may have stopped within the epoch.
        self.model.stop_training = self.stops or self.model.stop_training
        zeros = [each["epoch"] for each in self.history if each.get("dev", {}).get("f1") == 0]
        last = self.model.stop_training or entry["epoch"] == self.task.settings.epochs
        if zeros == [entry["epoch"]] and not last:
            log.info("an F1 of 0 is usual in the first epochs, as long as the loss falls")

    def _score(self, entry: dict[str, Any], logs: dict[str, Any]) -> None:
        task = self.task
        candidates = decoded(task, self.examples, self.encoded, training=True)
        task.tune(self.examples, candidates)
        report = task.score_candidates(self.examples, self.encoded, candidates)
        entry["dev"] = report.numbers()
        known = [answer["loss"] for answer in report.answers if answer["loss"] is not None]
        entry["dev_loss"] = sum(known) / len(known) if known else None
        logs |= {f"dev_{name}": value for name, value in entry["dev"].items()}
        if entry["dev_loss"] is not None:
            logs["dev_loss"] = entry["dev_loss"]
        score = report[task.MAIN_SCORE] or 0.0
        # While the score is 0, a lower loss is better.
        found = [
            score,
            -entry["loss"] if score == 0 else 0.0,
            -math.inf if entry["dev_loss"] is None else -entry["dev_loss"],
        ]
        if self.best is None or found > self.best:
            self.best, self.best_epoch, self.best_report = found, entry["epoch"], report
            last = entry["epoch"] == task.settings.epochs and not self.average and not self.keep_last
            self.best_weights = None if last else self.model.get_weights()
            self.best_learned = {name: getattr(task, name) for name in task.LEARNED}

    @property
    def stops(self) -> bool:
        """Whether training stops early: the score has not improved for `patience` epochs.

        With several machines the first one decides, because scores can differ slightly between machines.
        """
        patience = self.task.settings.patience
        if not (patience and self.history and self.best_epoch):
            return False
        return distribution.as_chief(self.model, len(self.history) - self.best_epoch >= patience)

    def finish(self) -> None:
        if self.best_weights is not None:  # also after the last epoch: a user's callback may have changed the weights
            self.model.set_weights(self.best_weights)
        elif self.average:
            self.average.take()
        for name, value in (self.best_learned or {}).items():
            setattr(self.task, name, value)
        self.best_weights = None

    NUMBERS = ("history", "best_epoch", "best", "best_learned", "seconds")

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Returns the state as a dict for JSON and a dict of arrays."""
        state = {name: getattr(self, name) for name in self.NUMBERS}
        state["best_report"] = dataclasses.asdict(self.best_report) if self.best_report else None
        return state, {f"best/{i}": array for i, array in enumerate(self.best_weights or ())}

    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        for name in self.NUMBERS:
            setattr(self, name, state[name])
        self.best_report = Report(**state["best_report"]) if state["best_report"] else None
        self.best_weights = [arrays[f"best/{i}"] for i in range(len(arrays))] or None


class Copied(Callback):
    """Copies the weights of the trained model to another model after each epoch.

    Args:
        trained: the model in training.
        other: a model with the same layer names, used for prediction on another device.
    """

    def __init__(self, trained: "Model", other: "Model") -> None:
        super().__init__()
        self.trained, self.other = trained, other

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.copy()

    def copy(self) -> None:
        for layer in self.other.layers:
            layer.set_weights(self.trained.get_layer(layer.name).get_weights())


class ProgressBar(Callback):
    """Shows a progress bar with the remaining time for each epoch, on a terminal or in a notebook only.

    Args:
        steps: number of steps in an epoch.
        done: number of steps of the first epoch that are already completed.
    """

    def __init__(self, steps: int, done: int = 0) -> None:
        super().__init__()
        self.steps, self.done = steps, done

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        name = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._bar = tqdm(total=self.steps, initial=self.done, desc=name, unit="batch", disable=None, leave=False)
        self.done = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        self._bar.update()
        if batch % 10 == 0:
            self._bar.set_postfix(loss=f"{logs['loss']:.4f}", refresh=False)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._bar.close()


def checked(callbacks: "Callback | Sequence[Callback]") -> "list[Callback]":
    """Returns the callbacks that a user passed to `fit`, as a list.

    Raises:
        InputError: one of them is not a callback of the Keras that this package uses.
    """
    callbacks = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    for place, each in enumerate(callbacks):
        if isinstance(each, type) and issubclass(each, Callback):
            raise InputError(f"callbacks[{place}] is the class {each.__name__}: give an object, {each.__name__}(...)")
        if each is None:
            raise InputError(f"callbacks[{place}] is None: give a tf_keras.callbacks.Callback, or leave callbacks out")
        if not isinstance(each, Callback):
            raise InputError(
                f"callbacks[{place}] should be a tf_keras.callbacks.Callback, found {type(each).__module__}."
                f"{type(each).__qualname__}: import callbacks from tf_keras (Keras 2), which this package trains with"
            )
    return callbacks
