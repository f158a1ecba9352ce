"""Reads a space of settings from a YAML or JSON file, or from a dict, with errors that name the line."""

import dataclasses
import difflib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from ..configuration import syntax
from ..configuration.syntax import Item, text_of
from ..configuration.values import Option, convert
from ..errors import InputError
from ..settings import Settings, checked, kind_of
from .space import Choices, Range, Space

GROUPS = ("common", "training", "regularisation", "task")
# They change what is measured, how it is computed or which rows are used, rather than the training.
FIXED = (
    "seed", "device", "encoder", "precision", "compile", "multi_label", "find_types", "label_separator", "baseline",
    "distillation_weight",
)  # fmt: skip
LIMITS = ("low", "high", "log", "step")


def searchable(settings: type[Settings]) -> "dict[str, dataclasses.Field[Any]]":
    """Returns the fields of a Settings class that can be searched, by name."""
    return {
        each.name: each
        for each in dataclasses.fields(settings)
        if each.metadata["group"] in GROUPS and each.name not in FIXED and not each.metadata["later"]
    }


def read_space(file: str | PathLike[str], settings: type[Settings]) -> Space:
    """Reads a space from a file.

    Args:
        file: a file that ends in .yaml, .yml or .json, with one setting per line.
        settings: the Settings class of the task.

    Raises:
        InputError: the file is not valid, or a setting or a value in it is not possible.
    """
    document = syntax.read(file, "batch_size: [16, 32]", "kbert-search --print-space")
    return {
        name: _dimension(name, item, document.where(item.line), document.file.parent, settings)
        for name, item in document.items.items()
    }


def _dimension(name: str, item: Item, where: str, folder: Path, settings: type[Settings]) -> Choices | Range:
    fields = searchable(settings)
    if name not in fields:
        raise InputError(f"{where}: {_unknown(name, item.written, settings)}")
    field, node = fields[name], item.value
    kind, also = kind_of(field)
    option = Option(name, name, kind, also, check=lambda value: checked(field, value))
    if isinstance(node, yaml.SequenceNode):
        values = tuple(convert(option, each, where, folder) for each in node.value)
        if len(set(values)) < 2 or len(set(values)) < len(values):
            raise InputError(f"{where}: {name} should have at least two values, each only once")
        return Choices(values)
    if isinstance(node, yaml.MappingNode):
        return _range(option, node, where, folder)
    raise _wrong(f"{where}: {name}")


def _wrong(where: str) -> InputError:
    return InputError(f"{where} should be a list of values such as [8, 16], or a range such as {{low: 8, high: 16}}")


def _unknown(name: str, written: str, settings: type[Settings]) -> str:
    """Returns the message about a name that cannot be searched."""
    names = [*searchable(settings)]
    if name in {each.name for each in dataclasses.fields(settings)}:
        return f"{written!r} cannot be searched, because it does not only change the training: give it as an option"
    near = difflib.get_close_matches(name.lower(), names, 1, cutoff=0.5)
    return f"unknown setting {written!r}" + (f"; did you mean {near[0]!r}?" if near else f": {', '.join(names)}")


def _range(option: Option, node: yaml.MappingNode, where: str, folder: Path) -> Range:
    name = option.name
    if option.kind not in (int, float):
        raise InputError(f"{where}: the values of {name} have no order: give a list of values")
    found: dict[str, Any] = {}
    for key, value in node.value:
        word = text_of(key) if isinstance(key, yaml.ScalarNode) else "a list"
        if word not in LIMITS:
            raise InputError(f"{where}: a range has {', '.join(LIMITS)}, not {word!r}")
        if word in found:
            raise InputError(f"{where}: {word} is given twice: keep one of them")
        kind = bool if word == "log" else option.kind
        check = option.check if word in ("low", "high") else None
        found[word] = convert(Option(f"{word} of {name}", word, kind, check=check), value, where, folder)
    if not {"low", "high"} <= found.keys():
        raise InputError(f"{where}: the range of {name} needs low and high")
    made = Range(found["low"], found["high"], found.get("log", False), found.get("step"))
    if made.low >= made.high:
        raise InputError(f"{where}: low of {name} should be below high, found {made.low} and {made.high}")
    if made.log and made.low <= 0:
        raise InputError(f"{where}: log needs a low of {name} above 0, found {made.low}")
    if made.step is not None and (made.log or not 0 < made.step <= made.high - made.low):
        raise InputError(f"{where}: step of {name} should be above 0, at most high - low, and without log")
    return made


def space_of(space: "str | PathLike[str] | Mapping[str, Any]", settings: type[Settings]) -> Space:
    """Returns a space from the path of a file or from a dict, such as {"dropout": {"low": 0, "high": 0.3}}."""
    if isinstance(space, str | PathLike):
        return read_space(space, settings)
    found: Space = {}
    for name, values in space.items():
        where = f"space[{name!r}]"
        try:
            text = yaml.safe_dump(dict(values) if isinstance(values, Mapping) else list(values))
        except (TypeError, yaml.YAMLError):
            raise _wrong(where) from None
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        assert node is not None  # the text of a list or dict is never empty
        found[name] = _dimension(name, Item(name, 1, node), where, Path(), settings)
    if not found:
        raise InputError("the space contains no settings: give some, or leave it out to search the default space")
    return found
