"""Makes command line options of the fields of a Settings class."""

import argparse
import dataclasses
from collections.abc import Callable, Collection
from typing import Any

from ..settings import AUTO, Options, kind_of


def add_options(
    parser: argparse._ActionsContainer,
    settings: type[Options],
    leave_out: Collection[str] = (),
    group: str | None = None,
) -> None:
    """Adds one option for each field of a Settings class to an argparse parser.

    The parsed namespace contains only the options that the user sets.

    Args:
        parser: an argparse parser or argument group.
        settings: the Settings class.
        leave_out: names of fields without an option.
        group: adds only the fields of this group (default: all groups).
    """
    for each in dataclasses.fields(settings):
        if each.name in leave_out or group not in (None, each.metadata["group"]):
            continue
        default = "" if each.default is None else f" (default {each.default})"
        add_option(parser, each, each.metadata["help"] + default)


def add_option(parser: argparse._ActionsContainer, each: dataclasses.Field[Any], help: str) -> None:
    """Adds the option of one field to an argparse parser."""
    kind, other = kind_of(each)
    flag = "--" + each.name.replace("_", "-")
    common: dict[str, Any] = {"dest": each.name, "default": argparse.SUPPRESS, "help": help}
    if each.name == "cased":
        parser.add_argument("--cased", action="store_true", **common)
        parser.add_argument(
            "--uncased",
            action="store_false",
            dest="cased",
            default=argparse.SUPPRESS,
            help="convert the text to lower case and remove accents",
        )
    elif kind is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, **common)
    else:
        choices = each.metadata["choices"]
        shown = "|".join(choices) if choices else {int: "N", float: "X", str: "NAME"}[kind]
        parser.add_argument(flag, type=_number_or_auto(kind) if AUTO in other else kind, metavar=shown, **common)


def _number_or_auto(kind: type) -> Callable[[str], Any]:
    """Returns an argparse type that accepts a number or "auto"."""

    def parse(word: str) -> Any:
        return word if word == AUTO else kind(word)

    parse.__name__ = f"{kind.__name__} or {AUTO}"  # argparse shows this name in its error message
    return parse


def given(arguments: argparse.Namespace, settings: type[Options]) -> dict[str, Any]:
    """Returns a dict of the settings that were given on the command line."""
    names = {each.name for each in dataclasses.fields(settings)}
    return {name: value for name, value in vars(arguments).items() if name in names}
