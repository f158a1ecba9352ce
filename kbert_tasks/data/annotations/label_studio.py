"""JSON of Label Studio: tasks with "data" and results of "annotations" or "predictions"; offsets count characters."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..cells import missing, text_of
from ..output import json_line
from . import offsets
from .entities import ENTITIES, TEXT, TRIPLES, Annotated, Row, other_columns
from .offsets import Found
from .relations import Reference, references, triples

USUAL = (offsets.CHARACTERS,)
FROM, TO = "label", "text"  # the names of the tags Labels and Text in the templates of Label Studio
OWN = ("id", "meta")  # columns that are keys of a task, not of its data
SEVERAL = "texts with several annotations: only the first that was not skipped is read"
PREDICTED = "texts without annotations: the prediction is read"
BOTH_WAYS = "relations in both directions are read as from the first to the second entity"


def is_row(row: Row) -> bool:
    """Returns whether a row is a task of Label Studio: its text is in "data", next to results or alone."""
    done = any(isinstance(row.get(name), list) for name in ("annotations", "predictions"))
    return isinstance(row.get("data"), dict) and (done or row.keys() <= {"data", *OWN})


def read(path: Path, rows: Sequence[Row]) -> Annotated:
    """Reads an export of a project for named entities, with or without relations ("JSON", not "JSON-MIN")."""
    made = Annotated()
    texts, found, related = [], [], []
    for number, row in enumerate(rows, 1):
        if not is_row(row):
            raise InputError(f'{path}, row {number}: expected a task with "data", found the keys {", ".join(row)}')
        key = _text_key(row["data"], path, number)
        texts.append(text_of(row["data"][key]))
        problems: list[str] = []
        results = _results(row, problems)
        found.append(None if results is None else [*_entities(results, problems)])
        related.append([*_relations(results or (), problems)])
        others = {name: row[name] for name in OWN if name in row} | row["data"]
        made.rows.append({TEXT: texts[-1], ENTITIES: None} | {n: v for n, v in others.items() if n != key})
        made.problems.append(problems)
    counting = offsets.counting_of(path, texts, found, USUAL)
    made.about += offsets.sentences(counting, USUAL[0], texts)
    with_triples = any(related)
    for row, problems, text, each, links in zip(made.rows, made.problems, texts, found, related, strict=True):
        spans = offsets.located(text, each or [], counting)
        problems += spans.problems
        row[ENTITIES] = None if each is None else spans.entities
        if with_triples:
            row[TRIPLES] = None if each is None else triples(text, links, spans.by_key, problems)
    return made


def _text_key(data: Mapping[str, Any], path: Path, number: int) -> str:
    """Returns the key of the text: `text`, or the only key with a string."""
    keys = (
        [TEXT] if isinstance(data.get(TEXT), str) else [name for name, value in data.items() if isinstance(value, str)]
    )
    if len(keys) != 1:
        raise InputError(
            f'{path}, row {number}: expected the text as {TEXT!r} in "data", found the keys {", ".join(data) or "none"}'
        )
    return keys[0]


def _results(row: Row, problems: list[str]) -> Sequence[Any] | None:
    """Returns the results of the first annotation that was not skipped, or of the first prediction; None without both."""
    done = [each for each in row.get("annotations") or () if isinstance(each, dict) and not each.get("was_cancelled")]
    guessed = [each for each in row.get("predictions") or () if isinstance(each, dict)]  # some exports have only ids
    if len(done) > 1:
        problems.append(SEVERAL)
    elif not done and guessed:
        problems.append(PREDICTED)
    first = next(iter(done or guessed), None)
    return None if first is None else first.get("result") or ()


def _entities(results: Sequence[Any], problems: list[str]) -> Iterator[Found]:
    for each in results:
        kind, value = each.get("type"), each.get("value") or {}
        if kind == "labels":
            score = each.get("score", value.get("score"))
            more = {} if score is None else {"probability": score}
            for label in value.get("labels") or [None]:
                yield Found(value.get("start"), value.get("end"), label, value.get("text"), each.get("id"), more)
        elif kind != "relation":
            problems.append(f"results left out: type {kind!r}")


def _relations(results: Sequence[Any], problems: list[str]) -> Iterator[Reference]:
    for each in results:
        if each.get("type") == "relation":
            subject, object_ = each.get("from_id"), each.get("to_id")
            if each.get("direction") == "left":
                subject, object_ = object_, subject
            elif each.get("direction") == "bi":
                problems.append(BOTH_WAYS)
            for label in each.get("labels") or [None]:
                yield Reference(subject, label, object_)


def lines(
    rows: Iterable[Row],
    problems: Counter[str],
    model_version: str | None = None,
    scores: Iterable[float | None] | None = None,
) -> Iterator[str]:
    """Yields the parts of a JSON array of tasks.

    Args:
        rows: the rows.
        problems: counts what could not be written.
        model_version: the name of the model that predicted the entities; None writes annotations instead of predictions.
        scores: the scores of the predictions of all rows; by default the smallest probability of an entity or triple.
    """
    scored = ((row, _score(row)) for row in rows) if scores is None else zip(rows, scores, strict=True)
    before = "[\n"
    for number, (row, score) in enumerate(scored):
        yield before + json_line(_task(row, number, problems, model_version, score)).removesuffix("\n")
        before = ",\n"
    yield "\n]\n" if before != "[\n" else "[]\n"


def _task(
    row: Row, number: int, problems: Counter[str], model_version: str | None, score: float | None
) -> dict[str, Any]:
    others = other_columns(row)
    own = {name: others.pop(name) for name in OWN if name in others}
    task = {**own, "data": {TEXT: row[TEXT], **{name: value for name, value in others.items() if name != TEXT}}}
    if row[ENTITIES] is None and row[TRIPLES] is None:
        return task
    made: dict[str, Any] = {"result": [*_written(row, number, problems)]}
    if model_version is None:
        return task | {"annotations": [made]}
    return task | {
        "predictions": [{"model_version": model_version} | ({} if score is None else {"score": score}) | made]
    }


def _written(row: Row, number: int, problems: Counter[str]) -> Iterator[dict[str, Any]]:
    entities, related = references(row, problems)
    for index, each in enumerate(entities):
        value = {"start": each["start"], "end": each["end"], "text": row[TEXT][each["start"] : each["end"]]}
        made = {"id": f"{number}-{index}", "from_name": FROM, "to_name": TO, "type": "labels"}
        score = {} if each.get("probability") is None else {"score": each["probability"]}
        yield made | {"value": value | {"labels": [each["type"]]}} | score
    for link in related:
        ends = {"from_id": f"{number}-{link.subject}", "to_id": f"{number}-{link.object}"}
        yield ends | {"type": "relation", "direction": "right", "labels": [link.label]}


def _score(row: Row) -> float | None:
    """Returns the smallest probability of the entities and triples of a row, or None if there is none."""
    answers = [*(row[ENTITIES] or ()), *(row[TRIPLES] or ())]
    sure = [each["probability"] for each in answers if isinstance(each, dict) and not missing(each.get("probability"))]
    return min(sure, default=None)
