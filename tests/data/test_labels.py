import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from sklearn.utils.class_weight import compute_class_weight

from kbert_tasks.data.labels import balanced, labels_of, marked, thresholds


def test_labels_are_sorted_and_marked_in_an_array():
    assert labels_of([" b", "a", "", None, "b", 3]) == ("3", "a", "b")
    assert marked([("a",), (), ("c", "a", "never seen")], ["a", "b", "c"]).tolist() == [
        [True, False, False],
        [False, False, False],
        [True, False, True],
    ]


def test_balanced_weights_equal_those_of_scikit_learn():
    gold = np.array([0, 0, 0, 1, 2, 2])
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=gold)
    np.testing.assert_allclose(balanced(gold[:, None] == np.arange(3), several=False), wanted)
    marks = np.array([[1, 0], [0, 0], [0, 1], [0, 1]], bool)
    wanted = [compute_class_weight("balanced", classes=np.arange(2), y=each.astype(int)) for each in marks.T]
    np.testing.assert_allclose(balanced(marks, several=True), wanted)


def test_label_of_all_texts_has_weights():
    assert balanced(np.ones((4, 1), bool), several=True) == [[2.0, 0.5]]


def test_threshold_is_halfway_between_two_probabilities():
    p = np.array([[0.9, 0.2], [0.3, 0.6], [0.2, 0.4], [0.1, 0.1]])
    gold = np.array([[1, 0], [1, 0], [0, 0], [0, 0]], bool)
    assert thresholds(p, gold) == [pytest.approx(0.25), 0.5]  # the second label occurs in no text


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.7, 0.9, 1.0]), st.booleans()), min_size=1, max_size=12))
def test_threshold_gives_the_best_f1(texts):
    p, gold = np.array([each for each, _ in texts]), np.array([each for _, each in texts])
    (found,) = thresholds(p[:, None], gold[:, None])
    assert 0 <= found <= 1
    if not gold.any():
        assert found == 0.5
        return
    best = max(f1_score(gold, p >= each, zero_division=0) for each in (*p, *(p + 1e-9)))
    assert f1_score(gold, p >= found, zero_division=0) == pytest.approx(best)
