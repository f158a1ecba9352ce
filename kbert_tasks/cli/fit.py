"""kbert-train: fine-tunes a checkpoint and saves the trained task."""

import argparse
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import settings, tasks
from ..cluster import chief
from ..lock import locked_by_chief
from . import configuring, options
from .command import Parser, command, elapsed, file_options, tables

if TYPE_CHECKING:
    from ..configuration.reading import Configuration
    from ..configuration.syntax import Document
    from ..data.examples import Examples
    from ..data.sources import Source
    from ..tasks.base import Task

TASK = "classify"
RECORDED = ("encoding", "sheet", "input_format", "token_column", "tag_column", "seeds", "folds")  # in run.yaml


@command
def train(argv: Sequence[str]) -> None:
    task, arguments, configuration = arguments_of(argv)
    if arguments.print_config:
        settings = task.Settings.of(options.given(arguments, task.Settings))
        print(configuring.printed(_parser(task), arguments, settings), end="")
        return
    output = arguments.output or f"runs/{arguments.task}"
    with locked_by_chief(output):
        _run(task, arguments, configuration, output, shlex.join(["kbert-train", *argv]))


def arguments_of(argv: Sequence[str]) -> "tuple[type[Task[Any]], argparse.Namespace, Configuration | None]":
    """Parses a command line of kbert-train and reads its configuration file.

    Returns:
        (the class of the task, the arguments, the part of the configuration file that the command line does not replace, or
        None without a file).

    Raises:
        InputError: the command line or the file is not valid.
    """
    from ..configuration import syntax

    first = Parser(prog="kbert-train", add_help=False)
    first.add_argument("--task")
    first.add_argument("--config")
    given = first.parse_known_args(argv)[0]
    document = None if given.config is None else syntax.read(given.config)
    task = _task(document, given.task)
    parser = _parser(task)
    if document is None:
        return task, parser.parse_args(argv), None
    accepted = configuring.accepted(parser, task.Settings, _checks())

    def elsewhere(name: str) -> list[str]:
        others = {each: tasks.find(each) for each in tasks.names()}
        return [each for each, kind in others.items() if name in configuring.accepted(_parser(kind), kind.Settings, {})]

    arguments, configuration = configuring.merged(parser, argv, document, accepted, elsewhere)
    configuration.check_files(configuring.FILES)
    return task, arguments, configuration


def _task(document: "Document | None", given: str | None) -> "type[Task[Any]]":
    """Returns the class of the task on the command line or in a configuration file."""
    from ..configuration.reading import text
    from ..errors import InputError

    named = text(document, "task") if document else None
    try:
        return tasks.find(given or named or TASK)
    except InputError as error:
        if given or not document or not named:
            raise
        raise InputError(f"{document.where(document.items['task'].line)}: {error}") from None


def _checks() -> dict[str, configuring.Check]:
    """Returns the checks of arguments that are not settings, by name."""
    from ..data.annotations import formats
    from ..training.repeated import at_least_two

    return {
        "task": tasks.find,
        "seeds": lambda value: at_least_two(value, "seeds"),
        "folds": lambda value: at_least_two(value, "folds"),
        "input_format": formats.check,
    }


def _parser(task: "type[Task[Any]]") -> Parser:
    parser = Parser(
        prog="kbert-train",
        description="Fine-tune a BERT checkpoint on labelled texts and save the trained task in a folder.",
        epilog="Options of the other tasks: kbert-train --task NAME --help",
    )
    names = "|".join(tasks.names())
    parser.add_argument(
        "--config",
        metavar="F",
        help="YAML or JSON file with options, such as the run.yaml of a saved folder; the command line takes precedence",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print all options as a configuration file with comments, and end"
    )
    parser.add_argument(
        "--task", default=TASK, metavar=names, help="the kind of task (default classify: text classification)"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="C",
        help="BERT checkpoint to start from: a folder, a name from kbert-checkpoint list, or hf:OWNER/NAME "
        "(default tiny-zh, a small Chinese checkpoint that is included in the package)",
    )
    parser.add_argument(
        "--train", metavar="F", help="file of labelled texts to train on (default: the sample data in the package)"
    )
    parser.add_argument(
        "--dev",
        metavar="F",
        help="file of labelled development texts, which decide which epoch is kept (default: a part of the training texts)",
    )
    parser.add_argument(
        "--test", metavar="F", help="file of labelled texts for the final scores; it has no influence on the model"
    )
    parser.add_argument(
        "--teacher",
        metavar="DIR",
        help="a folder written by kbert-train, whose model's answers are learned (distillation)",
    )
    parser.add_argument(
        "--unlabelled",
        metavar="F",
        nargs="+",
        help="files of texts without labels; only the teacher's answers are learned",
    )
    parser.add_argument("--output", metavar="DIR", help="folder to save the trained task in (default runs/TASK)")
    groups: dict[str, argparse._ActionsContainer] = {"common": parser, "data": file_options(parser)}
    for group, title in settings.GROUPS.items():
        place = groups.get(group) or parser.add_argument_group(title)
        groups[group] = place
        options.add_options(place, task.Settings, group=group)
    several = groups["training"].add_mutually_exclusive_group()
    several.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="train with N different seeds and save the model with the best development score",
    )
    several.add_argument(
        "--folds", type=int, metavar="N", help="cross-validate with N folds, then train the saved model on all texts"
    )
    groups["output"].add_argument("--no-resume", action="store_true", help="ignore saved progress and start over")
    return parser


