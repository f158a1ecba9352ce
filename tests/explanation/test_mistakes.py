"""Explanations of the worst mistakes in the report of a task."""

import json
import logging
import re

import pytest

import kbert_tasks as kb
from kbert_tasks import tasks
from kbert_tasks.explanation import mistakes, models
from kbert_tasks.reporting import writing
from kbert_tasks.reporting.mistakes import places

from ..reporting.reading import Page
from .test_explain import FEW, ROWS

WRONG = [  # the same texts with different gold that the model can answer but was not trained on
    row
    | {"label": {"positive": "negative", "negative": "neutral", "neutral": "positive"}[row["label"]]}
    | {"spo_list": [triple | {"predicate": {"好": "差", "差": "大", "大": "好"}[triple["predicate"]]}]}
    | {"subject": triple["object"]}
    | {"entities": [[start, end, {"地点": "东西", "东西": "地点"}[kind]] for start, end, kind in row["entities"]]}
    for row in ROWS
    for triple in row["spo_list"]
]


@pytest.fixture(autouse=True)
def enough_time(monkeypatch):
    monkeypatch.setattr(mistakes, "SECONDS", 60)


@pytest.fixture(scope="module", params=tasks.names())
def task(request, checkpoint):
    """A task of each kind that makes mistakes, because its development gold is wrong."""
    return tasks.find(request.param)(checkpoint, **FEW).fit(ROWS, dev=WRONG)


def explanations(page):
    """For each mistake, its explanations as (predicted or gold, explained answer)."""
    items = page.split('<ol class="mistakes">')[1].split('\n<li>\n<p class="facts">')[1:]
    return [re.findall(r'<h4>(\w+) .*?<p class="answer"><strong>(.*?)</strong>', item, re.DOTALL) for item in items]


def reported(task, file, **options):
    """The page that `kb.report` writes."""
    kb.report(task, file, **options)
    return file.read_text(encoding="utf-8")


def test_the_worst_mistakes_are_explained(task, tmp_path):
    page = reported(task, tmp_path / "page.html")
    wrong = [task.answers_[place] for place in places(task.answers_)]
    kind, found = task.report_["task"], explanations(page)
    assert len(wrong) > mistakes.MOST and len(found) == len(wrong)
    explained = [each for each in found if each]
    assert 0 < len(explained) <= mistakes.MOST and not any(found[mistakes.MOST :])
    for answer, each in zip(wrong, found, strict=True):
        for name, explained_answer in each:
            if kind == "classify":
                assert explained_answer == answer[name]
            elif kind == "subject":
                assert explained_answer in [s["subject"] for s in answer[name]] or (
                    explained_answer == "no subject" and not answer[name]
                )
            else:
                keys = {"relation": ("subject", "predicate", "object"), "entity": ("entity", "type")}[kind]
                assert explained_answer.split(" | ") in [[each[key] for key in keys] for each in answer[name]]
    if kind == "classify":
        assert [[name for name, _ in each] for each in found[:5]] == [["predicted", "gold"]] * 5
    assert page.count('<div class="attention">') == len(explained)  # once for all explanations of a mistake
    assert "Draws each attention in the page" in page
    read = Page(page)
    assert read.loaded == [] and "http" not in page.replace("http-equiv", "") and len(read.ids) == len(set(read.ids))
    assert models._built.cache_info().currsize == 0


def test_loaded_task_has_the_same_explanations(task, tmp_path):
    task.save(tmp_path / "run")
    trained, loaded = (reported(each, tmp_path / "page.html") for each in (task, kb.load(tmp_path / "run")))
    assert explanations(trained) == explanations(loaded) and any(explanations(trained))


