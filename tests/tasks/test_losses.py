"""The losses of labels, compared with NumPy formulas and with the losses of Keras."""

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


def mean(label_loss, gold, scores=SCORES):
    return float(label_loss(gold, scores))


@pytest.mark.parametrize("focal", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_equals_the_numpy_formula(focal, smoothing, weighted):
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
def test_loss_equals_that_of_keras(focal, smoothing):
    options = {"gamma": focal, "from_logits": True, "label_smoothing": smoothing}
    one = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, **options)
    assert mean(LabelLoss(False, None, focal, smoothing), ONE) == pytest.approx(mean(one, np.eye(3)[ONE]), rel=1e-5)
    weighted = keras.losses.CategoricalFocalCrossentropy(alpha=WEIGHTS, **options)
    assert mean(LabelLoss(False, WEIGHTS, focal, smoothing), ONE) == pytest.approx(
        mean(weighted, np.eye(3)[ONE]), rel=1e-5
    )
    if focal and smoothing:  # with both, the binary loss of Keras differs from ours
        return
    several = keras.losses.BinaryFocalCrossentropy(**options)
    assert mean(LabelLoss(True, None, focal, smoothing), SEVERAL) == pytest.approx(mean(several, SEVERAL), rel=1e-5)


def test_default_loss_is_that_of_keras():
    assert type(loss(False)) is keras.losses.SparseCategoricalCrossentropy
    assert type(loss(True)) is keras.losses.BinaryCrossentropy
    assert mean(LabelLoss(False), ONE) == pytest.approx(mean(loss(False), ONE), rel=1e-5)
    assert mean(LabelLoss(True), SEVERAL) == pytest.approx(mean(loss(True), SEVERAL), rel=1e-5)


@pytest.mark.parametrize("several, gold", [(False, np.array([1], "int32")), (True, np.array([[0, 1]], "float32"))])
@pytest.mark.parametrize("focal", [0.0, 0.5, 2.0])
def test_extreme_scores_have_finite_loss_and_gradient(several, gold, focal):
    label_loss = LabelLoss(several, None, focal, 0.01)
    for scores, wrong in (([[60.0, -60.0]], True), ([[-60.0, 60.0]], False)):
        scores = tf.constant(scores)
        with tf.GradientTape() as tape:
            tape.watch(scores)
            value = label_loss(gold, scores)
        gradient = tape.gradient(value, scores).numpy()
        assert np.isfinite(gradient).all() and np.isfinite(value)
        if wrong:
            assert gradient[0, 1] < -0.4


def test_loss_is_restored_from_its_config():
    original = LabelLoss(True, PAIRS, 2.0, 0.1)
    restored = keras.losses.deserialize(keras.losses.serialize(original))
    assert type(restored) is LabelLoss and mean(restored, SEVERAL) == mean(original, SEVERAL)
