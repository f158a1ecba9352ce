"""The command line of kbert-train, and its configuration file."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import settings, tasks
from . import configuring, options
from .command import Parser, file_options

if TYPE_CHECKING:
    from ..configuration.reading import Configuration
    from ..configuration.syntax import Document
    from ..tasks.base import Task

TASK = "classify"


def arguments_of(
    argv: Sequence[str],
    make_parser: "Callable[[type[Task[Any]]], Parser] | None" = None,
    more_checks: Mapping[str, configuring.Check] | None = None,
    prog: str = "kbert-train",
) -> "tuple[type[Task[Any]], argparse.Namespace, Configuration | None]":
    """Parses a command line of kbert-train, or of a command with its options, and reads its configuration file.

    Args:
        argv: the command line.
        make_parser: function that returns the parser of the command for the class of a task (default: of kbert-train).
        more_checks: functions that check the arguments that only this command has.
        prog: the name of the command.

    Returns:
        (the class of the task, the arguments, the part of the configuration file that the command line does not replace, or
        None without a file).

    Raises:
        InputError: the command line or the file is not valid.
    """
    make = make_parser or parser_of
    first = Parser(prog=prog, add_help=False)
    first.add_argument("--task")
    first.add_argument("--config")
    given = first.parse_known_args(argv)[0]
    document = None if given.config is None else _read(given.config)
    task = _task(document, given.task)
    parser = make(task)
    if document is None:
        return task, parser.parse_args(argv), None
    accepted = configuring.accepted(parser, task.Settings, _checks() | dict(more_checks or {}))

    def elsewhere(name: str) -> list[str]:
        others = {each: tasks.find(each) for each in tasks.names()}
        return [each for each, kind in others.items() if name in configuring.accepted(make(kind), kind.Settings, {})]

    arguments, configuration = configuring.merged(parser, argv, document, accepted, elsewhere)
    configuration.check_files(configuring.DATA)
    return task, arguments, configuration


def _read(file: str) -> "Document":
    from ..configuration.syntax import read  # imported here, because --help should be fast

    return read(file)


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
    from ..training.learning_curve import checked_shares
    from ..training.repeated import at_least_two

    return {
        "task": tasks.find,
        "seeds": lambda value: at_least_two(value, "seeds"),
        "folds": lambda value: at_least_two(value, "folds"),
        "learning_curve": checked_shares,
        "input_format": formats.check,
    }


def parser_of(task: "type[Task[Any]]") -> Parser:
    """Returns the parser of kbert-train for a task."""
    parser = Parser(
        prog="kbert-train",
        description="Fine-tune a BERT checkpoint on labelled texts and save the trained task in a folder.",
        epilog="Options of the other tasks: kbert-train --task NAME --help",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print all options as a configuration file with comments, and end"
    )
    groups = add_options(parser, task, "folder to save the trained task in (default runs/TASK)")
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
    groups["training"].add_argument(
        "--learning-curve",
        type=float,
        nargs="+",
        metavar="SHARE",
        help="train with these shares of the training texts, such as 0.1 0.3 1, to estimate what more labels would gain; the "
        "model with the largest share is saved",
    )
    groups["output"].add_argument("--no-resume", action="store_true", help="ignore saved progress and start over")
    return parser


def add_task(parser: Parser) -> None:
    """Adds the options --task and --checkpoint to a parser."""
    parser.add_argument(
        "--task",
        default=TASK,
        metavar="|".join(tasks.names()),
        help="the kind of task (default classify: text classification)",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="C",
        help="BERT checkpoint to start from: a folder, a name from kbert-checkpoint list, or hf:OWNER/NAME "
        "(default tiny-zh, a small Chinese checkpoint that is included in the package)",
    )


def add_options(parser: Parser, task: "type[Task[Any]]", output: str) -> dict[str, argparse._ActionsContainer]:
    """Adds the options of a training to a parser: the task, the checkpoint, the files and the settings.

    Args:
        parser: the parser.
        task: the class of the task.
        output: the help text of --output.

    Returns:
        A dict of the name of a group of settings to its argument group.
    """
    parser.add_argument(
        "--config",
        metavar="F",
        help="YAML or JSON file with options, such as the run.yaml of a saved folder; the command line takes precedence",
    )
    add_task(parser)
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
    parser.add_argument("--output", metavar="DIR", help=output)
    groups: dict[str, argparse._ActionsContainer] = {"common": parser, "data": file_options(parser)}
    for group, title in settings.GROUPS.items():
        place = groups.get(group) or parser.add_argument_group(title)
        groups[group] = place
        options.add_options(place, task.Settings, group=group)
    return groups
