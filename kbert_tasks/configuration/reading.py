"""Reads a configuration file: the values of its options, and what it records about an earlier run."""

import dataclasses
import difflib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError
from .syntax import Document, Item, items_of, text_of
from .values import Option, convert

log = logging.getLogger("kbert_tasks")

CHECKSUMS, VERSIONS, IN_MEMORY = "checksums", "versions", "in_memory"  # written by `writing.run_text`


@dataclass(frozen=True)
class Configuration:
    """The values of a configuration file.

    Attributes:
        document: the file.
        values: dict of the name of an argument to its value.
        lines: dict of the name of an argument to the line that sets it.
        checksums: dict of the name of an argument, such as "train" or "checkpoint", to the SHA-256 of what the run used.
        versions: dict of the name of a package to its version in the recorded run.
        in_memory: dict of the name of an argument to its line, if the recorded run did not have its data in a file.
    """

    document: Document
    values: dict[str, Any]
    lines: dict[str, int]
    checksums: dict[str, str]
    versions: dict[str, str]
    in_memory: dict[str, int]

    def without(self, names: Sequence[str]) -> "Configuration":
        """Returns the configuration without these arguments, which the command line replaces."""
        left: dict[str, Any] = {
            part: {name: value for name, value in getattr(self, part).items() if name not in names}
            for part in ("values", "lines", "checksums", "in_memory")
        }
        return dataclasses.replace(self, **left)

    def check_files(self, names: Sequence[str]) -> None:
        """Checks that the data files exist.

        Args:
            names: the arguments that name data files.

        Raises:
            InputError: a file is missing, or the rows of the recorded run were in memory.
        """
        for name, line in self.in_memory.items():
            raise InputError(
                f"{self.document.where(line)}: the run had its {name} data in memory, so this file cannot repeat it: "
                f"give --{name}"
            )
        for name in names:
            value = self.values.get(name, [])
            for path in value if isinstance(value, list) else [value]:
                if not Path(path).is_file():
                    where = self.document.where(self.lines[name])
                    raise InputError(f"{where}: the file {path} does not exist: correct the path, or give --{name}")

    def report_changes(self, found: Mapping[str, tuple[str, str]], versions: Mapping[str, str]) -> None:
        """Logs a warning for each file and each package that is not the one of the recorded run.

        Args:
            found: dict of "train", "checkpoint" or another entry of `checksums` to (a name for the message, the checksum).
            versions: the installed versions.
        """
        for name, (what, checksum) in found.items():
            if self.checksums.get(name, checksum) != checksum:
                log.warning("%s has changed since %s was written, so scores can differ", what, self.document.file)
        changed = [
            f"{name} {versions[name]} (recorded: {version})"
            for name, version in self.versions.items()
            if name in versions and versions[name] != version
        ]
        if changed:
            log.warning("%s: other versions, so scores can differ slightly: %s", self.document.file, ", ".join(changed))


def text(document: Document, name: str) -> str | None:
    """Returns the text of an option that decides which other options there are, or None if it is not given."""
    item = document.items.get(name)
    if item is None:
        return None
    if not isinstance(item.value, yaml.ScalarNode):
        raise InputError(f"{document.where(item.line)}: {name} should be a text, not a list or a mapping")
    return text_of(item.value)


def read(
    document: Document,
    options: Mapping[str, Option],
    exclusive: Sequence[tuple[str, str]] = (),
    elsewhere: Callable[[str], Sequence[str]] = lambda name: (),
) -> Configuration:
    """Converts the values of a configuration file.

    Args:
        document: the file.
        options: dict of name to Option.
        exclusive: pairs of arguments that cannot be combined.
        elsewhere: function that returns the names of the tasks that have an option.

    Raises:
        InputError: a name is unknown, a value is not allowed, or two options cannot be combined.
    """
    found = Configuration(document, {}, {}, {}, {}, {})
    for name, item in document.items.items():
        where = document.where(item.line)
        if name in (CHECKSUMS, VERSIONS):
            getattr(found, name).update(_texts(document, item))
        elif name == IN_MEMORY:
            found.in_memory.update(dict.fromkeys(_names(document, item), item.line))
        elif name not in options:
            raise InputError(f"{where}: unknown option {item.written!r}{_advice(name, options, elsewhere(name))}")
        else:
            option = options[name]
            if option.target in found.lines:
                earlier = found.lines[option.target]
                raise InputError(f"{where}: {item.written!r} sets the same option as line {earlier}: keep one of them")
            value = convert(option, item.value, where, document.file.parent)
            if value is not None:
                found.values[option.target], found.lines[option.target] = value, item.line
    for one, other in exclusive:
        if one in found.values and other in found.values:
            where = document.where(found.lines[one])
            raise InputError(
                f"{where}: {one} cannot be combined with {other} in line {found.lines[other]}: keep one of them"
            )
    return found


def _advice(name: str, options: Mapping[str, Option], tasks: Sequence[str]) -> str:
    if tasks:
        return f", which only the task {' and the task '.join(tasks)} has: delete the line, or change the task"
    near = difflib.get_close_matches(name.lower(), options, 1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else "; kbert-train --print-config lists all options"


def _texts(document: Document, item: Item) -> dict[str, str]:
    """Returns the texts of `checksums` or `versions`."""
    wanted = "checksums" if item.written == CHECKSUMS else "versions"
    found = {}
    if isinstance(item.value, yaml.MappingNode):
        for name, each in items_of(document.file, item.value).items():
            if not isinstance(each.value, yaml.ScalarNode) or not _valid(wanted, text_of(each.value)):
                where = document.where(each.line)
                raise InputError(
                    f"{where}: {each.written} is not valid in {wanted}: delete the line to skip this check"
                )
            found[each.written if wanted == VERSIONS else name] = text_of(each.value).lower()
        return found
    where = document.where(item.line)
    raise InputError(f"{where}: {wanted} should contain names and values, as kbert-train writes them: delete the line")


def _valid(wanted: str, text: str) -> bool:
    return wanted == VERSIONS or re.fullmatch("[0-9a-fA-F]{64}", text) is not None


def _names(document: Document, item: Item) -> list[str]:
    """Returns the list of `in_memory`."""
    if isinstance(item.value, yaml.SequenceNode) and all(isinstance(e, yaml.ScalarNode) for e in item.value.value):
        return [text_of(each) for each in item.value.value]
    raise InputError(f"{document.where(item.line)}: in_memory should be a list such as [train]: delete the line")
