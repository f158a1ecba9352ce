"""The losses of labels against NumPy formulas, and against Keras's where it has them."""

import numpy as np
import pytest

from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.tasks.classify.losses import LabelLoss, loss

tf, keras = tensorflow(), keras2()
draw = np.random.default_rng(0)
SCORES = draw.normal(0, 2, (5, 3)).astype("float32")
ONE = np.array([0, 2, 1, 1, 0], "int32")
SEVERAL = (draw.random((5, 3)) < 0.4).astype("float32")
WEIGHTS, PAIRS = [0.5, 2.0, 1.0], [[0.6, 3.0], [1.0, 1.0], [0.7, 1.5]]
softmax = np.exp(SCORES) / np.exp(SCORES).sum(-1, keepdims=True)
sigmoid = 1 / (1 + np.exp(-SCORES))


def mean(kind, gold, scores=SCORES):
    return float(kind(gold, scores))


@pytest.mark.parametrize("focal", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_formula(focal, smoothing, weighted):
    gold = np.eye(3)[ONE] * (1 - smoothing) + smoothing / 3
    weights = np.array(WEIGHTS if weighted else [1.0] * 3)
    wanted = -(weights * gold * (1 - softmax) ** focal * np.log(softmax)).sum(-1).mean()
    found = LabelLoss(False, WEIGHTS if weighted else None, focal, smoothing)
    assert mean(found, ONE) == mean(found, ONE[:, None]) == pytest.approx(wanted, rel=1e-5)

    gold = SEVERAL * (1 - smoothing) + smoothing / 2
    no, yes = np.array(PAIRS if weighted else [[1.0, 1.0]] * 3).T
    terms = yes * gold * (1 - sigmoid) ** focal * np.log(sigmoid)
    terms += no * (1 - gold) * sigmoid**focal * np.log(1 - sigmoid)
    found = LabelLoss(True, PAIRS if weighted else None, focal, smoothing)
    assert mean(found, SEVERAL) == pytest.approx(-terms.mean(), rel=1e-4)


@pytest.mark.parametrize("focal, smoothing", [(0.0, 0.0), (0.0, 0.2), (2.0, 0.0), (1.5, 0.1)])
def test_what_keras_has_too(focal, smoothing):
    told = {"gamma": focal, "from_logits": True, "label_smoothing": smoothing}
    one = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, **told)
    assert mean(LabelLoss(False, None, focal, smoothing), ONE) == pytest.approx(mean(one, np.eye(3)[ONE]), rel=1e-5)
    weighted = keras.losses.CategoricalFocalCrossentropy(alpha=WEIGHTS, **told)
    assert mean(LabelLoss(False, WEIGHTS, focal, smoothing), ONE) == pytest.approx(
        mean(weighted, np.eye(3)[ONE]), rel=1e-5
    )
    if (
        focal and smoothing
    ):  # with both, Keras's binary loss makes one p of the smoothed gold; here it is as in the other
        return
    several = keras.losses.BinaryFocalCrossentropy(**told)
    assert mean(LabelLoss(True, None, focal, smoothing), SEVERAL) == pytest.approx(mean(several, SEVERAL), rel=1e-5)


def test_with_nothing_set_it_is_kerass_own():
    assert type(loss(False)) is keras.losses.SparseCategoricalCrossentropy
    assert type(loss(True)) is keras.losses.BinaryCrossentropy
    assert mean(LabelLoss(False), ONE) == pytest.approx(mean(loss(False), ONE), rel=1e-5)
    assert mean(LabelLoss(True), SEVERAL) == pytest.approx(mean(loss(True), SEVERAL), rel=1e-5)


@pytest.mark.parametrize("several, gold", [(False, np.array([1], "int32")), (True, np.array([[0, 1]], "float32"))])
@pytest.mark.parametrize("focal", [0.0, 0.5, 2.0])
def test_what_is_most_wrong_has_a_gradient_and_what_is_most_right_a_number(several, gold, focal):
    kind = LabelLoss(several, None, focal, 0.01)
    for scores, wrong in (([[60.0, -60.0]], True), ([[-60.0, 60.0]], False)):
        scores = tf.constant(scores)
        with tf.GradientTape() as tape:
            tape.watch(scores)
            value = kind(gold, scores)
        gradient = tape.gradient(value, scores).numpy()
        assert np.isfinite(gradient).all() and np.isfinite(value)
        if wrong:
            assert gradient[0, 1] < -0.4


def test_it_is_built_again_from_its_config():
    kind = LabelLoss(True, PAIRS, 2.0, 0.1)
    again = keras.losses.deserialize(keras.losses.serialize(kind))
    assert type(again) is LabelLoss and mean(again, SEVERAL) == mean(kind, SEVERAL)