def test_answers_to_explain_for_each_kind_of_mistake():
    def answers_to_explain(kind, predicted, gold):
        answer = json.loads(json.dumps({"predicted": predicted, "gold": gold}))
        return mistakes._asked(tasks.find(kind)(), answer)

    assert answers_to_explain("classify", "a", "b") == [("predicted", "a"), ("gold", "b")]
    assert answers_to_explain("classify", None, "b") == [("gold", "b")]
    assert answers_to_explain("classify", ("a", "b", "c"), ("b",)) == [("predicted", "a")]
    assert (
        answers_to_explain("classify", ("b",), ("b", "c")) == [("gold", "c")]
        and answers_to_explain("classify", (), ()) == []
    )
    assert answers_to_explain("subject", [], [{"subject": "雪"}]) == [("predicted", ""), ("gold", "雪")]
    assert answers_to_explain("subject", [{"subject": "雪", "span": [0, 1]}], []) == [("predicted", "雪"), ("gold", "")]
    triple = {"subject": "雪", "predicate": "作者", "object": "者"}
    assert answers_to_explain("relation", [], [triple]) == [("gold", ("雪", "作者", "者"))]
    one, other = ({"entity": "雪", "type": kind, "start": 0, "end": 1} for kind in ("作品", "人物"))
    assert answers_to_explain("entity", [one], [other]) == [("predicted", (0, 1, "作品")), ("gold", (0, 1, "人物"))]
    assert answers_to_explain("entity", [one | {"probability": 0.9}], [one]) == []


def test_gold_label_unknown_to_the_model_is_not_explained(checkpoint):
    task = kb.TextClassifier(checkpoint, **FEW).fit(
        ["好", "坏"] * 4, ["a", "b"] * 4, dev=(["好吃的", "坏了"], ["c", "c"])
    )
    assert [[name for name, _ in each] for each in mistakes.explained(task, places(task.answers_)).values()] == [
        ["predicted"]
    ] * 2


def test_mistake_that_cannot_be_explained_is_replaced_by_the_next(task, monkeypatch):
    wrong = places(task.answers_)
    worst = task.answers_[wrong[0]]["text"]

    def explained(_, text, *rest, **more):
        if text == worst:
            raise kb.InputError("not this one")
        return text

    monkeypatch.setattr(mistakes, "explain", explained)
    monkeypatch.setattr(mistakes, "fragment", lambda text, brief: text)
    found = mistakes.explained(task, places(task.answers_))
    assert [*found] == wrong[1 : mistakes.MOST + 1]
    assert all(html == task.answers_[place]["text"] for place, reasons in found.items() for _, html in reasons)


def test_time_and_length_are_limited(task, monkeypatch):
    assert mistakes.explained(task, places(task.answers_))
    with monkeypatch.context() as patched:
        patched.setattr(mistakes, "SECONDS", 0)
        assert mistakes.explained(task, places(task.answers_)) == {}
    with monkeypatch.context() as patched:
        patched.setattr(mistakes, "MAPS", 10)
        assert not any(
            'class="attention"' in made
            for each in mistakes.explained(task, places(task.answers_)).values()
            for _, made in each
        )
    monkeypatch.setattr(mistakes, "LONG", 3)
    assert mistakes.explained(task, places(task.answers_)) == {}


def test_failed_explanation_is_reported_and_the_page_is_written(task, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(mistakes, "explain", lambda *_, **__: 1 / 0)
    with caplog.at_level(logging.WARNING, "kbert_tasks"):
        page = reported(task, tmp_path / "page.html")
    assert "the errors could not be explained (ZeroDivisionError" in caplog.text
    assert "answered wrongly" in page and not any(explanations(page))
    assert models._built.cache_info().currsize == 0


def test_page_can_be_written_without_explanations(task, tmp_path):
    assert not any(explanations(reported(task, tmp_path / "page.html", explain=False)))


def test_command_explains_only_once(checkpoint, tmp_path, monkeypatch):
    from kbert_tasks.cli import train

    calls = []
    monkeypatch.setattr(writing, "explained", lambda task, _: calls.append(task.report_["scores"].keys()) or {})
    words = ["--checkpoint", checkpoint, "--epochs", "1", "--max-length", "16", "--output", str(tmp_path / "run")]
    assert train(words) == 0
    assert [set(each) for each in calls] == [{"dev", "test"}]
