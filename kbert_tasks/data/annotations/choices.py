"""Labels of whole texts in the formats of doccano and Label Studio: {"text": ..., "labels": ["good"]} as rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..cells import text_of
from ..encodings import decoded
from ..json_files import objects
from ..output import json_line
from .entities import TEXT, Row

LABELS = "labels"
FROM, TO = "sentiment", "text"  # the names of the tags Choices and Text in the template of Label Studio
KEYS = ("label", "labels", "cats")  # the keys of labels in exports of doccano


def doccano(rows: Iterable[Row]) -> Iterator[str]:
    """Yields one line of JSON per row, for a project of doccano for text classification."""
    for row in rows:
        yield json_line({TEXT: row[TEXT], "label": row[LABELS], **_others(row)})


def label_studio(rows: Iterable[Row]) -> Iterator[str]:
    """Yields the parts of a JSON array of tasks, for a project of Label Studio with the tag Choices."""
    before = "[\n"
    for row in rows:
        result = {"from_name": FROM, "to_name": TO, "type": "choices", "value": {"choices": row[LABELS]}}
        task = {"data": {TEXT: row[TEXT], **_others(row)}, "annotations": [{"result": [result] if row[LABELS] else []}]}
        yield before + json_line(task).removesuffix("\n")
        before = ",\n"
    yield "\n]\n" if before != "[\n" else "[]\n"


def _others(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in (TEXT, *KEYS)}


def read(path: Path) -> list[dict[str, Any]]:
    """Reads texts with labels that either tool has written.

    Returns:
        A list of dicts with `text`, `labels` (None if the text is not annotated) and the other keys of the file.

    Raises:
        InputError: a row has no text, or its labels have another form.
    """
    made = []
    for number, row in enumerate(objects(path, decoded(path.read_bytes(), str(path), None)), 1):
        found = _task(row) if isinstance(row.get("data"), dict) else _line(row, f"{path}, row {number}")
        if not isinstance(found.get(TEXT), str):
            raise InputError(
                f"{path}, row {number} has no {TEXT!r}; found: {', '.join(map(str, list(row)[:12])) or 'nothing'}"
            )
        made.append(found)
    return made


def _line(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    name = next((key for key in KEYS if key in row), None)
    value = None if name is None else row[name]
    if not isinstance(value, list | str | int | float | None) or any(
        isinstance(each, list | dict) for each in (value if isinstance(value, list) else ())
    ):
        raise InputError(f'{where}: expected the labels of the text, such as ["good"], found {str(value)[:60]}')
    meta = row["meta"] if isinstance(row.get("meta"), dict) else {}
    labels = None if value is None else [text_of(each) for each in (value if isinstance(value, list) else [value])]
    return {**meta, **{key: cell for key, cell in row.items() if key not in (*KEYS, "meta")}, LABELS: labels}


def _task(row: Mapping[str, Any]) -> dict[str, Any]:
    """Reads a task of Label Studio: the choices of its first annotation that was not skipped."""
    done = [each for each in row.get("annotations") or () if isinstance(each, dict) and not each.get("was_cancelled")]
    results: Sequence[Any] = done[0].get("result") or () if done else ()
    chosen = [name for each in results for name in (each.get("value") or {}).get("choices") or ()]
    data = {key: cell for key, cell in row["data"].items() if key != LABELS}
    return {**data, LABELS: list(map(text_of, chosen)) if done else None}