def _run(
    kind: "type[Task[Any]]",
    arguments: argparse.Namespace,
    configuration: "Configuration | None",
    output: str,
    command_line: str,
) -> None:
    from ..checkpoint import embedded
    from ..checkpoint.find import find_checkpoint
    from ..data.sources import Source
    from ..errors import InputError
    from ..metrics.formatting import advice_text, run_text
    from ..reporting.writing import update_seconds, write_into
    from ..saving.folder import progress_of, writable
    from ..tasks.loading import load
    from ..training import distillation, distribution, inputs, recording
    from ..training.resume import delete

    task = kind(arguments.checkpoint or embedded.NAME, **options.given(arguments, kind.Settings))
    given = recording.given_checkpoint(task.checkpoint)
    folder, writes = writable(output), chief()
    if arguments.checkpoint is None:
        print(f"no --checkpoint: using {embedded.NAME}, the small Chinese checkpoint of the package", flush=True)
    if arguments.folds is not None and arguments.dev:
        raise InputError("--folds takes the development texts from the training texts: leave out --dev or --folds")
    if arguments.unlabelled and arguments.teacher is None:
        raise InputError("--unlabelled needs the model that answers these texts: give it with --teacher")
    if arguments.folds is not None and arguments.teacher is not None:
        raise InputError("--folds cannot be used with --teacher, because the teacher may have seen the texts of a fold")
    teacher = None if arguments.teacher is None else load(arguments.teacher)
    files = {"train": arguments.train, "dev": arguments.dev, "test": arguments.test}
    if arguments.train is None:
        if arguments.dev or arguments.test:
            raise InputError("--train is required with --dev or --test")
        task.checkpoint = find_checkpoint(task.checkpoint, task.settings.cased)
        files = _samples(arguments.task, task.checkpoint.language)
    began = time.perf_counter()
    sources = {name: Source.of(file) for name, file in files.items() if file}
    if configuration:
        _report_changes(task, configuration, sources)
    rows = tables(arguments, {name: file for name, file in files.items() if file})
    # Check all files before training.
    examples = {}
    for name, each in rows.items():
        examples[name] = task.examples(each)
        if not examples[name].rows:
            raise InputError(f"{files[name]} has no usable row: {examples[name].summary()}")
        if name == "train":
            inputs.prepare(task, examples[name])
            if teacher is not None:
                distillation.check(task, teacher)
    unlabelled = _unlabelled(task, arguments)
    reading = time.perf_counter() - began

    backup = progress_of(folder)
    if arguments.no_resume:
        delete(backup)
    requested, task = task, _trained(task, arguments, examples, backup, teacher, unlabelled)
    recording.add_record(requested, task, _recorded(arguments) | {"checkpoint": given}, sources)
    task.report_["seconds"]["load"] = round(task.report_["seconds"]["load"] + reading, 3)
    task.report_["command"] = command_line
    task.report_["files"] = {name: str(file) for name, file in files.items() if file}
    if arguments.unlabelled:
        task.report_["files"]["unlabelled"] = ", ".join(arguments.unlabelled)
    if "test" in examples and not arguments.seeds:
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


def _report_changes(task: "Task[Any]", configuration: "Configuration", sources: "Mapping[str, Source]") -> None:
    """Logs what has changed since the run that a configuration file records."""
    from ..checkpoint.find import find_checkpoint
    from ..training.inputs import checksum_of_checkpoint
    from ..training.versions import versions

    found = {name: (source.file, source.sha256) for name, source in sources.items()}
    if "checkpoint" in configuration.checksums:
        task.checkpoint = find_checkpoint(task.checkpoint, task.settings.cased)
        found["checkpoint"] = f"checkpoint {task.checkpoint.name}", checksum_of_checkpoint(task.checkpoint)
    configuration.report_changes(found, versions())


def _recorded(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the options that `run.yaml` records in addition to the settings and the checkpoint."""
    files = {name: getattr(arguments, name) for name in configuring.FILES}
    files = {name: file and str(Path(file).absolute()) for name, file in files.items()}
    more = {name: getattr(arguments, name) for name in RECORDED}
    if arguments.teacher:
        files["teacher"] = str(Path(arguments.teacher).absolute())
        more["unlabelled"] = [str(Path(file).absolute()) for file in arguments.unlabelled or ()] or None
    return {"task": arguments.task, "checkpoint": None} | files | {"no_header": not arguments.header or None} | more


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
    from ..training.repeated import fit_folds, fit_seeds

    train, dev = examples["train"], examples.get("dev")
    if arguments.folds is not None:
        return fit_folds(task, train, folds=arguments.folds, resume_dir=backup)
    if arguments.seeds is not None:
        return fit_seeds(
            task, train, seeds=arguments.seeds, dev=dev, test=examples.get("test"), resume_dir=backup, teacher=teacher,
            unlabelled=unlabelled,
        )  # fmt: skip
    return task.fit(train, dev=dev, resume_dir=backup, teacher=teacher, unlabelled=unlabelled)


def _samples(task: str, language: str) -> dict[str, Path | None]:
    from .. import samples

    print(f"no --train: using the {'Chinese' if language == 'zh' else 'English'} sample of the package", flush=True)
    return {part: samples.path(task, language, part) for part in ("train", "test")} | {"dev": None}
