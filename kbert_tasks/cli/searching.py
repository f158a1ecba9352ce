"""kbert-search: finds the best settings by development scores, then trains, tests and saves a task with them."""

import argparse
import contextlib
import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..lock import locked
from . import fit, options
from .arguments import add_options, arguments_of
from .command import Parser, command
from .files import Files, read_files, recorded, report_changes, task_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from ..configuration.reading import Configuration
    from ..searching.search import Prepared
    from ..searching.study import Study
    from ..tasks.base import Task

OUTPUT, BEST = "runs/search", "best"
# Options of kbert-train that a search does not have.
NOT_GIVEN = dict.fromkeys(("seeds", "folds", "learning_curve", "teacher", "unlabelled")) | {"no_resume": False}


@command
def search(argv: Sequence[str]) -> None:
    checks = {"trials": lambda value: _above(value, "trials"), "minutes": lambda value: _above(value, "minutes")}
    kind, arguments, configuration = arguments_of(argv, _parser, checks, "kbert-search")
    for name, check in checks.items():
        if getattr(arguments, name) is not None:
            check(getattr(arguments, name))
    from ..searching.search import check_installed, prepared, run_trials
    from ..searching.space import space_text

    check_installed()
    folder = Path(arguments.output or OUTPUT)
    with contextlib.redirect_stdout(sys.stderr) if arguments.print_space else contextlib.nullcontext():
        task = task_of(kind, arguments)
        files = read_files(task, arguments)
    if configuration:
        report_changes(task, configuration, files.sources)
    fixed = _fixed(kind, arguments, configuration)
    found = prepared(task, files.examples["train"], files.examples.get("dev"), arguments.space, fixed)
    if arguments.print_space:
        print(space_text(found.space), end="")
        return
    study = run_trials(found, folder, arguments.trials, arguments.minutes, arguments.pruning)
    print(_end(study, found))
    best = study.best()
    if study.runs_elsewhere() or best is None:
        print("other processes still run trials: the last one trains and tests the best setting")
        return
    # The settings that were searched, and the share of development texts, which every trial used.
    chosen = found.task.settings.as_dict() | study.settings_of(best)
    given = argparse.Namespace(**vars(arguments) | chosen | NOT_GIVEN)
    _write_run(found, study, given, task.checkpoint, files)
    _train_best(study, best, kind, given, shlex.join(["kbert-search", *argv]))
    from ..searching.writing import write

    write(study, found)


def _parser(task: "type[Task[Any]]") -> Parser:
    parser = Parser(
        prog="kbert-search",
        description="Search for the settings with the best development score, then train a task with them, test it once and "
        "save it. Settings that are given as options are not searched.",
        epilog="Options of the other tasks: kbert-search --task NAME --help",
    )
    parser.add_argument(
        "--space",
        metavar="F",
        help="YAML or JSON file with the settings to search (default: learning rate, epochs, batch size, warm-up, dropout, "
        "layer-wise learning rates, moving average, FGM and, for classification, pooling)",
    )
    parser.add_argument("--print-space", action="store_true", help="print the space as a YAML file, and end")
    parser.add_argument(
        "--trials",
        type=int,
        metavar="N",
        help="number of trials of the study, with those of earlier runs of this command (default 20, without --minutes)",
    )
    parser.add_argument(
        "--minutes", type=float, metavar="X", help="begin no trial later than X minutes after the start of this command"
    )
    parser.add_argument(
        "--pruning",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="end a trial early if its development score is below that of three quarters of the earlier trials (default)",
    )
    add_options(
        parser,
        task,
        f"folder of the search (default {OUTPUT}); the same command resumes it, also in several processes at a time",
    )
    return parser


def _above(value: float, name: str) -> None:
    if not value > 0:
        raise InputError(f"{name} should be above 0, not {value}")


def _fixed(
    kind: "type[Task[Any]]", arguments: argparse.Namespace, configuration: "Configuration | None"
) -> frozenset[str]:
    """Returns the names of the settings that are given: on the command line, or in a file with another value than default.

    The default values in a file do not count, because run.yaml of a saved folder contains all settings.
    """
    defaults = {each.name: each.default for each in dataclasses.fields(kind.Settings)}
    listed = configuration.values if configuration else {}
    given = options.given(arguments, kind.Settings)
    return frozenset(name for name, value in given.items() if not (name in listed and value == defaults[name]))


def _end(study: "Study", found: "Prepared") -> str:
    from ..searching.table import console_text, values_text
    from ..searching.writing import PAGE

    best, score = study.best(), found.task.MAIN_SCORE
    lines = [console_text(study)]
    if best is not None:
        values = study.settings_of(best)
        lines.append(f"best trial: {best.number}, {score} {best.value:.4f} on the development texts")
        lines.append(f"  {values_text(values)}" if values else "  the automatic settings")
    return "\n".join([*lines, f"Page of the search: {study.folder / PAGE}"])


def _write_run(found: "Prepared", study: "Study", given: argparse.Namespace, checkpoint: Any, files: Files) -> None:
    """Writes run.yaml with the best setting, before it is trained."""
    from ..configuration.writing import run_text
    from ..files import replacing
    from ..saving.folder import RUN
    from ..training import recording
    from ..training.versions import versions

    settings = {name: vars(given)[name] for name in found.task.settings.as_dict()}
    checksums = {"checkpoint": found.identity["checkpoint"]}
    checksums |= {name: source.sha256 for name, source in files.sources.items()}
    named = {"checkpoint": recording.given_checkpoint(checkpoint)}
    run = {"options": recorded(given) | named | settings, "checksums": checksums}
    with study.alone(), replacing(study.folder / RUN) as stream:
        stream.write(run_text({"run": run, "versions": versions()}))


def _train_best(
    study: "Study", best: "FrozenTrial", kind: "type[Task[Any]]", given: argparse.Namespace, command_line: str
) -> None:
    """Trains the best setting, evaluates it on the test file and saves it, unless this was done before."""
    from ..saving.folder import TASK
    from ..searching.study import is_free

    folder, tested = study.folder / BEST, study.final
    if tested.get("trial") == best.number and (folder / TASK).is_file():
        print(f"the best setting was already trained and tested: {folder}")
        return
    if not is_free(folder):
        print("another process trains and tests the best setting")
        return
    if "test" in tested.get("scores", {}):
        print("a better setting than the tested one was found: its test score is the second look at the test texts")
    with locked(folder):
        task = fit.run(kind, given, None, str(folder), command_line)
    scores = {part: each[task.MAIN_SCORE] for part, each in task.report_["scores"].items()}
    study.set_final(best, scores)
    if best.value != scores["dev"]:
        print(
            f"the development score of the trial was {best.value:.4f}: on this machine, repeated trainings differ slightly"
        )
