"""A study: the trials of a search in an SQLite file, which several processes can work on and which survives a kill.

Each running trial holds a lock, which the operating system releases if its process is killed. A running trial whose lock is
free was interrupted: it is queued again with the same settings, and its training resumes from its last save.
"""

import contextlib
import logging
import os
import sqlite3
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..disk import unwritable
from ..errors import InputError
from ..lock import locked
from ..saving.folder import TASK
from .space import Space

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

log = logging.getLogger("kbert_tasks")

FILE, NAME = "study.db", "kbert-search"
IDENTITY, FINAL = "identity", "final"  # attributes of the study
# Attributes of a trial: the searched settings of the one with the automatic settings; why a trial failed; for a trial that
# continues an interrupted one, its number, its development scores so far, and the number of the first attempt.
DEFAULTS, PROBLEM, CONTINUES, REPORTED, FIRST = "defaults", "problem", "continues", "reported", "first"
PATIENCE = 60.0  # seconds to wait for another process that uses the file; it does so for a fraction of a second
# A trial is not pruned before this epoch, because averaged weights lag behind in the first one, nor compared with fewer
# than this number of trials.
PRUNED_FROM, COMPARED = 2, 3
# Percentage of the complete trials that a trial must not fall behind. With the median, 10 of the 13 searched trials of
# benchmarks/search.md were pruned, one of them within a point of the best trial at the same epoch.
KEPT = 75.0


@dataclass(frozen=True)
class Claim:
    """A trial that this process runs.

    Attributes:
        trial: the Optuna trial.
        values: dict of the name of a setting to the value of this trial.
        folder: folder for the progress of its training.
        is_default: whether it is the trial with the automatic settings.
    """

    trial: "optuna.Trial"
    values: dict[str, Any]
    folder: Path
    is_default: bool


