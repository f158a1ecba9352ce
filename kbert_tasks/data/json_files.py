"""Parses JSON files: one object per line, or all objects in one array."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError, RowError
from .cells import each_key_once
from .encodings import lines


def objects(path: Path, text: str) -> list[dict[str, Any]]:
    """Parses a JSON file with one object per line or all objects in one array."""
    if not text.lstrip().startswith("["):
        return [row for _, row in json_rows(path, enumerate(lines(text), 1))]
    try:
        rows = json.loads(text, object_pairs_hook=each_key_once)
    except RowError as error:
        raise InputError(f"{path}: {error}") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno} is not JSON: {error.msg}") from None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(
                f'{path}, item {number}: expected an object such as {{"text": ...}}, found {json.dumps(row, ensure_ascii=False)[:40]}'
            )
    return rows


def json_rows(path: Path, numbered: Iterable[tuple[int, str]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (number, dict) for each non-blank (number, line).

    Raises:
        InputError: a line is not a JSON object; the message names the file and the line.
    """
    for number, line in numbered:
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=each_key_once)
        except RowError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
        except ValueError as error:
            raise InputError(
                f"{path}, line {number} is not JSON: {error}; expected one object per line, or all objects in one array"
            ) from None
        if not isinstance(row, dict):
            raise InputError(
                f'{path}, line {number}: expected an object such as {{"text": ...}}, found {line.strip()[:40]}'
            )
        yield number, row
