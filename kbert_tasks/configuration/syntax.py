"""Reads the syntax of a configuration file: YAML or JSON with one value for each name.

Values stay nodes with the text as it was written, because YAML would read `on` as true and `1e-5` as a text.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import yaml

from ..errors import InputError

JSON = ".json"
SUFFIXES = (".yaml", ".yml", JSON)
LARGEST = 2**20  # bytes; also limits the time that a hostile file can take
DEEPEST = (
    3  # the file, `checksums` or a list in it, and one level more, so that `values` can say what it expected there
)
QUOTE = "put a value with : or # or other special characters in single quotes"


@dataclass(frozen=True)
class Item:
    """A name and its value.

    Attributes:
        written: the name as it was written.
        line: number of its line, from 1.
        value: the node of the value.
    """

    written: str
    line: int
    value: yaml.Node


@dataclass(frozen=True)
class Document:
    """The contents of a configuration file.

    Attributes:
        file: path of the file.
        items: dict of name to Item; names are written with "_".
    """

    file: Path
    items: dict[str, Item]

    def where(self, line: int) -> str:
        return f"{self.file}, line {line}"


def read(
    path: str | PathLike[str], example: str = "epochs: 3", printed_by: str = "kbert-train --print-config"
) -> Document:
    """Reads a configuration file.

    Args:
        path: a file that ends in .yaml, .yml or .json.
        example: a line of such a file, for messages.
        printed_by: the command that prints such a file, for messages.

    Raises:
        InputError: the file does not exist, it is not a mapping of names to values in valid YAML or JSON, a name occurs
            twice, or it uses anchors, aliases or tags.
    """
    file = Path(path)
    text = _text(file, printed_by)
    if file.suffix.lower() == JSON:
        text = _checked_json(file, text)
    elif tab := re.search(r"^ *\t\s*[^\s#]", text, re.M):
        line = text.count("\n", 0, tab.start()) + 1
        raise InputError(f"{file}, line {line} is indented with a tab, which YAML does not allow: use spaces")
    try:
        _check_events(file, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InputError(f"{file}, line {line} is not valid YAML ({error.problem or error.context}): {QUOTE}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(
            f"{file}, line {line} contains the control character {chr(error.character)!r}: remove it"
        ) from None
    if node is None or isinstance(node, yaml.ScalarNode) and not node.value:
        raise InputError(_empty(file, printed_by))
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "one value"
        raise InputError(f"{file} should contain lines such as {example!r}, found {kind}")
    document = Document(file, items_of(file, node))
    if not document.items:
        raise InputError(_empty(file, printed_by))
    return document


def items_of(file: Path, node: yaml.MappingNode) -> dict[str, Item]:
    """Returns the Items of a mapping by name.

    Raises:
        InputError: a name is not a text, or occurs twice.
    """
    items: dict[str, Item] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise InputError(
                f"{file}, line {line}: expected a name such as epochs, found a list or a mapping as a name"
            )
        item = Item(text_of(key), line, value)
        earlier = items.setdefault(item.written.strip().replace("-", "_"), item)
        if earlier is not item:
            raise InputError(
                f"{file}, line {line}: {item.written!r} is already given in line {earlier.line}: keep one of them"
            )
    return items


def text_of(node: yaml.ScalarNode) -> str:
    """Returns the text of a node. JSON writes a character such as an emoji as two escapes, which are joined."""
    text: str = node.value
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _text(file: Path, printed_by: str) -> str:
    if not file.is_file():
        found = "is a folder" if file.is_dir() else "does not exist"
        raise InputError(f"{file} {found}: give a configuration file, such as run.yaml")
    if file.suffix.lower() not in SUFFIXES:
        raise InputError(f"{file} should end in one of {', '.join(SUFFIXES)}: the extension determines the format")
    raw = file.read_bytes()
    if len(raw) > LARGEST:
        raise InputError(f"{file} has {len(raw):,} bytes, a configuration file has at most {LARGEST:,}: check the path")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file}, line {line} is not valid UTF-8: save the file in the encoding UTF-8") from None
    if not text.strip():
        raise InputError(_empty(file, printed_by))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _empty(file: Path, printed_by: str) -> str:
    return f"{file} contains no options: {printed_by} prints an example"


def _checked_json(file: Path, text: str) -> str:
    """Checks that a text is JSON, and returns it as YAML, which allows no tabs between values."""
    try:
        json.loads(text)
    except RecursionError:
        raise InputError(_deep(file, 1)) from None
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise InputError(f"{file}, line {line} is not valid JSON: {getattr(error, 'msg', error)}") from None
    return text.replace("\t", " ")  # inside of a text, JSON allows only the escape \t


def _check_events(file: Path, text: str) -> None:
    """Checks what `yaml.compose` would accept or fail at: several documents, deep nesting, anchors, aliases and tags."""
    depth = documents = 0
    for event in _events(text):
        line = event.start_mark.line + 1 if event.start_mark else 1
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if documents > 1:
            raise InputError(f"{file}, line {line}: a second document begins here: keep one and delete the other")
        if depth > DEEPEST:
            raise InputError(_deep(file, line))
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise InputError(
                f"{file}, line {line}: anchors and aliases (& and *) are not supported: repeat the value, or put it in "
                "quotation marks if it begins with such a character"
            )
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise InputError(f"{file}, line {line}: tags such as {event.tag!r} are not supported: delete the tag")


def _events(text: str) -> Iterator[yaml.Event]:
    yield from yaml.parse(text, Loader=yaml.SafeLoader)


def _deep(file: Path, line: int) -> str:
    return f"{file}, line {line} is nested too deeply: each option has a single value or a list of values"