class Study:
    """The trials in a folder.

    Args:
        folder: the folder; it is created if necessary.
        space: the Space.
        identity: dict of everything that must be the same in all trials, as texts.
        automatic: dict of the settings in `space` to their automatic values, for the first trial.
        seed: seed of the search.

    Raises:
        InputError: the folder has the study of another search or a damaged file, or cannot be written.
    """

    def __init__(
        self, folder: Path, space: Space, identity: Mapping[str, str], automatic: Mapping[str, Any], seed: int
    ) -> None:
        self.folder, self.space, self.automatic, self.seed = folder, space, dict(automatic), seed
        self.file = folder / FILE
        _check_folder(folder)
        with self.alone():
            self.study = opened(self.file)
            known = self.study.user_attrs.get(IDENTITY)
            if known not in (None, dict(identity)) and self._is_empty():
                log.info(
                    "no trial in %s has a score, and the files or the settings have changed: starting over", folder
                )
                self.file.unlink()
                self.study, known = opened(self.file), None
            if known is None:
                values = {name: automatic[name] for name, each in space.items() if automatic.get(name) in each}
                self.study.enqueue_trial(values, {DEFAULTS: [*values]}, skip_if_exists=True)
                self.study.set_user_attr(IDENTITY, dict(identity))
            elif known != dict(identity):
                names = [name for name in {**identity, **known} if identity.get(name) != known.get(name)]
                raise InputError(
                    f"{folder} contains a search with other values of {', '.join(names)}: use the same files and settings, "
                    "or choose another folder with --output"
                )

    # Trials --------------------------------------------------------------------------------------------------

    def trials(self) -> "list[FrozenTrial]":
        """Returns all trials that have begun, in their order, without those that were interrupted and queued again."""
        trials = self.study.get_trials(deepcopy=False)
        again = {each.user_attrs.get(CONTINUES) for each in trials}
        return [each for each in trials if each.number not in again and each.state.name != "WAITING"]

    def best(self) -> "FrozenTrial | None":
        """Returns the complete trial with the highest score, the first one among equal scores."""
        complete = [each for each in self.trials() if each.state.name == "COMPLETE"]
        return max(complete, key=lambda each: (each.value, -each.number), default=None)

    def settings_of(self, trial: "FrozenTrial") -> dict[str, Any]:
        """Returns the searched settings of a trial; {} for the trial with the automatic settings."""
        return {} if is_default(trial) else dict(trial.user_attrs["values"])

    def _is_empty(self) -> bool:
        """Returns whether there is nothing to keep: no trial has a score, and none is running."""
        return (
            not any(each.state.name in ("COMPLETE", "PRUNED") for each in self.trials()) and not self.runs_elsewhere()
        )

    def runs_elsewhere(self) -> bool:
        """Returns whether another process runs a trial of this study."""
        return any(each.state.name == "RUNNING" and not is_free(self._place(each)) for each in self.trials())

    @contextlib.contextmanager
    def claim(self, most: int | None) -> "Iterator[Claim | None]":
        """Begins a trial and holds its lock; yields None if the study has `most` trials.

        A trial that was interrupted comes first.
        """
        with contextlib.ExitStack() as stack:
            with self.alone():
                self._recover()
                number = len(self.trials())
                claim = None if most is not None and number >= most else self._begun(number)
                if claim:
                    stack.enter_context(locked(claim.folder))
            yield claim

    def _begun(self, number: int) -> Claim:
        import optuna

        # The seed depends on the trial, so that processes and resumed searches do not repeat one another's values.
        self.study.sampler = optuna.samplers.TPESampler(seed=(self.seed * 1_000_003 + number) % 2**32)
        trial = self.study.ask()
        # An automatic value that is not in the space is not a value of the trial with the automatic settings.
        names = trial.user_attrs.get(DEFAULTS, self.space)
        values = {name: each.suggest(trial, name) for name, each in self.space.items() if name in names}
        trial.set_user_attr("values", values)
        for epoch, score in trial.user_attrs.get(REPORTED, {}).items():
            trial.report(score, int(epoch))
        return Claim(trial, {} if is_default(trial) else values, self._place(trial), is_default(trial))

    def _recover(self) -> None:
        """Queues the trials of killed processes again."""
        import optuna

        for each in self.trials():
            if each.state.name == "RUNNING" and is_free(self._place(each)):
                attributes: dict[str, Any] = {CONTINUES: each.number, REPORTED: each.intermediate_values}
                attributes[FIRST] = each.user_attrs.get(FIRST, each.number)
                if is_default(each):
                    attributes[DEFAULTS] = each.user_attrs[DEFAULTS]
                # Queued first: if this process is killed here, the trial is only run twice.
                self.study.enqueue_trial(each.params, attributes)
                self.study.tell(each.number, state=optuna.trial.TrialState.FAIL)
                log.info("trial %d was interrupted and is continued", each.number)

    def _place(self, trial: "FrozenTrial | optuna.Trial") -> Path:
        return self.folder / f"trial-{trial.user_attrs.get(FIRST, trial.number)}"

    # The end -------------------------------------------------------------------------------------------------

    @property
    def final(self) -> dict[str, Any]:
        """The number of the trial that was trained at the end, and its scores; {} before."""
        return dict(self.study.user_attrs.get(FINAL, {}))

    def set_final(self, trial: "FrozenTrial", scores: Mapping[str, Any]) -> None:
        self.study.set_user_attr(FINAL, {"trial": trial.number, "scores": dict(scores)})

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Holds the lock of the study, after waiting for other processes."""
        with contextlib.ExitStack() as stack:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    stack.enter_context(locked(self.file))
                    break
                except InputError:
                    if time.monotonic() > until:
                        raise
                time.sleep(0.1)
            yield


def is_default(trial: "FrozenTrial | optuna.Trial") -> bool:
    """Returns whether a trial has the automatic settings."""
    return DEFAULTS in trial.user_attrs


def _check_folder(folder: Path) -> None:
    """Creates the folder of a study; raises InputError if it cannot be written or contains something else."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} cannot be written: choose another folder with --output")
    if (folder / TASK).exists():
        raise InputError(f"{folder} contains a trained task: choose another folder for the search with --output")


def is_free(place: Path) -> bool:
    """Returns whether no other process holds the lock of a folder."""
    try:
        with locked(place):
            return True
    except InputError:
        return False


def opened(file: Path) -> "optuna.Study":
    """Opens the file of a study, or creates it.

    Raises:
        InputError: the file is not a study, or cannot be written.
    """
    import optuna
    import sqlalchemy

    # Not as an address, in which characters such as ? and { would have a meaning.
    engine = {
        "creator": lambda: sqlite3.connect(file, timeout=PATIENCE, check_same_thread=False),
        "poolclass": sqlalchemy.pool.NullPool,
    }
    pruner = optuna.pruners.PercentilePruner(KEPT, n_startup_trials=COMPARED, n_warmup_steps=PRUNED_FROM)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            storage = optuna.storages.RDBStorage("sqlite://", engine)
            return optuna.create_study(
                storage=storage, study_name=NAME, direction="maximize", load_if_exists=True, pruner=pruner
            )
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as error:
        reason = str(getattr(error, "orig", error)).split("\n")[0]
        raise InputError(
            f"{file} cannot be opened as a study ({reason}): delete it, or choose another folder with --output"
        ) from None
    finally:
        optuna.logging.set_verbosity(verbosity)
