"""Attention for training, with stored probabilities and with computing them again, compared with TensorFlow's gradients."""

import numpy as np
import pytest

from kbert_tasks._keras import tensorflow
from kbert_tasks.encoder import attention, ops

from .test_bfloat16 import assert_near, in_bfloat16
from .test_ops import numbers, with_gradients

tf = tensorflow()
TEXTS, HEADS, TIME, SIZE = 5, 2, 12, 8
QKV = [numbers(TEXTS, HEADS, TIME, SIZE, scale=1.0 + i) for i in range(3)]
LENGTHS = np.array([12, 3, 7, 12, 1])
BIAS = np.float32(np.where(np.arange(TIME) < LENGTHS[:, None], 0, -10000))[:, None, None]
SEED = tf.constant([3, 0], tf.int64)


def attend(rate):
    return lambda queries, keys, values: attention.attend(queries, keys, values, tf.constant(BIAS), rate)


def plain(masks):
    """Returns the same function as `attend`, with TensorFlow's gradients and these dropout masks; None for no dropout."""

    def function(queries, keys, values):
        bias = tf.cast(BIAS, queries.dtype)
        x = tf.nn.softmax(tf.matmul(queries, keys, transpose_b=True) * SIZE**-0.5 + bias)
        x = x if masks is None else tf.where(masks, x / (1 - 0.25), 0.0)
        return tf.transpose(x @ values, (0, 2, 1, 3))

    return function


@pytest.fixture(params=[1, 2, 5, None])
def texts_at_once(request, monkeypatch):
    """The number of texts in a group (the last group of 2 is smaller), or None if the probabilities are stored."""
    if request.param:
        monkeypatch.setattr(attention, "LONG", TIME)
        monkeypatch.setattr(attention, "AT_ONCE_CPU", request.param * HEADS * TIME**2)
    return request.param


def test_attention_and_its_gradients_equal_the_plain_ones(texts_at_once):
    for one, other in zip(with_gradients(attend(0.0), *QKV), with_gradients(plain(None), *QKV), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_gradient_uses_the_same_masks(texts_at_once, monkeypatch):
    monkeypatch.setattr(attention, "new_seed", lambda: SEED)
    size = texts_at_once or TEXTS
    masks = [
        ops.kept((min(size, TEXTS - first), HEADS, TIME, TIME), SEED + [0, first], 0.25)
        for first in range(0, TEXTS, size)
    ]
    actual, expected = (with_gradients(each, *QKV) for each in (attend(0.25), plain(tf.concat(masks, 0))))
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_attention_of_one_query_equals_the_plain_one(texts_at_once):
    inputs = [QKV[0][:, :, :1], *QKV[1:]]
    for one, other in zip(with_gradients(attend(0.0), *inputs), with_gradients(plain(None), *inputs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_traced_attention_with_unknown_sizes_equals_the_eager_one(texts_at_once):
    spec = tf.TensorSpec((None, HEADS, None, SIZE), tf.float32)

    @tf.function(input_signature=[spec] * 3, autograph=False)
    def traced(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = attend(0.0)(*inputs)
        return value, *tape.gradient(value, inputs, tf.ones_like(value))

    for _ in range(2):
        for one, other in zip(traced(*QKV), traced.python_function(*map(tf.constant, QKV)), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_no_square_matrix_of_long_texts_is_stored_for_the_gradient(monkeypatch):
    """All of them are inside the functions for the output and the gradients, which keep none of them."""
    monkeypatch.setattr(attention, "LONG", TIME)

    @tf.function(autograph=False)
    def traced(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = attend(0.25)(*inputs)
        return tape.gradient(value, inputs)

    graph = traced.get_concrete_function(*map(tf.constant, QKV)).graph
    shapes = [output.shape for op in graph.get_operations() for output in op.outputs]
    assert not [shape for shape in shapes if shape.rank and shape.rank > 1 and shape[-2:] == (TIME, TIME)]


@pytest.mark.parametrize("long", [1, 1000])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_drops_the_given_share_differently_in_each_text(rate, long, monkeypatch):
    monkeypatch.setattr(attention, "LONG", long)
    monkeypatch.setattr(attention, "AT_ONCE_CPU", 1)
    ops.seeded(1)
    time = 64
    values = np.broadcast_to(np.eye(time, dtype="float32"), (TEXTS, HEADS, time, time))
    same = np.zeros_like(values), np.zeros_like(values), values, np.zeros((TEXTS, 1, 1, time), "float32")
    one, other = (np.transpose(attention.attend(*map(tf.constant, same), rate), (0, 2, 1, 3)) * time for _ in range(2))
    for x in (one, other):
        assert np.mean(x == 0) == pytest.approx(rate, abs=0.015) and np.mean(x) == pytest.approx(1, abs=0.02)
    masks = np.concatenate([one, other]).reshape(2 * TEXTS * HEADS, -1) != 0
    correlations = np.corrcoef(masks) - np.eye(len(masks))
    assert np.abs(correlations).max() < 5 / time


def test_generator_state_reproduces_results_exactly(texts_at_once):
    """A resumed run needs this."""
    ops.seeded(7)
    state = tf.random.get_global_generator().state.numpy()
    first, next_ = (with_gradients(attend(0.25), *QKV) for _ in range(2))
    tf.random.get_global_generator().reset(state)
    for one, second, other in zip(first, with_gradients(attend(0.25), *QKV), next_, strict=True):
        np.testing.assert_array_equal(one, second)
        assert not np.array_equal(one, other)


def test_attention_in_16_bits_is_close_to_float32(texts_at_once):
    expected = with_gradients(plain(None), *QKV)
    assert_near(in_bfloat16(attend(0.0), *QKV), expected, 0.03)
    half = [np.float16(each) for each in QKV]
    assert_near(with_gradients(attend(0.0), *half), expected, 0.01)
