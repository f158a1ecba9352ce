"""Warnings before training about labels that are probably a mistake."""

import logging

import pandas as pd
import pytest

import kbert_tasks as kb
from kbert_tasks import tasks
from kbert_tasks.tasks.classify import scores

SIMILAR = "differ only by case, width, white space or invisible characters"


def doubts(labels, task="classify", **settings):
    """The warnings about texts with these gold answers."""
    task = tasks.find(task)(**settings)
    examples = task.examples([f"text {i}" for i in range(len(labels))], labels).rows
    task.prepare(examples)
    return [*task.doubtful_answers(examples)]


@pytest.mark.parametrize(
    "labels, shown",
    [
        (["Good", "good", "good", "bad"], "'Good' (1), 'good' (2)"),
        (["ＡＢ", "AB", "bad"], "'AB' (1), 'ＡＢ' (1)"),
        (["ｶﾞ", "ガ", "bad"], "'ガ' (1), 'ｶﾞ' (1)"),
        (["好评", "好评\u200b", "\ufeff好评", "差"], r"'好评' (1), '好评\u200b' (1), '\ufeff好评' (1)"),
        (["好评", "好评\u3164", "差"], r"'好评' (1), '好评\u3164' (1)"),
        (
            ["room service", "room  service", "room\u00a0service", "x"],
            r"'room  service' (1), 'room service' (1), 'room\xa0",
        ),
        (["STRASSE", "straße", "x"], "'STRASSE' (1), 'straße' (1)"),
    ],
)
def test_labels_that_look_alike_are_reported(labels, shown):
    (sentence,) = doubts(labels)
    assert f"the labels {shown}" in sentence and SIMILAR in sentence


@pytest.mark.parametrize(
    "labels", [["好评", "差评"], ["a", "b", "ab"], ["①", "1"], ["1", "01", "1.0"], ["customer service", "room"]]
)
def test_different_labels_are_not_reported(labels):
    assert doubts(labels) == []


def test_further_groups_are_only_counted():
    found = doubts([name for i in range(9) for name in (f"x{i}", f"X{i}")])
    assert len(found) == 6 and found[-1] == "4 more groups of labels differ only in this way"


def test_predicates_and_types_that_look_alike_are_reported():
    (sentence,) = doubts([[["t", "作者", "e"]], [["t", "作者\u200b", "e"]]], "relation")
    assert r"the predicates '作者' (1), '作者\u200b' (1)" in sentence
    (sentence,) = doubts([[[0, 1, "Place"]], [[0, 1, "place"]]], "entity")
    assert "the types of entities 'Place' (1), 'place' (1)" in sentence
    task = kb.SubjectExtractor()
    examples = task.examples([{"text": "ab", "event_type": kind, "subject": "a"} for kind in ("Ipo", "IPO")]).rows
    task.prepare(examples)
    assert "the event types 'IPO' (1), 'Ipo' (1)" in [*task.doubtful_answers(examples)][0]


def test_evaluation_counts_labels_that_training_has_in_another_spelling():
    task = kb.TextClassifier()
    task.prepare(task.examples(["x", "y"], ["good", "bad"]).rows)
    rows = task.examples(["x", "y", "z"], ["Good", "bad\u200b", "new"]).rows
    assert scores._unseen(task, rows) == {
        "label not in the training data: counted as wrong": 3,
        "a label not in the training data differs from a training label only by case, width, white space or invisible characters": 2,
    }


@pytest.mark.parametrize(
    "cells, separator, number",
    [
        (["好评,酒店", "好评", "酒店"], ",", 1),
        (["好评;酒店", "好评;酒店", "", "酒店;早餐"], ";", 3),
        (["好评，酒店", "差评"], "，", 1),
        (["好评、酒店", "差评，酒店", "差评，早餐"], "，", 2),
        (["sport money", "money", "sport"], " ", 1),
    ],
)
def test_other_separator_than_the_one_set_is_reported(cells, separator, number):
    (sentence,) = doubts(cells, multi_label=True)
    assert sentence.startswith(f"no cell of labels contains the separator '|', and {number} of ")
    assert sentence.endswith(f"--label-separator {separator!r} splits them into several labels")
    assert doubts(cells, multi_label=True, label_separator=separator) == []


@pytest.mark.parametrize(
    "cells",
    [
        ["好评|酒店", "好评,房间", "x"],
        ["customer service", "room quality"],
        ["a, b"] + [f"c{i}" for i in range(40)],
        ["['a', 'b']", "c"],
        ["", "a"],
    ],
)
def test_no_other_separator_is_reported(cells):
    assert doubts(cells, multi_label=True) == []


def test_several_labels_that_are_read_as_one_are_reported():
    (lists,) = doubts(["['a', 'b']", "['b']", "c"])
    assert lists.startswith("2 labels are lists in one cell, such as \"['a', 'b']\": --multi-label splits them")
    (combined,) = doubts(["sport|money", "sport", "money"])
    assert combined == (
        "the label 'sport|money' consists of other labels: --multi-label --label-separator '|' splits it"
    )
    assert doubts([["sport|money"], ["sport", "money"]]) == []


def test_warnings_are_logged_before_training_and_kept_in_the_plan(checkpoint, caplog, monkeypatch):
    class Stop(Exception):
        pass

    def fit(*_):
        raise Stop

    plans = []
    monkeypatch.setattr("kbert_tasks.training.plan.run_with_retries", lambda plan, *_: plans.append(plan) or fit())
    frame = pd.DataFrame({"text": ["好", "坏", "吃"], "label": ["Good", "good", "bad"]})
    with caplog.at_level(logging.WARNING, "kbert_tasks"), pytest.raises(Stop):
        kb.TextClassifier(checkpoint, max_length=32, baseline=False).fit(frame)
    assert SIMILAR in caplog.text and SIMILAR in plans[0]["lines"][-1]


@pytest.mark.parametrize(
    "labels, settings",
    [
        ([["0", "1"], ["1", "0"]], {}),
        ([["0", "1", "0"], ["1", "1", "1"]], {}),
        (["0|1", "1|0"], {"multi_label": True}),
        (["0 1 0", "1 0 0"], {"multi_label": True}),
        (["0,1,0", "1,0,0"], {}),
    ],
)
def test_rows_of_0_and_1_as_text_are_reported(labels, settings):
    (sentence,) = doubts(labels, **settings)
    assert "rows of 0 and 1 are not supported; give the names of the labels" in sentence
    assert "--label-separator" not in sentence


@pytest.mark.parametrize("labels", [["0", "1"], [["0"], ["1"]], [["0", "1"], ["2"]], ["0 1", "x"]])
def test_other_numbers_are_label_names(labels):
    assert doubts(labels) == []


@pytest.mark.parametrize("cell", ["[好评, 酒店]", '{"好评": 1}', "{好评，酒店}", "['好评', 酒店]"])
@pytest.mark.parametrize("multi_label", [False, True])
def test_brackets_that_are_not_a_list_are_reported(cell, multi_label):
    (sentence,) = doubts([cell, "好评", "酒店"], multi_label=multi_label)
    assert sentence == (
        f'1 labels are in brackets but are not JSON lists, such as {cell!r}: write several labels as a JSON list, ["a", "b"]'
    )


def test_two_separators_in_one_file_are_reported():
    (sentence,) = doubts(["好评|酒店", "好评,酒店", "酒店,好评", "早餐"], multi_label=True)
    assert sentence == (
        "cells of labels contain two separators: '|' is set, but 2 labels contain ',' between other labels, such as '好评,酒店': "
        "use '|' in all cells"
    )
