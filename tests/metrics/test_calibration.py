"""Calibration of probabilities, compared with independent implementations of the formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbert_tasks.metrics.calibration import (
    COLDEST,
    HOTTEST,
    best_temperature,
    calibration_error,
    calibration_scores,
    losses,
    reliability,
    reliable_temperature,
    tempered,
)

temperatures = st.floats(COLDEST, HOTTEST)


@st.composite
def answers(draw):
    """(p, gold, several); the gold of a text may be none of the labels."""
    several = draw(st.booleans())
    texts, labels = draw(st.integers(1, 12)), draw(st.integers(1 if several else 2, 4))
    chance = np.random.default_rng(draw(st.integers(0, 10**6)))
    scores = chance.normal(0, draw(st.sampled_from([0.1, 2, 20])), (texts, labels))
    if several:
        return 1 / (1 + np.exp(-scores)), chance.random((texts, labels)) < 0.5, True
    p = np.exp(scores - scores.max(-1, keepdims=True))
    gold = chance.integers(0, labels + 1, texts)[:, None] == np.arange(labels)
    return p / p.sum(-1, keepdims=True), gold, False


def test_a_temperature_divides_the_scores():
    scores = np.array([[2.0, 0.5, -1.0], [0.0, 3.0, 3.0]])
    softmax = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    half = np.exp(scores / 2) / np.exp(scores / 2).sum(-1, keepdims=True)
    np.testing.assert_allclose(tempered(softmax, 2.0, False), half, atol=1e-12)
    np.testing.assert_allclose(tempered(1 / (1 + np.exp(-scores)), 2.0, True), 1 / (1 + np.exp(-scores / 2)))
    assert tempered(softmax, 1.0, False) is softmax


@given(answers(), temperatures)
def test_temperature_keeps_the_order_and_can_be_inverted(each, temperature):
    p, _, several = each
    found = tempered(p, temperature, several)
    assert ((found >= 0) & (found <= 1)).all()
    if several:
        assert ((found >= 0.5) == (p >= 0.5)).all()
    else:
        np.testing.assert_allclose(found.sum(-1), 1)
        best = p.argmax(-1)[:, None]
        np.testing.assert_array_equal(np.take_along_axis(found, best, -1)[:, 0], found.max(-1))
    small = np.abs(np.log(np.clip(p, 1e-300, 1)) / temperature).max() < 25  # otherwise digits are lost
    if small and (not several or p.max() < 1 - 1e-9 and found.max() < 1 - 1e-9):
        np.testing.assert_allclose(tempered(found, 1 / temperature, several), p, atol=1e-6)


def test_losses_equal_manual_results():
    p = np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    gold = np.array([[False, True], [False, False], [False, True]])
    np.testing.assert_allclose(losses(p, gold, False), [-np.log(0.8), 0, -np.log(1e-12)])
    np.testing.assert_allclose(losses(p[:2], gold[:2], True), [-2 * np.log(0.8), -2 * np.log(0.5)])


@given(answers())
def test_best_temperature_minimises_the_loss(each):
    p, gold, several = each
    found = best_temperature(p, gold, several)
    assert COLDEST <= found <= HOTTEST
    right = (gold == (p >= 0.5)) if several else gold[np.arange(len(p)), p.argmax(-1)] | ~gold.any(-1)
    if right.all():
        assert found == 1
        return
    least = losses(tempered(p, found, several), gold, several).mean()
    others = [losses(tempered(p, t, several), gold, several).mean() for t in (*np.geomspace(COLDEST, HOTTEST, 41), 1)]
    assert least <= min(others) + 1e-4


def test_known_temperature_is_recovered():
    chance = np.random.default_rng(0)
    scores = chance.normal(0, 1.5, (20000, 4))
    true = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    gold = (true.cumsum(-1) > chance.random((20000, 1))).argmax(-1)[:, None] == np.arange(4)
    confident = tempered(true, 1 / 2.5, False)
    found = best_temperature(confident, gold, False)
    assert found == pytest.approx(2.5, rel=0.03)
    scores = calibration_scores(tempered(confident, found, False), gold, found, False)
    assert scores["ece"] < 0.015 < 0.15 < scores["ece_uncalibrated"]
    assert scores["ece_uncalibrated"] == pytest.approx(calibration_error(confident, gold, False))


def repeated(p, right, wrong):
    """Texts with the same probabilities p: `right` of them have the first label, `wrong` of them the second."""
    return np.array([p] * (right + wrong)), np.array([[1, 0]] * right + [[0, 1]] * wrong, bool)


@pytest.mark.parametrize(
    "p, right, wrong, reason",
    [
        # Hardly trained: p is 0.51 and 29 of 30 are right, so the lowest temperature fits best. This is no evidence.
        ([0.51, 0.49], 29, 1, "the best temperature for the 30 development texts is at the limit of 0.1 to 10"),
        ([1 - 1e-9, 1e-9], 15, 15, "the best temperature for the 30 development texts is at the limit of 0.1 to 10"),
        (
            [0.9, 0.1],
            25,
            5,
            "the improvement by the best temperature, 1.37, on 30 development texts is not significant",
        ),
        (
            [0.9, 0.1],
            30,
            0,
            "a temperature cannot be fitted, because the predictions for all 30 development texts are correct",
        ),
    ],
)
def test_a_temperature_without_evidence_is_not_used(p, right, wrong, reason):
    assert reliable_temperature(*repeated(p, right, wrong), False) == (1.0, reason)


def test_a_temperature_with_evidence_is_used():
    for p, right, wrong in (([0.9, 0.1], 250, 50), ([0.99, 0.01], 24, 6)):
        made = repeated(p, right, wrong)
        assert reliable_temperature(*made, False) == (best_temperature(*made, False), None)


@given(answers())
def test_used_temperature_is_within_the_limits_and_better_than_1(each):
    p, gold, several = each
    found, reason = reliable_temperature(p, gold, several)
    assert (found == 1) == (reason is not None)
    if found != 1:
        assert COLDEST < found < HOTTEST
        assert losses(tempered(p, found, several), gold, several).sum() < losses(p, gold, several).sum() - 1.9


def test_calibration_error_equals_a_manual_result():
    p = np.array([[0.9, 0.1], [0.92, 0.08], [0.4, 0.6], [0.41, 0.59]])
    gold = np.array([[1, 0], [0, 1], [0, 1], [0, 0]], bool)
    # 0.9 and 0.92 are in the bin from 13/15 to 14/15, 0.59 in the bin below 0.6, and 0.6 in the bin above.
    assert calibration_error(p, gold, False) == pytest.approx((2 * abs(0.91 - 0.5) + abs(0.6 - 1) + abs(0.59 - 0)) / 4)
    counts, confident, right = reliability(p.max(-1), np.array([True, False, True, False]))
    assert counts.tolist() == [1, 1, 2]
    np.testing.assert_allclose([confident, right], [[0.59, 0.6, 0.91], [0, 1, 0.5]])


@given(answers())
def test_calibration_error_is_between_0_and_1_and_0_for_perfect_answers(each):
    p, gold, several = each
    assert 0 <= calibration_error(p, gold, several) <= 1
    known = gold if several else gold[gold.any(-1)]
    if len(known):
        assert calibration_error(known.astype(float), known, several) == 0


@given(answers())
def test_calibration_error_counts_each_answer_once(each):
    p, gold, several = each
    confident, right = (p.ravel(), gold.ravel()) if several else (p.max(-1), gold[np.arange(len(p)), p.argmax(-1)])
    expected = 0.0
    for i in range(15):
        in_bin = [n for n, s in enumerate(confident) if i / 15 <= s and (s < (i + 1) / 15 or i == 14)]
        expected += abs(sum(confident[in_bin]) - sum(right[in_bin]))
    assert calibration_error(p, gold, several) == pytest.approx(expected / len(confident), abs=1e-9)


def test_nan_probabilities_do_not_raise_an_error():
    p = np.full((3, 2), np.nan)
    gold = np.eye(3, 2, dtype=bool)
    assert np.isnan(calibration_error(p, gold, False))
    assert COLDEST <= best_temperature(p, gold, False) <= HOTTEST
    assert reliable_temperature(p, gold, False)[0] == 1.0
