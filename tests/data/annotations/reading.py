"""Helpers of the tests of annotation formats."""

import json
from collections import Counter

import pytest

import kbert_tasks as kb
from kbert_tasks.data.annotations.entities import PROBLEMS


def put(tmp_path, name, content):
    """Writes text, bytes, a list of JSON lines, or another object as JSON, and returns the path."""
    path = tmp_path / name
    if isinstance(content, list) and name.endswith(".jsonl"):
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
    elif not isinstance(content, str | bytes):
        content = json.dumps(content, ensure_ascii=False)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def rows(table):
    """The rows of a table as dicts, without the column of problems."""
    return table.drop(columns=PROBLEMS, errors="ignore").to_dict("records")


def problems(table):
    """{problem: number} of a table."""
    return dict(Counter(each for listed in table.get(PROBLEMS, ()) for each in listed))


def entity(start, end, kind, **more):
    return {"start": start, "end": end, "type": kind} | more


def parts(table):
    """The text and the type of each entity of each row."""
    return [[(row["text"][e["start"] : e["end"]], e["type"]) for e in row["entities"] or ()] for row in rows(table)]


def error_message(path, **options):
    with pytest.raises(kb.InputError) as caught:
        kb.read(path, **options)
    return str(caught.value)
