"""Configuration files of kbert-train: the options that a file can contain, and `--print-config`."""

import argparse
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..settings import Settings, checked, kind_of

if TYPE_CHECKING:
    from ..configuration.reading import Configuration
    from ..configuration.syntax import Document
    from ..configuration.values import Option
    from ..configuration.writing import Described

NOT_IN_FILES = ("help", "version", "config", "print_config", "print_space")
EXCLUSIVE = (("seeds", "folds"), ("learning_curve", "folds"))  # arguments that cannot be combined
FILES = ("train", "dev", "test")
DATA = (*FILES, "unlabelled")
PATHS = (*DATA, "teacher", "output", "tensorboard", "space")
Check = Callable[[Any], object]


def accepted(
    parser: argparse.ArgumentParser, settings: type[Settings], checks: Mapping[str, Check]
) -> "dict[str, Option]":
    """Returns the options of a parser that a configuration file can contain, by name.

    Args:
        parser: the parser of the command.
        settings: the Settings class of the task.
        checks: functions that raise InputError for an invalid value, for arguments that are not in `settings`.
    """
    from ..configuration.values import Option

    fields = {each.name: each for each in dataclasses.fields(settings)}
    found = {}
    for action in _actions(parser):
        target = action.dest
        if field := fields.get(target):
            kind, also = kind_of(field)
            check: Check | None = _check_of(field)
        else:
            kind = bool if action.nargs == 0 else action.type if action.type in (int, float) else str
            also, check = () if kind is bool else (None,), checks.get(target)
        for flag in action.option_strings:
            name = flag.lstrip("-").replace("-", "_")
            inverse = kind is bool and name != target
            found[name] = Option(
                name,
                target,
                kind,
                () if inverse else also,
                many=action.nargs == "+",
                inverse=inverse,
                place="checkpoint" if target == "checkpoint" else "file" if target in PATHS else "",
                check=check,
            )
    return found


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    yield from (action for action in parser._actions if action.dest not in NOT_IN_FILES)


def _check_of(field: "dataclasses.Field[Any]") -> Check:
    return lambda value: checked(field, value)


def merged(
    parser: argparse.ArgumentParser,
    argv: Sequence[str],
    document: "Document",
    options: "Mapping[str, Option]",
    elsewhere: Callable[[str], Sequence[str]],
) -> "tuple[argparse.Namespace, Configuration]":
    """Reads the values of a configuration file and the command line, which takes precedence.

    Args:
        parser: the parser of the command.
        argv: the command line.
        document: the configuration file.
        options: the return value of `accepted`.
        elsewhere: function that returns the names of the tasks that have an option.

    Returns:
        (the arguments, the part of the configuration that the command line does not replace).

    Raises:
        InputError: the file or the command line is not valid.
    """
    from ..configuration.reading import read

    found = read(document, options, EXCLUSIVE, elsewhere)
    given = _given(parser, argv)
    other = [one for pair in EXCLUSIVE for one in pair if any(each in given for each in pair)]
    found = found.without([*given, *other])
    return parser.parse_args(argv, argparse.Namespace(**found.values)), found


def _given(parser: argparse.ArgumentParser, argv: Sequence[str]) -> set[str]:
    """Returns the names of the arguments on the command line."""
    missing = object()
    names = {action.dest for action in parser._actions}
    arguments = parser.parse_args(argv, argparse.Namespace(**dict.fromkeys(names, missing)))
    return {name for name, value in vars(arguments).items() if value is not missing}


def printed(parser: argparse.ArgumentParser, arguments: argparse.Namespace, settings: Settings) -> str:
    """Returns the configuration as a file with comments, in the groups of --help.

    Args:
        parser: the parser of the command.
        arguments: the arguments.
        settings: the Settings with the values of the arguments.
    """
    from ..configuration.writing import described_text

    values = vars(arguments) | settings.as_dict()
    heading = (
        f"Configuration of kbert-train --task {arguments.task}. Use it with: kbert-train --config FILE",
        "Relative paths are relative to the folder of this file. Options of the command line take precedence.",
    )
    groups = (
        (group.title or "", [*_described(group._group_actions, values)])
        for group in parser._action_groups
        if group._group_actions
    )
    return described_text(heading, groups)


def _described(actions: Iterable[argparse.Action], values: Mapping[str, Any]) -> "Iterator[Described]":
    from ..configuration.writing import Described

    shown: set[str] = set()
    for action in actions:
        if action.dest in (*NOT_IN_FILES, *shown) or not action.option_strings:
            continue
        shown.add(action.dest)
        name, value = action.option_strings[0].lstrip("-").replace("-", "_"), values.get(action.dest)
        if name != action.dest:  # --no-header sets `header` to False
            value = not value
        yield Described(name, value, (action.help or "").replace("%%", "%"))
