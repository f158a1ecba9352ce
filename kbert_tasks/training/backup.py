"""Backup: the Keras callback that saves the progress of a training and resumes from it."""

import logging
import time
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._keras import keras2, tensorflow
from . import distribution
from .resume import Progress, temporary_folder

if TYPE_CHECKING:
    from .._keras import Model
    from .callbacks import DevScore, Losses
    from .ema import Average

log = logging.getLogger("kbert_tasks")
Callback: Any = keras2().callbacks.Callback


class Backup(Callback):
    """Saves the progress after each epoch and every `save_minutes`, and resumes from saved progress.

    With several machines, the first one writes the progress and all of them read it, so they must share the folder.

    Args:
        folder: folder for the progress, or None to save nothing.
        identity: dict (JSON) of everything that determines the result.
        model: the compiled model.
        average, losses, dev_score: the other callbacks that have a state; `average` may be None.

    Attributes:
        step: number of completed steps.
        stopped: whether the training was stopped early, by `patience` or by another callback.
    """

    def __init__(
        self,
        folder: str | PathLike[str] | None,
        identity: dict[str, Any],
        model: "Model",
        average: "Average | None",
        losses: "Losses",
        dev_score: "DevScore",
    ) -> None:
        super().__init__()
        self.step, self.losses, self.dev_score = 0, losses, dev_score
        self.progress: Progress | None = None
        self.stopped = False
        # A resumed run that is already finished needs the model, although Keras never sets it.
        dev_score.set_model(model)
        if folder is None:
            return
        folder = Path(folder).resolve()
        parts = {"model": model, "optimizer": model.optimizer, "generator": tensorflow().random.get_global_generator()}
        if average:
            parts |= {"averages": average.averages, "averaged": average.steps}
        advice = f"delete {folder} (kbert-train --no-resume) to start over"
        self.progress = Progress(folder, temporary_folder(folder), identity, advice, **parts)
        self.every, self.saved = dev_score.task.settings.save_minutes * 60, time.monotonic()
        if found := self.progress.read():
            state, arrays = found
            self.step = state["step"]
            self.stopped = state["stopped"]
            losses.sums, losses.texts, losses.seconds = state["losses"]
            dev_score.restore(state["dev_score"], arrays)
            log.info("resuming after step %d, from %s", self.step, folder)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.step += 1
        ends = batch + 1 == self.params["steps"]  # on_epoch_end saves after the epoch is scored
        if self.progress and not ends and time.monotonic() - self.saved > self.every:
            self._save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.stopped = bool(self.model.stop_training)
        if self.progress:
            self._save()

    def _save(self) -> None:
        if self.progress and distribution.chief():
            state, arrays = self.dev_score.state()
            losses = [self.losses.sums, self.losses.texts, self.losses.seconds]
            state = {"step": self.step, "stopped": self.stopped, "losses": losses, "dev_score": state}
            self.progress.write(state, arrays)
        self.saved = time.monotonic()
