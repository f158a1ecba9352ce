"""Advice after a run: reports, and the sentences that each of them gets."""

import json

import pytest

import kbert_tasks as kb
from kbert_tasks.metrics import classification, sets
from kbert_tasks.metrics.advice import advice
from kbert_tasks.metrics.formatting import advice_text
from kbert_tasks.reporting.report import html
from kbert_tasks.tasks.subject.subjects import Subject
from kbert_tasks.tasks.subject.task import Example
from kbert_tasks.text.tokenizer import Tokenizer

from .. import tiny
from ..reporting.made import TASKS
from ..reporting.reading import Page

LABELS = ("a", "b")
GOLD = ["a", "b"] * 100
GOOD = GOLD[:-10] + ["a", "a"] * 5  # 195 of 200 are right
WEAK = [label if n % 2 else "a" for n, label in enumerate(GOLD[:100])] + ["b", "a"] * 50
BASELINE = {"name": "TF-IDF", "rows": 5, "of": 5, "features": 9}
SMALL, LARGE = (
    {"hidden_size": h, "num_hidden_layers": n, "max_position_embeddings": 512} for h, n in ((192, 4), (768, 12))
)


def report(scores, part="test", **changes):
    """The report of a run with a base checkpoint, in which only the scores may need advice."""
    settings = {"epochs": 3, "learning_rate": 1e-5, "max_length": 128, "truncation": "cut"}
    counts = {"read": 5000, "used": 5000, "skipped": {}, "notes": {}}
    scored = {"read": 200, "used": 200, "skipped": {}, "notes": {}}
    made = {
        "settings": settings | changes.pop("settings", {}),
        "scores": {"dev": scores, part: scores},
        "examples": {"train": counts, "dev": scored, "test": scored},
        "plan": {"steps": 1000, "lengths": {"median": 30, "95 %": 90, "longest": 400}},
        "history": [{"epoch": n + 1, "loss": loss} for n, loss in enumerate((0.6, 0.3, 0.1))],
        "best_epoch": 2,
        "checkpoint": {"name": "some", "config": LARGE},
    }
    return made | changes


def one_label(predicted, gold=GOLD):
    return classification.classification(gold, predicted, LABELS)


def losses(*each):
    return [{"epoch": n + 1, "loss": loss} for n, loss in enumerate(each)]


def notes(**changes):
    scored = {"read": 200, "used": 200, "skipped": {}, "notes": {}}
    return {"train": scored | {"used": 5000}, "dev": scored, "test": scored | {"notes": changes.pop("test")}}


def baseline_with(accuracy):
    return BASELINE | {"scores": {"test": {"accuracy": accuracy}}}


def test_good_run_gets_no_advice():
    assert advice(report(one_label(GOOD), baseline=baseline_with(0.9), best_epoch=3)) == []
    assert advice(report(one_label(GOOD), baseline=baseline_with(0.975))) == []  # equal to the baseline is good enough
    assert advice(report(one_label(GOOD))) == []
    assert advice(report(sets.counted([{1}] * 9, [{1}] * 9))) == []
    assert advice(report({"closeness": 0.1})) == []  # an unknown score of another task
    assert advice(report({}) | {"scores": {}}) == []
    assert advice_text({"advice": []}) is None


@pytest.mark.parametrize("part", ["dev", "test"])
def test_score_below_the_baseline(part):
    found = BASELINE | {"scores": {"dev": {"accuracy": 0.98}, "test": {"accuracy": 0.98}}}
    first, *rest = advice(report(one_label(GOOD), part, baseline=found))
    assert first == f"The model's accuracy on the {part} texts, 0.9750, is below the 0.9800 of TF-IDF."
    assert rest == [
        "The training loss fell to 0.1000, and no setting is an obvious cause: check the worst mistakes in report.html for wrong "
        "labels, and for texts that do not contain the answer."
    ]


def test_accuracy_that_is_lower_because_of_unanswered_texts_gets_no_advice():
    predicted = [*GOOD[:100], *[None] * 100]
    scores = one_label(predicted) | classification.answered(GOLD, predicted)
    assert advice(report(scores, baseline=baseline_with(0.9))) == []


