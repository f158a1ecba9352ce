"""One trial: a training with the development score only, which is pruned if it falls behind earlier trials."""

import gc
import logging
import time
import warnings
from typing import TYPE_CHECKING, Any

from .._keras import keras2
from ..errors import InputError
from ..training.resume import delete
from .study import PROBLEM, Claim

if TYPE_CHECKING:
    import optuna

    from ..data.examples import Examples
    from ..tasks.base import Task
    from .study import Study

log = logging.getLogger("kbert_tasks")
Callback: Any = keras2().callbacks.Callback
SHOWN = ("callbacks", "backup", "study", "trial", "search")  # modules whose messages are logged during a trial


class Pruning(Callback):
    """Reports the development score of each epoch to Optuna, and ends the training if Optuna prunes the trial.

    Args:
        trial: the Optuna trial.
        score: name of the score in the logs, such as "dev_accuracy".
        prunes: whether the trial may be pruned.

    Raises:
        optuna.TrialPruned: the trial is pruned.
    """

    def __init__(self, trial: "optuna.Trial", score: str, prunes: bool) -> None:
        super().__init__()
        self.trial, self.score, self.prunes = trial, score, prunes

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        import optuna

        with warnings.catch_warnings():
            # After an interruption, an epoch can be reported again.
            warnings.filterwarnings("ignore", "The reported value is ignored")
            self.trial.report(float((logs or {}).get(self.score, 0.0)), epoch + 1)
        last = epoch + 1 == self.params["epochs"] or self.model.stop_training
        if self.prunes and not last and self.trial.should_prune():
            raise optuna.TrialPruned


def run_trial(
    study: "Study", claim: Claim, task: "Task[Any]", train: "Examples", dev: "Examples", prunes: bool
) -> None:
    """Trains with the settings of a trial and stores its development score in the study.

    If the training is interrupted, the trial stays as it is, and the next search on the study continues it.

    Args:
        study: the Study.
        claim: the trial.
        task: a task with the requested settings; it is not changed.
        train, dev: the training and development Examples.
        prunes: whether the trial may be pruned.

    Raises:
        InputError: the trial with the automatic settings failed, so that the others would fail too.
    """
    import optuna

    states, trial = optuna.trial.TrialState, claim.trial
    quiet = {"baseline": False} if "baseline" in task.settings.as_dict() else {}  # it is the same in each trial
    began, score = time.perf_counter(), None
    try:
        one = type(task)(**task.get_params() | claim.values | quiet)
        callback = Pruning(trial, f"dev_{task.MAIN_SCORE}", prunes)
        with _only_progress():
            one.fit(train, dev=dev, resume_dir=claim.folder, callbacks=[callback])
        score = float(one.report_["scores"]["dev"][task.MAIN_SCORE] or 0.0)
        trial.set_user_attr("best_epoch", one.report_["best_epoch"])
        trial.set_user_attr("epochs", len(one.report_["history"]))
        state, said = states.COMPLETE, f"{task.MAIN_SCORE} {score:.4f}"
    except optuna.TrialPruned:
        state, said = states.PRUNED, "pruned, because its score was below that of three quarters of the earlier trials"
    except InputError as problem:
        if claim.is_default:
            raise
        trial.set_user_attr(PROBLEM, str(problem))
        state, said = states.FAIL, f"failed: {problem}"
    trial.set_user_attr("seconds", round(time.perf_counter() - began, 1))
    study.study.tell(trial, score, state)
    log.info("trial %d: %s", trial.number, said)
    delete(claim.folder)
    gc.collect()  # the model of a trial that was pruned is in a circle of references


class _only_progress:
    """Hides the plan of each trial inside the block: it logs only the epochs, and warnings."""

    def __enter__(self) -> None:
        log.addFilter(self._shown)

    def __exit__(self, *_: object) -> None:
        log.removeFilter(self._shown)

    @staticmethod
    def _shown(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or record.module in SHOWN
