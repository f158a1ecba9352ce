import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kbert_tasks.reporting import counting, spans, tables


@given(st.lists(st.tuples(st.integers(1, 600), st.booleans()), min_size=1, max_size=300))
def test_length_groups_contain_every_text_once(texts):
    groups = counting.by_length(*zip(*texts, strict=True))
    assert sum(group["texts"] for group in groups) == len(texts) and len(groups) <= counting.GROUPS
    assert all(one["to"] < other["from"] for one, other in zip(groups, groups[1:], strict=False))
    for group in groups:
        group_answers = [right for tokens, right in texts if group["from"] <= tokens <= group["to"]]
        assert len(group_answers) == group["texts"] and group["right"] == pytest.approx(
            sum(group_answers) / len(group_answers)
        )
        assert 0 <= group["low"] <= group["right"] + 1e-9 and group["right"] - 1e-9 <= group["high"] <= 1


@given(st.integers(0, 200), st.integers(0, 200))
def test_interval_of_a_proportion_equals_scipy(right, wrong):
    from scipy.stats import binomtest

    assume(right + wrong)
    expected = binomtest(right, right + wrong).proportion_ci(0.95, method="wilson")
    assert counting.interval(right, right + wrong) == pytest.approx(tuple(expected), abs=1e-4)


def test_confidence_of_answers():
    one = {"gold": "a", "probabilities": {"a": 0.3, "b": 0.7}}
    confidence, right = counting.sureness([one, one | {"gold": "b"}, {"gold": "a"}])
    assert (confidence.tolist(), right.tolist()) == ([0.7, 0.7], [False, True])
    confidence, right = counting.sureness([one | {"gold": ["a"]}])
    assert (confidence.tolist(), right.tolist()) == ([0.3, 0.7], [True, False])
    assert counting.sureness([{"gold": "a"}]) is None and counting.sureness([]) is None


def test_most_frequent_confusions_of_labels():
    matrix = [[5, 2, 0], [3, 1, 0], [0, 2, 0]]
    texts = {"a": 10, "b": 4, "c": 2}  # three texts with label a have no answer
    assert counting.confused(matrix, "abc", texts) == [("b", "a", 3, 0.75), ("c", "b", 2, 1.0), ("a", "b", 2, 0.2)]
    assert counting.confused(matrix, "abc", texts, most=1) == [("b", "a", 3, 0.75)]


places = st.lists(st.tuples(st.integers(-3, 14), st.integers(-3, 14)), max_size=5)


@given(st.text("ab龘", max_size=10), places, places)
def test_pieces_of_a_text_show_gold_and_predicted_spans(text, gold, predicted):
    found = spans.pieces(text, gold, predicted)
    assert "".join(string for string, _ in found) == text and all(string for string, _ in found)
    kinds = [kind for string, kind in found for _ in string]
    for i, kind in enumerate(kinds):
        expected = {
            name for name, part in (("gold", gold), ("predicted", predicted)) if any(b <= i < e for b, e in part)
        }
        assert {"": set(), "both": {"gold", "predicted"}}.get(kind, {kind}) == expected


def test_gold_without_a_position_is_marked_at_every_occurrence():
    answer = {
        "text": "Ann met Anna and Ann",
        "gold": [{"subject": "Ann"}],
        "predicted": [{"subject": "Anna", "span": [8, 12]}],
    }
    marked = [(s, kind) for s, kind in spans.marked(answer, ("subject",)) if kind]
    assert marked == [("Ann", "gold"), ("Anna", "predicted"), ("Ann", "gold")]
    assert spans.verdicts(answer, ("subject",)) == [("missed", ("Ann",), None), ("wrong", ("Anna",), None)]


def test_table_of_seeds_contains_only_scores():
    seeds = {"each": [{"seed": 1, "dev": {"f1": 0.5, "threshold": 0.3}}], "mean": {"dev": {"f1": 0.5}}}
    table = tables.runs(seeds, "seed")
    assert table.columns == ["seed", "dev F1"] and table.rows == [["1", 0.5], ["mean", 0.5]]


@pytest.mark.parametrize(
    "scores, main",
    [
        ({"accuracy": 0.5, "f1": 0.25}, ("F1", 0.25)),
        ({"macro_f1": 0.5, "accuracy": 0.25}, ("accuracy", 0.25)),
        ({"precision": None, "other_score": 2}, ("other score", 2)),
        ({"precision": None}, None),
        ({}, None),
    ],
)
def test_main_score_of_a_report(scores, main):
    assert tables.main_score(scores) == main


def test_curves_of_epochs_with_different_keys():
    history = [
        {"epoch": 1, "loss": math.inf, "dev": {"f1": 0.1, "threshold": 0.4}},
        {"epoch": 2, "loss": 1.0, "losses": {"a": 1.0}},
    ]
    assert tables.curves(history) == ({"total": [math.inf, 1.0], "a": [None, 1.0]}, {"F1": [0.1, None]})
