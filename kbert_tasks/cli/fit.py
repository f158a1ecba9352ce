"""kbert-train: fine-tunes a checkpoint and saves the trained task."""

import argparse
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cluster import chief
from ..lock import locked_by_chief
from . import configuring, options
from .arguments import arguments_of, parser_of
from .command import command, elapsed, tables
from .files import read_files, recorded, report_changes, task_of

if TYPE_CHECKING:
    from ..configuration.reading import Configuration
    from ..data.examples import Examples
    from ..tasks.base import Task


@command
def train(argv: Sequence[str]) -> None:
    task, arguments, configuration = arguments_of(argv)
    if arguments.print_config:
        settings = task.Settings.of(options.given(arguments, task.Settings))
        print(configuring.printed(parser_of(task), arguments, settings), end="")
        return
    output = arguments.output or f"runs/{arguments.task}"
    with locked_by_chief(output):
        run(task, arguments, configuration, output, shlex.join(["kbert-train", *argv]))


def run(
    kind: "type[Task[Any]]",
    arguments: argparse.Namespace,
    configuration: "Configuration | None",
    output: str,
    command_line: str,
) -> "Task[Any]":
    """Trains a task, evaluates it on the test file, if there is one, and saves it.

    Args:
        kind: the class of the task.
        arguments: the parsed arguments.
        configuration: the configuration file or None.
        output: the folder to save the task in; its lock is held.
        command_line: the command line, for the report.

    Returns:
        The trained task.
    """
    from ..data.sources import Source
    from ..metrics.formatting import advice_text, run_text
    from ..reporting.writing import update_seconds, write_into
    from ..saving.folder import progress_of, writable
    from ..tasks.loading import load
    from ..training import distillation, distribution, recording
    from ..training.resume import delete

    task = task_of(kind, arguments)
    given = recording.given_checkpoint(task.checkpoint)
    folder, writes = writable(output), chief()
    _check_combinations(arguments)
    teacher = None if arguments.teacher is None else load(arguments.teacher, "keras")
    began = time.perf_counter()
    files = read_files(task, arguments)
    examples = files.examples
    if teacher is not None:
        distillation.check(task, teacher)
    unlabelled = _unlabelled(task, arguments)
    sources = files.sources | recording.teacher_source(arguments.teacher)
    if arguments.unlabelled:
        sources["unlabelled"] = Source.of_all(arguments.unlabelled)
    if configuration:
        report_changes(task, configuration, sources)
    reading = time.perf_counter() - began

    backup = progress_of(folder)
    if arguments.no_resume:
        delete(backup)
    requested, task = task, _trained(task, arguments, examples, backup, teacher, unlabelled)
    recording.add_record(requested, task, recorded(arguments) | {"checkpoint": given}, sources)
    task.report_["seconds"]["load"] = round(task.report_["seconds"]["load"] + reading, 3)
    task.report_["command"] = command_line
    task.report_["files"] = {name: str(file) for name, file in files.paths.items() if file}
    if arguments.unlabelled:
        task.report_["files"]["unlabelled"] = ", ".join(arguments.unlabelled)
    if "test" in examples and not (arguments.seeds or arguments.learning_curve):  # these evaluate each training
        if writes:
            task.save(folder)  # keep the trained task even if the evaluation fails
        began = time.perf_counter()
        report = task.evaluate(examples["test"])
        task.add_test(report, time.perf_counter() - began, examples["test"].rows)
    seconds = task.report_["seconds"]
    seconds["total"] = round(elapsed(), 3)
    if writes:
        task.save(folder)
        write_into(task, folder)
        delete(backup)
    distribution.wait_for_workers(task.settings.device)
    seconds["total"] = round(elapsed(), 3)  # includes the time to write the report
    if writes:
        update_seconds(task.report_, folder)
    print(run_text(task.report_))
    print(
        f"saved in {folder}\nReport: {folder / 'report.html'}"
        if writes
        else f"the first worker saved the task in {folder}"
    )
    if text := advice_text(task.report_):
        print(text)
    return task


def _check_combinations(arguments: argparse.Namespace) -> None:
    """Raises InputError for options that cannot be used together."""
    from ..errors import InputError

    if arguments.folds is not None and arguments.dev:
        raise InputError("--folds takes the development texts from the training texts: leave out --dev or --folds")
    if arguments.folds is not None and arguments.learning_curve:
        raise InputError("--folds cannot be combined with --learning-curve: leave out one of them")
    if arguments.unlabelled and arguments.teacher is None:
        raise InputError("--unlabelled needs the model that answers these texts: give it with --teacher")
    if arguments.folds is not None and arguments.teacher is not None:
        raise InputError("--folds cannot be used with --teacher, because the teacher may have seen the texts of a fold")
    if arguments.learning_curve and arguments.teacher is not None:
        raise InputError(
            "--learning-curve cannot be used with --teacher, because the teacher has seen all labelled texts"
        )


def _unlabelled(task: "Task[Any]", arguments: argparse.Namespace) -> "Examples | None":
    """Returns the examples of all files of --unlabelled together, or None without this option."""
    from ..data.examples import merged

    if not arguments.unlabelled:
        return None
    rows = tables(arguments, {file: file for file in arguments.unlabelled})
    return merged([task.examples(each, gold=False) for each in rows.values()])


def _trained(
    task: "Task[Any]",
    arguments: argparse.Namespace,
    examples: "Mapping[str, Examples]",
    backup: Path,
    teacher: "Task[Any] | None",
    unlabelled: "Examples | None",
) -> "Task[Any]":
    from ..training.learning_curve import fit_learning_curve
    from ..training.repeated import fit_folds, fit_seeds

    train, dev, test = examples["train"], examples.get("dev"), examples.get("test")
    if arguments.learning_curve:
        shares, seeds = arguments.learning_curve, arguments.seeds
        return fit_learning_curve(task, train, shares=shares, seeds=seeds, dev=dev, test=test, resume_dir=backup)
    if arguments.folds is not None:
        return fit_folds(task, train, folds=arguments.folds, resume_dir=backup)
    if arguments.seeds is not None:
        return fit_seeds(
            task, train, seeds=arguments.seeds, dev=dev, test=test, resume_dir=backup, teacher=teacher,
            unlabelled=unlabelled,
        )  # fmt: skip
    return task.fit(train, dev=dev, resume_dir=backup, teacher=teacher, unlabelled=unlabelled)
