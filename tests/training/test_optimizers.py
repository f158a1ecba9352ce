"""AdamW against NumPy, and the learning rate of each step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.errors import InputError
from kbert_tasks.training.optimizers import AdamW, WarmUp, falling, warmup_schedule

tf, keras = tensorflow(), keras2()


def reference_adamw(weight, gradients, rate, decay, epsilon=1e-6, b1=0.9, b2=0.999):
    """AdamW in float64: algorithm 2 of Loshchilov and Hutter, with epsilon where Keras's Adam adds it."""
    m = v = np.zeros_like(weight)
    for t, g in enumerate(gradients, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        step = rate(t - 1) * np.sqrt(1 - b2**t) / (1 - b1**t)
        weight = weight - step * m / (np.sqrt(v) + epsilon) - rate(t - 1) * decay * weight
    return weight


@pytest.mark.parametrize("scheduled", [False, True])
def test_matrices_decay_and_vectors_do_not(scheduled):
    draw = np.random.default_rng(0)
    start = {"kernel": draw.normal(size=(3, 4)), "gamma": draw.normal(size=4), "table": draw.normal(size=(5, 2))}
    gradients = [{name: draw.normal(size=each.shape) for name, each in start.items()} for _ in range(7)]
    schedule = warmup_schedule(0.1, 3, 10)
    variables = {name: tf.Variable(each.astype("float32"), name=name) for name, each in start.items()}
    adam = AdamW(schedule if scheduled else 0.1, weight_decay=0.5)
    for each in gradients:
        adam.apply_gradients([(tf.constant(each[name].astype("float32")), variables[name]) for name in variables])
    rate = (lambda step: float(schedule(step))) if scheduled else (lambda step: 0.1)
    for name, variable in variables.items():
        decay = 0.0 if name == "gamma" else 0.5
        expected = reference_adamw(start[name], [each[name] for each in gradients], rate, decay)
        np.testing.assert_allclose(variable.numpy(), expected, rtol=2e-5, atol=1e-6)


def test_adamw_without_decay_is_adam():
    results = []
    for adam in (AdamW(0.01, weight_decay=0.0, epsilon=1e-7), keras.optimizers.legacy.Adam(0.01, epsilon=1e-7)):
        variable = tf.Variable([[1.0, -2.0]])
        for _ in range(5):
            adam.apply_gradients([(tf.constant([[0.3, -0.1]]), variable)])
        results.append(variable.numpy())
    assert np.array_equal(*results)


def test_sparse_gradients_decay():
    table = tf.Variable(np.ones((3, 2), "float32"))
    gradient = tf.IndexedSlices(tf.zeros((1, 2)), tf.constant([1]), tf.constant([3, 2]))
    AdamW(0.1, weight_decay=0.5).apply_gradients([(gradient, table)])
    np.testing.assert_allclose(table.numpy(), 0.95)


def test_each_layer_has_its_own_learning_rate():
    names = ["Embedding-Token", "Encoder-1-FeedForward", "Encoder-2-FeedForward", "Encoder-2-FeedForward-Norm", "label"]
    expected = [0.125, 0.25, 0.5, 0.5, 1.0]
    rates = falling(names, 0.5)
    assert [rates.get(name, 1.0) for name in names] == expected
    variables = [tf.Variable([[1.0]], name=f"{name}/kernel") for name in names]
    adam = AdamW(0.1, weight_decay=0.0, rates=rates)
    for _ in range(3):
        adam.apply_gradients([(tf.constant([[0.3]]), each) for each in variables])
    moved = [1 - each.numpy().item() for each in variables]
    # With constant gradients, each of the three steps of Adam is as long as the learning rate.
    np.testing.assert_allclose(moved, 0.3 * np.array(expected), rtol=1e-4)


def test_gradients_are_clipped_by_global_norm():
    big, small = tf.Variable([[0.0]]), tf.Variable([[0.0]])
    adam = AdamW(
        1.0, weight_decay=0.0, epsilon=1e3, global_clipnorm=1.0
    )  # with so large an epsilon, the update is proportional to the gradient
    adam.apply_gradients([(tf.constant([[30.0]]), big), (tf.constant([[40.0]]), small)])
    np.testing.assert_allclose(float(big.numpy()[0, 0]) / float(small.numpy()[0, 0]), 0.75, rtol=1e-5)
    unclipped = tf.Variable([[0.0]])
    AdamW(1.0, weight_decay=0.0, epsilon=1e3).apply_gradients([(tf.constant([[30.0]]), unclipped)])
    np.testing.assert_allclose(unclipped.numpy() / big.numpy(), 50, rtol=1e-2)


def test_optimizer_is_restored_from_its_config():
    adam = AdamW(warmup_schedule(0.1, 2, 9), weight_decay=0.3, global_clipnorm=1.0)
    restored = AdamW.from_config(adam.get_config())
    assert (
        type(restored) is AdamW
        and restored.weight_decay == 0.3
        and restored.epsilon == 1e-6
        and restored.global_clipnorm == 1.0
    )
    assert [float(restored.learning_rate(i)) for i in range(9)] == [float(adam.learning_rate(i)) for i in range(9)]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 500), st.data())
def test_learning_rate_increases_and_decreases_linearly(steps, data):
    warmup_steps = data.draw(st.integers(0, steps))
    rates = np.array(
        [float(warmup_schedule(2.0, warmup_steps, steps)(i)) for i in (*range(min(steps, 40)), steps - 1, steps)]
    )
    assert (rates[:-1] > 0).all() and rates.max() <= 2.0
    assert rates[-1] == 0 or warmup_steps == steps
    schedule = warmup_schedule(2.0, warmup_steps, steps)
    assert float(schedule(max(warmup_steps - 1, 0))) == pytest.approx(2.0)
    if warmup_steps > 1:
        assert float(schedule(0)) == pytest.approx(2.0 / warmup_steps)


def test_warmup_longer_than_the_training_is_rejected():
    with pytest.raises(InputError, match="at most the 10 steps"):
        warmup_schedule(0.1, 11, 10)
    assert isinstance(warmup_schedule(0.1, 10, 10), WarmUp)
