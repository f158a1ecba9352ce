"""Options that a configuration file can contain, and the conversion of their values.

The type of the option decides how a value is read, not YAML: `no` is a text for a column and an error for a number.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from ..errors import InputError
from ..settings import NAMES
from .syntax import text_of

NULL = ("", "~", "null", "Null", "NULL")
TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
NUMBERS = {int: r"[-+]?\d{1,18}", float: r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"}


@dataclass(frozen=True)
class Option:
    """An option that a configuration file can contain.

    Attributes:
        name: name in the file, with "_".
        target: name of the argument that it sets.
        kind: type of the value: str, int, float or bool.
        also: other values that are allowed: None, or a text such as "auto".
        many: whether the value is a list of such values.
        inverse: whether true sets the argument to False.
        place: "file" for a path, "checkpoint" for a path or a name.
        check: function that raises InputError for an invalid value, or None.
    """

    name: str
    target: str
    kind: type = str
    also: tuple[str | None, ...] = ()
    many: bool = False
    inverse: bool = False
    place: Literal["", "file", "checkpoint"] = ""
    check: Callable[[Any], object] | None = None


def convert(option: Option, node: yaml.Node, where: str, folder: Path) -> Any:
    """Converts a node of a configuration file to the value of an option.

    Args:
        option: the Option.
        node: the node of its value.
        where: file and line, for messages.
        folder: the folder of the file, which relative paths are relative to.

    Raises:
        InputError: the value has the wrong type, or is not allowed.
    """
    if option.many and isinstance(node, yaml.SequenceNode):
        value: Any = [_scalar(option, each, where) for each in node.value]
    else:
        value = _scalar(option, node, where)
    if option.many and value is not None and (not isinstance(value, list) or None in value):
        raise _wrong(option, node, where)
    if value is None:
        return None
    if option.inverse:
        return not value
    if option.place:
        paths = [
            located(each, folder, is_checkpoint=option.place == "checkpoint")
            for each in (value if option.many else [value])
        ]
        value = paths if option.many else paths[0]
    if option.check:
        try:
            option.check(value)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    return value


def _scalar(option: Option, node: yaml.Node, where: str) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        raise _wrong(option, node, where)
    text, plain = text_of(node), node.style is None
    if plain and text in NULL:
        if None in option.also:
            return None
        raise InputError(f"{where}: {option.name} has no value: write one after the colon, or delete the line")
    if option.kind is str or text in option.also:
        return text
    if plain and option.kind is bool and text in TRUE + FALSE:
        return text in TRUE
    if plain and option.kind in NUMBERS and re.fullmatch(NUMBERS[option.kind], text, re.ASCII):
        number = option.kind(text)
        if math.isfinite(number):
            return number
    raise _wrong(option, node, where)


def _wrong(option: Option, node: yaml.Node, where: str) -> InputError:
    wanted = NAMES[option.kind] + "".join(f" or {each!r}" for each in option.also if each is not None)
    if option.many:
        wanted = "a list of numbers such as [0.1, 0.3, 1]" if option.kind in NUMBERS else "a list such as [more.csv]"
    if isinstance(node, yaml.ScalarNode):
        quoted = "" if node.style is None else "the text "
        found = f"{quoted}{text_of(node)[:60]!r}"
    else:
        found = "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    return InputError(f"{where}: {option.name} should be {wanted}, not {found}")


def located(text: str, folder: Path, is_checkpoint: bool = False) -> str:
    """Returns a path of a configuration file relative to the working directory; a name of a checkpoint stays as it is.

    Args:
        text: the path as it is in the file.
        folder: the folder of the file.
        is_checkpoint: whether the text may also be a name, such as bert-base-chinese or hf:OWNER/NAME.
    """
    path = folder / Path(text).expanduser()
    if is_checkpoint and not (path.exists() or Path(f"{path}.index").is_file()):
        if text.startswith("hf:") or not re.search(r"[/\\]", text):
            return text
    return str(path)