@pytest.mark.parametrize(
    "right, total, reported",
    [(60, 100, False), (58, 100, True), (3, 4, True), (11, 20, True), (40, 100, True)],
)
def test_accuracy_at_chance_is_found_by_a_binomial_test(right, total, reported):
    gold = ["a", "b"] * (total // 2)
    predicted = gold[:right] + [{"a": "b", "b": "a"}[label] for label in gold[right:]]
    sentences = advice(report(one_label(predicted, gold)))
    assert (
        any("is not significantly above 0.5000, the share of the most frequent label" in s for s in sentences)
        == reported
    )


def test_chance_is_the_share_of_the_most_frequent_label():
    gold = ["a"] * 90 + ["b"] * 10
    predicted = ["a"] * 89 + ["b", "b"] + ["a"] * 9
    found = advice(report(one_label(predicted, gold)))
    assert "An accuracy of 0.9000 on 100 test texts is not significantly above 0.9000" in found[0]
    assert advice(report(one_label(["a"] * 5, ["a"] * 5))) == []  # no accuracy can be above it


def test_one_label_for_all_texts_is_reported_for_each_part():
    same = one_label(["a"] * 200)
    made = report(one_label(GOOD)) | {"scores": {"dev": same, "test": one_label(GOOD)}}
    assert advice(made)[0] == "The model predicts the same label for all 200 dev texts: a."
    assert sum("same label for all" in s for s in advice(report(same))) == 2
    assert not any("same label" in s for s in advice(report(one_label(["a"] * 5, ["a"] * 5))))  # which is correct here


def test_evaluation_also_reports_one_label_for_all_texts():
    counts = {"read": 200, "used": 200, "skipped": {}, "notes": {}}
    printed = str(classification.Report(one_label(["a"] * 200), counts))
    assert printed.endswith("\nThe model predicts the same label for all 200 texts: a.")
    assert "same label" not in str(classification.Report(one_label(GOOD), counts))
    none = classification.multi_label([("a",), ("b",)], [(), ()], LABELS)
    assert "The model predicts no label for any of the 2 texts." in str(
        classification.Report(none, counts | {"used": 2})
    )


@pytest.mark.parametrize(
    "answer, sentence",
    [
        ((), "The model predicts no label for any of the 200 test texts."),
        (("a",), "same label for all 200 test texts: a."),
    ],
)
def test_one_prediction_for_all_texts_with_several_labels(answer, sentence):
    gold = [("a",), ("b",), ("a", "b"), ()] * 50
    sentences = advice(report(classification.multi_label(gold, [answer] * 200, LABELS)))
    assert any(sentence in each for each in sentences)
    assert not any("same label" in each for each in advice(report(classification.multi_label(gold, gold, LABELS))))


def spans(f1, gold=100):
    return {"precision": f1 or None, "recall": f1, "f1": f1, "per_class": {"x": {"support": gold, "precision": None}}}


@pytest.mark.parametrize(
    "f1, sentence",
    [
        (0.0, "F1 on the 200 test texts is only 0.0000, because the model predicts nothing."),
        (0.14, "only 0.1400."),
        (0.3, None),
    ],
)
def test_a_low_f1(f1, sentence):
    sentences = advice(report(spans(f1)))
    assert sentence in sentences[0] if sentence else sentences == []


LONGER = "Train longer, for example --epochs "


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"plan": {"steps": 27, "lengths": {"95 %": 90}}}, LONGER + "34: there were 27 steps"),
        ({"plan": {"steps": 1, "lengths": {"95 %": 90}}}, LONGER + "100: there were 1 steps"),
        ({"best_epoch": 3}, LONGER + "6: the last of 3 epochs was the best one."),
        (
            {"history": losses(0.71, 0.7, 0.69), "settings": {"learning_rate": 2e-5}},
            "Raise the learning rate, for example --learning-rate 5e-05 (used: 2e-05): the training loss of the last epoch is "
            "still 0.6900 (guessing by label frequency gives 0.6931).",
        ),
        (
            {"history": losses(0.71, 0.7, 0.69), "checkpoint": {"name": "some", "config": SMALL}},
            "Raise the learning rate, for example --learning-rate 4e-05 (used: 1e-05)",
        ),
        (
            {"history": losses(0.7, 0.7, 0.7), "settings": {"learning_rate": 6e-5}},
            "Lower the learning rate, for example --learning-rate 2e-05 (used: 6e-05)",
        ),
        (
            {"history": losses(0.6, 0.7, 0.9)},
            "Lower the learning rate, for example --learning-rate 3e-06 (used: 1e-05)",
        ),
        (
            {"history": losses(0.2, 0.19), "settings": {"focal_gamma": 2.0}},
            "is still 0.1900 (the first epoch's was 0.2000).",
        ),
        (
            {"checkpoint": {"name": "tiny-zh", "config": SMALL}},
            "Use a larger checkpoint than tiny-zh (4 layers of 192)",
        ),
        (
            {"examples": notes(test={}) | {"train": {"used": 90, "notes": {}}}},
            "Label more texts: there are only 90 training texts.",
        ),
        (
            {"examples": notes(test={"cut to max_length": 90}), "plan": {"steps": 900, "lengths": {"95 %": 300}}},
            "Read more of each text, with --max-length 300 or --truncation windows: 45% of the test texts are truncated.",
        ),
        (
            {
                "examples": notes(test={}) | {"train": {"used": 5000, "notes": {"cut to max_length": 1000}}},
                "plan": {"steps": 900, "lengths": {"95 %": 900}},
                "settings": {"max_length": 512},
            },
            "Read more of each text, with --truncation windows: 20% of the train texts are truncated.",
        ),
    ],
)
def test_advice_depends_on_the_report(changes, sentence):
    found = advice(report(one_label(WEAK), **changes))
    assert "is not significantly above" in found[0]
    assert any(sentence in each for each in found[1:]), found
    # There is no other advice, except about a small checkpoint.
    assert not [each for each in found[1:] if sentence not in each and "larger checkpoint" not in each]


