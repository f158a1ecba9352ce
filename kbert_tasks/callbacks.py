"""Keras callbacks: the development score, and progress."""

import logging
import time

from tqdm.auto import tqdm

from ._keras import keras2
from .inference import decoded

log = logging.getLogger("kbert_tasks")
Callback = keras2().callbacks.Callback


class DevScore(Callback):
    """Scores the development examples after each epoch, by the same code that predicts, and keeps the best epoch.

    Puts the task's main score (while it is 0, the negative loss) into the epoch's logs as `dev`, for callbacks that come
    later, such as EarlyStopping.
    When training ends the model has the weights of the best epoch (the first of equals).

    Attributes:
        history: per epoch `epoch`, `loss`, `dev` (scores), `seconds` (of training alone).
        best_epoch: from 1.
        best_report: the development Report of that epoch.
        seconds: spent on scoring.
    """

    def __init__(self, task, examples, encoded):
        super().__init__()
        self.task, self.examples, self.encoded = task, examples, encoded
        self.history, self.best_epoch, self.best_report, self.seconds = [], None, None, 0.0
        self._best = self._best_weights = None

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        ended = time.perf_counter()
        entry = {"epoch": epoch + 1, "loss": float(logs["loss"]), "seconds": round(ended - self._began, 3)}
        if parts := {
            name.removesuffix("_loss"): float(value) for name, value in logs.items() if name.endswith("_loss")
        }:
            entry["losses"] = parts
        if self.examples:
            possible = decoded(self.task, self.examples, self.encoded)
            self.task.tune(self.examples, possible)
            report = self.task.judge(self.examples, possible)
            entry["dev"] = report.numbers()
            # As long as nothing is right a lower loss is better.
            logs["dev"] = report[self.task.MAIN_SCORE] or -entry["loss"]
            if self._best is None or logs["dev"] > self._best:
                self._best = logs["dev"]
                self.best_epoch, self.best_report = epoch + 1, report
                last = epoch + 1 == self.params["epochs"]
                self._best_weights = None if last else self.model.get_weights()
                self._best_learned = {name: getattr(self.task, name) for name in self.task.LEARNED}
            self.seconds += time.perf_counter() - ended
        self.history.append(entry)
        shown = "".join(f", dev {name} {value:.4f}" for name, value in entry.get("dev", {}).items())
        parts = ", ".join(f"{name} {value:.4f}" for name, value in entry.get("losses", {}).items())
        parts = f" ({parts})" if parts else ""
        log.info("epoch %d: loss %.4f%s%s, %.1f s", epoch + 1, entry["loss"], parts, shown, entry["seconds"])
        if "dev" in entry and entry["dev"].get("f1") == 0:
            log.info("an F1 of 0 is usual in the first epochs, as long as the loss falls")

    def on_train_end(self, logs=None):
        if self._best_weights is not None and self.best_epoch != len(self.history):
            self.model.set_weights(self._best_weights)
            for name, value in self._best_learned.items():
                setattr(self.task, name, value)
        self._best_weights = None


class Progress(Callback):
    """A bar for each epoch, with the time left, on a terminal or in a notebook; nothing elsewhere."""

    def on_epoch_begin(self, epoch, logs=None):
        name = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._bar = tqdm(total=self.params["steps"], desc=name, unit="batch", disable=None, leave=False)

    def on_train_batch_end(self, batch, logs=None):
        self._bar.update()
        if batch % 10 == 0:
            self._bar.set_postfix(loss=f"{logs['loss']:.4f}", refresh=False)

    def on_epoch_end(self, epoch, logs=None):
        self._bar.close()
