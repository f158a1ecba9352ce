"""JSON of Label Studio: tasks with "data" and results of "annotations" or "predictions"; offsets count characters."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..cells import missing, text_of
from ..output import json_line
from . import offsets
from .entities import CERTAINTY, ENTITIES, LABEL, TEXT, TRIPLES, Annotated, Row, labels_of, replaced, written
from .offsets import Found
from .relations import Reference, references, triples

USUAL = (offsets.CHARACTERS,)
FROM, TO = "label", "text"  # the names of the tags Labels (or Choices) and Text
OWN = ("id", "meta")  # columns that are keys of a task, not of its data
SEVERAL = "texts with several annotations: only the first that was not skipped is read"
PREDICTED = "texts without annotations: the prediction is read"
OTHER_CHOICES = "results left out: choices for another question"
BOTH_WAYS = "relations in both directions are read as from the first to the second entity"


def is_row(row: Row) -> bool:
    """Returns whether a row is a task of Label Studio: its text is in "data", next to results or alone."""
    done = any(isinstance(row.get(name), list) for name in ("annotations", "predictions"))
    return isinstance(row.get("data"), dict) and (done or row.keys() <= {"data", *OWN})


def read(path: Path, rows: Sequence[Row]) -> Annotated:
    """Reads an export of a project for named entities, relations or text classification ("JSON", not "JSON-MIN")."""
    made = Annotated()
    texts, found, related, chosen = [], [], [], []
    for number, row in enumerate(rows, 1):
        if not is_row(row):
            raise InputError(f'{path}, row {number}: expected a task with "data", found the keys {", ".join(row)}')
        key = _text_key(row["data"], path, number)
        texts.append(text_of(row["data"][key]))
        problems: list[str] = []
        results = _results(row, problems, path, number)
        found.append(None if results is None else [*_entities(results, problems)])
        related.append([*_relations(results or (), problems)])
        chosen.append([*_choices(results or ())])
        others = {name: row[name] for name in OWN if name in row} | row["data"]
        made.rows.append(replaced(others, {key: {TEXT: texts[-1]}, ENTITIES: {ENTITIES: None}}))
        made.problems.append(problems)
    counting = offsets.counting_of(path, texts, found, USUAL)
    made.about += offsets.sentences(counting, USUAL[0], texts)
    with_triples, only_choices = any(related), any(chosen) and not any(found)
    for row, problems, text, each, links in zip(made.rows, made.problems, texts, found, related, strict=True):
        spans = offsets.located(text, each or [], counting)
        problems += spans.problems
        row[ENTITIES] = None if each is None or only_choices else spans.entities
        if with_triples:
            row[TRIPLES] = None if each is None else triples(text, links, spans.by_key, problems)
    if any(chosen):
        _add_choices(made, chosen, [each is not None for each in found])
    return made


def _add_choices(made: Annotated, chosen: Sequence[Sequence[tuple[str, list[str]]]], known: Sequence[bool]) -> None:
    """Adds the choices as the column LABEL; if the file has several questions, only those of the first one.

    Args:
        made: the rows.
        chosen: for each row the names of questions (tags `Choices`) and what was chosen.
        known: for each row whether it is annotated.
    """
    first = next(name for each in chosen for name, _ in each)
    for row, problems, each, annotated in zip(made.rows, made.problems, chosen, known, strict=True):
        problems += [OTHER_CHOICES for name, _ in each if name != first]
        if LABEL in row:
            row[f"input_{LABEL}"] = row.pop(LABEL)
        row[LABEL] = [label for name, labels in each if name == first for label in labels] if annotated else None


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


def _results(row: Row, problems: list[str], path: Path, number: int) -> Sequence[Mapping[str, Any]] | None:
    """Returns the results of the first annotation that was not skipped, or of the first prediction; None without both.

    Raises:
        InputError: they, the annotations or the predictions are not a list of objects.
    """

    def objects(name: str) -> list[dict[str, Any]]:
        found = row.get(name) or []
        if not isinstance(found, list):
            raise InputError(f"{path}, row {number}: expected a list of {name}, found {str(found)[:60]}")
        return [each for each in found if isinstance(each, dict)]  # some exports have only ids

    done = [each for each in objects("annotations") if not each.get("was_cancelled")]
    guessed = objects("predictions")
    if len(done) > 1:
        problems.append(SEVERAL)
    elif not done and guessed:
        problems.append(PREDICTED)
    first = next(iter(done or guessed), None)
    if first is None:
        return None
    found = first.get("result") or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise InputError(f"{path}, row {number}: expected a list of results, found {str(found)[:60]}")
    return found


def _entities(results: Sequence[Mapping[str, Any]], problems: list[str]) -> Iterator[Found]:
    for each in results:
        kind, value = each.get("type"), _value(each)
        if kind == "labels":
            score = each.get("score", value.get("score"))
            more = {} if score is None else {"probability": score}
            surface, key = value.get("text"), each.get("id")
            for label in _names(value.get("labels")):
                yield Found(
                    value.get("start"),
                    value.get("end"),
                    label,
                    surface if isinstance(surface, str) else None,
                    key if isinstance(key, int | str) else None,
                    more,
                )
        elif kind not in ("relation", "choices"):
            problems.append(f"results left out: type {kind!r}")


def _choices(results: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Yields the name of a question, and what was chosen."""
    for each in results:
        if each.get("type") == "choices":
            yield str(each.get("from_name")), [str(name) for name in _names(_value(each).get("choices")) if name]


def _value(result: Mapping[str, Any]) -> Mapping[str, Any]:
    value = result.get("value")
    return value if isinstance(value, dict) else {}


def _names(value: Any) -> Sequence[Any]:
    """Returns a list of labels; [None] if there is none."""
    return value if isinstance(value, list) and value else [value or None]


def _relations(results: Sequence[Mapping[str, Any]], problems: list[str]) -> Iterator[Reference]:
    for each in results:
        if each.get("type") == "relation":
            subject, object_ = each.get("from_id"), each.get("to_id")
            if each.get("direction") == "left":
                subject, object_ = object_, subject
            elif each.get("direction") == "bi":
                problems.append(BOTH_WAYS)
            for label in _names(each.get("labels")):
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
        scores: the scores of the predictions of all rows; by default the column CERTAINTY, or else the smallest
            probability of an entity or triple.
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
    cells: dict[str, dict[str, Any]] = {TEXT: {TEXT: row[TEXT]}, ENTITIES: {}, TRIPLES: {}}
    data = written(row, cells if labels_of(row) is None else cells | {LABEL: {}})
    own = {name: data.pop(name) for name in OWN if name in data}
    task = {**own, "data": data}
    if row[ENTITIES] is None and row[TRIPLES] is None and labels_of(row) is None:
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
    if labels := labels_of(row):
        made = {"id": f"{number}-{LABEL}", "from_name": FROM, "to_name": TO, "type": "choices"}
        yield made | {"value": {"choices": labels}}
    for link in related:
        ends = {"from_id": f"{number}-{link.subject}", "to_id": f"{number}-{link.object}"}
        yield ends | {"type": "relation", "direction": "right", "labels": [link.label]}


def _score(row: Row) -> float | None:
    """Returns the certainty of a row, or else the smallest probability of its entities and triples; None without both."""
    if isinstance(certainty := row.get(CERTAINTY), Real) and not missing(certainty):
        return float(certainty)
    answers = [*(row[ENTITIES] or ()), *(row[TRIPLES] or ())]
    sure = [each["probability"] for each in answers if isinstance(each, dict) and not missing(each.get("probability"))]
    return min(sure, default=None)