def test_few_truncated_texts_get_no_advice():
    cut = notes(test={"cut to max_length": 10})
    assert not any("Read more" in each for each in advice(report(one_label(WEAK), examples=cut)))


def test_one_epoch_without_a_loss_to_compare_gets_no_learning_rate_advice():
    assert not any("learning rate" in each for each in advice(report(spans(0.1), history=losses(9.0))))


@pytest.mark.parametrize(
    "text, gold, characters, sentence",
    [
        ("好" * 40, "好" * 30, 64, "Use a higher --max-length, for example 32 (used: 16): 1 of 1 answers"),
        ("the rooms", "room", 64, "Use --tokenization characters: 1 of 1 answers in the test texts cannot be found."),
        ("the room", "hotel", 64, "Correct the gold answers: 1 of 1 answers in the test texts cannot be found."),
        ("好" * 40, "好" * 30, 16, None),  # the checkpoint cannot read longer texts
    ],
)
def test_gold_answers_that_cannot_be_found_get_advice(text, gold, characters, sentence):
    task = kb.SubjectExtractor(max_length=16)
    task.tokenizer, task.longest_, task.typed_ = Tokenizer([*tiny.vocabulary(), "rooms"], cased=False), 99, False
    example = Example(text, None, (Subject(gold, None, None),))
    remarks = [*task.notes_on(example, task.encode(example))]
    assert any("cannot be found" in each for each in remarks)
    config = LARGE | {"max_position_embeddings": characters}
    made = report(spans(0.0, gold=1), settings={"max_length": 16}, checkpoint={"name": "some", "config": config})
    found = advice(made | {"examples": notes(test=dict.fromkeys(remarks, 1))})
    assert any(sentence in each for each in found) if sentence else not any("cannot be found" in each for each in found)


@pytest.mark.parametrize("task", TASKS)
def test_page_shows_the_advice(task):
    made, answers = TASKS[task](advice=["Try <this>."])
    page = Page(html(json.loads(json.dumps(made)), answers))
    assert page.sections[0] == "advice" and "Advice 建议 Try <this>." in page.words
    assert "advice" not in Page(html(*TASKS[task](advice=[]))).sections


def test_console_shows_the_advice():
    assert advice_text({"advice": ["One.", "Two."]}) == "advice\n  - One.\n  - Two."
