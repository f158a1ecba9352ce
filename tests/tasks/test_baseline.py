"""The baseline (TF-IDF with logistic regression): kinds of texts and labels, and where its scores are reported."""

import json
import random
import warnings

import pytest

import kbert_tasks as kb
from kbert_tasks.metrics.formatting import baseline_text, run_text
from kbert_tasks.reporting.report import html
from kbert_tasks.tasks.classify import baseline
from kbert_tasks.tasks.classify.baseline import Baseline

from ..reporting.reading import Page

FEW = {"epochs": 1, "max_length": 16, "precision": "float32"}


def fitted(rows, **settings):
    """(Baseline, task, examples) for a list of dicts; a warning is an error."""
    task = kb.TextClassifier(**settings)
    examples = task.examples(rows)
    task.prepare(examples.rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Baseline(task, examples.rows), task, examples.rows


CHINESE = {"好": ["很干净", "不错"], "差": ["太吵了", "很脏"]}
ENGLISH = {"good": ["clean", "lovely"], "bad": ["noisy", "dirty"]}


def texts(words, template, number=60):
    rng, labels = random.Random(0), sorted(words)
    return [
        {"text": template.format(rng.choice(words[labels[n % 2]]), rng.randrange(9)), "label": labels[n % 2]}
        for n in range(number)
    ]


@pytest.mark.parametrize(
    "words, template, unspaced",
    [(CHINESE, "这家酒店{}第{}次", True), (ENGLISH, "the room was {} on day {}", False)],
    ids=["zh", "en"],
)
def test_labels_that_depend_on_words_are_learned_in_both_languages(words, template, unspaced):
    fit, _, rows = fitted(texts(words, template))
    assert baseline._unspaced([row.text for row in rows]) is unspaced
    assert fit.scores(rows) == {"accuracy": 1.0, "macro_f1": 1.0}
    assert fit.about["name"] == "TF-IDF with logistic regression"
    assert fit.about["rows"] == fit.about["of"] == 60 and fit.about["features"] > 10


def test_texts_of_a_pair_are_compared():
    rng = random.Random(0)
    words = [*"金木水火土日月山川田风云雨雪"]
    rows = []
    for n in range(400):
        one = rng.sample(words, 3)
        other = rng.sample(one, 3) if n % 2 else rng.sample([w for w in words if w not in one], 3)
        rows.append({"text": "".join(one), "text_b": "".join(other), "label": "same" if n % 2 else "other"})
    fit, task, _ = fitted(rows[:300])
    assert fit.scores(task.examples(rows[300:]).rows)["accuracy"] == 1.0


def test_order_of_the_texts_of_a_pair_matters():
    rows = [
        {"text": one, "text_b": other, "label": one}
        for one, other in (("good", "bad"), ("bad", "good"))
        for _ in range(20)
    ]
    fit, _, examples = fitted(rows)
    assert fit.scores(examples)["accuracy"] == 1.0


def test_several_labels_or_none_per_text_are_predicted():
    kinds = [("clean", ["room"]), ("tasty", ["food"]), ("clean tasty", ["food", "room"]), ("nothing", [])]
    fit, task, examples = fitted(
        [{"text": f"{text} {n}", "label": labels} for n in range(15) for text, labels in kinds]
    )
    assert task.multi_label_
    assert fit.predict(examples[:4]) == [("room",), ("food",), ("food", "room"), ()]
    assert fit.scores(examples) == {"accuracy": 1.0, "micro_f1": 1.0, "macro_f1": 1.0}


@pytest.mark.parametrize(
    "labels, predicted",
    [([["a"], ["a"], ["a"]], ("a",)), ([["a"], [], []], ()), ([["a", "b"], ["a"], ["a"]], ("a",))],
    ids=["one label everywhere", "a rare label", "one everywhere, one rare"],
)
def test_labels_of_all_texts_and_rare_labels_are_supported(labels, predicted):
    fit, _, examples = fitted([{"text": f"text {n}", "label": each} for n, each in enumerate(labels)])
    assert fit.predict(examples)[-1] == predicted


def test_texts_without_common_words_or_letters_are_supported():
    for pair in (["a", "b"], ["!!", "??"], ["😀", "\ud83d"], ["一", "二"], ["a" * 5000, "。"]):
        fit, _, examples = fitted([{"text": text, "label": str(n)} for n, text in enumerate(pair)])
        assert fit.predict(examples) == ["0", "1"]


def test_label_not_in_the_training_data_counts_as_wrong():
    fit, task, _ = fitted(texts(ENGLISH, "the room was {} on day {}"))
    examples = task.examples([{"text": "a clean room", "label": "other"}]).rows
    assert fit.scores(examples) == {"accuracy": 0.0, "macro_f1": 0.0}


def test_large_data_is_sampled_and_the_report_says_so(monkeypatch):
    rows = texts(ENGLISH, "the room was {} on day {}", 200)
    monkeypatch.setattr(baseline, "CHARACTERS", 2600)
    fit, _, _ = fitted(rows)
    assert 90 < fit.about["rows"] < 110 and fit.about["of"] == 200
    assert baseline_text(fit.about).endswith(f"fitted on {fit.about['rows']} of the 200 training rows")
    monkeypatch.setattr(baseline, "WORK", 20)  # leaves one row with one label
    fit, _, examples = fitted(rows)
    assert fit.about["rows"] == 1 and len({*fit.predict(examples)}) == 1


def test_training_scores_the_baseline_on_the_same_rows(checkpoint):
    rows = texts(CHINESE, "这家酒店{}第{}次")
    task = kb.TextClassifier(checkpoint, **FEW).fit(rows[:40], dev=rows[40:])
    found = task.report_["baseline"]
    assert found["scores"] == {"dev": {"accuracy": 1.0, "macro_f1": 1.0}} and found["of"] == 40
    assert task.report_["seconds"]["baseline"] > 0
    assert "(baseline 1.0000)" in run_text(task.report_)
    test = task.examples(rows[:10])
    task.add_test(task.evaluate(test), 0.1, test.rows)
    assert task.report_["baseline"]["scores"]["test"]["accuracy"] == 1.0
    page = Page(html(json.loads(json.dumps(task.report_)), task.answers_)).words
    assert "dev, baseline" in page and "test, baseline" in page and "baseline 1.0000" in page
    assert "TF-IDF with logistic regression, fitted on 40 training rows, scored on the same rows as the model" in page
