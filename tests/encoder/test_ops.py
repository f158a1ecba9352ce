"""Operations with hand-written gradients, compared with those of TensorFlow."""

import numpy as np
import pytest

from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.encoder.ops import dropped, feed_forward, gelu, normalised, one_product, rows_of, seeded

tf, keras = tensorflow(), keras2()


def with_gradients(function, *inputs):
    """The value and its gradients with respect to each input, for an upstream gradient that is not constant."""
    inputs = [tf.constant(each) for each in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
    upstream = tf.cast(tf.reshape(tf.linspace(0.5, 2.0, tf.size(value)), value.shape), value.dtype)
    return [np.asarray(each) for each in (value, *tape.gradient(value, inputs, upstream))]


def numbers(*shape, scale=1.0):
    return (scale * np.random.default_rng(3).standard_normal(shape)).astype("float32")


def test_gelu_and_its_gradient_equal_the_formula_of_google():
    x = np.r_[numbers(200, scale=3.0), np.float32([0, -30, 30, -1e4, 1e4])]
    actual, reference = (with_gradients(f, x) for f in (gelu, lambda x: tf.nn.gelu(x, approximate=True)))
    for one, other in zip(actual, reference, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_feed_forward_and_its_gradients_equal_two_dense_layers():
    inputs = numbers(7, 8), numbers(8, 32), numbers(32), numbers(32, 8), numbers(8)

    def reference(x, W1, b1, W2, b2):
        return tf.nn.gelu(x @ W1 + b1, approximate=True) @ W2 + b2

    for one, other in zip(with_gradients(feed_forward, *inputs), with_gradients(reference, *inputs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("number", [1, 3])
def test_one_product_and_its_gradients_equal_several_products(number):
    inputs = numbers(7, 8), *(numbers(8, 8, scale=1.0 + i) for i in range(number)), *[numbers(8)] * number

    def reference(x, *weights):
        return tf.concat([x @ W + b for W, b in zip(weights[:number], weights[number:], strict=True)], -1)

    for one, other in zip(with_gradients(one_product, *inputs), with_gradients(reference, *inputs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(5, 16), (2, 7, 16)])
def test_layer_normalisation_and_its_gradient_equal_those_of_keras(shape):
    layer = keras.layers.LayerNormalization(epsilon=1e-12)
    layer.build(shape)
    x, gamma, beta = numbers(*shape) + 3, 1 + numbers(16), numbers(16, scale=0.5)

    def reference(x, gamma, beta):
        unit = (x - tf.reduce_mean(x, -1, keepdims=True)) / tf.math.reduce_std(x, -1, keepdims=True)
        return unit * gamma + beta

    layer.set_weights([gamma, beta])
    actual = with_gradients(normalised, x, gamma, beta)
    np.testing.assert_allclose(actual[0], layer(x), atol=1e-5)
    for one, other in zip(actual, with_gradients(reference, x, gamma, beta), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_layer_normalisation_computes_in_float32_for_any_input_type():
    x = (numbers(4, 64) + 100).astype("float32")
    half = normalised(tf.cast(x, tf.bfloat16), tf.ones(64), tf.zeros(64))
    wide = normalised(tf.cast(tf.cast(x, tf.bfloat16), tf.float32), tf.ones(64), tf.zeros(64))
    assert half.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(half, tf.float32), wide, atol=0.02)


def test_rows_of_have_a_dense_gradient():
    table, ids = numbers(6, 4), np.int32([[1, 3, 3], [0, 1, 5]])
    with tf.GradientTape() as tape:
        variable = tf.constant(table)
        tape.watch(variable)
        rows = rows_of(variable, ids)
    upstream = numbers(2, 3, 4)
    gradient = tape.gradient(rows, variable, upstream)
    wanted = np.zeros_like(table)
    np.add.at(wanted, ids, upstream)
    assert isinstance(gradient, tf.Tensor) and np.array_equal(rows, table[ids])
    np.testing.assert_allclose(gradient, wanted, atol=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(400, 100), (33, 7, 211)])
def test_dropout_drops_the_given_share_and_keeps_the_mean(rate, shape):
    seeded(1)
    value, gradient = with_gradients(lambda x: dropped(x, rate), np.ones(shape, "float32"))
    kept = value != 0
    assert abs(kept.mean() - (1 - rate)) < 0.01 and abs(value.mean() - 1) < 0.05
    assert len(np.unique(value)) == 2 and np.array_equal(gradient != 0, kept)
    # All rows differ, and a second call gives another mask.
    assert len(np.unique(kept.reshape(shape[0], -1), axis=0)) == shape[0]
    assert not np.array_equal(dropped(tf.ones(shape), rate) != 0, kept)


def test_same_seed_repeats_the_dropout():
    draws = []
    for _ in range(2):
        seeded(7)
        draws.append([dropped(tf.ones((50,)), 0.3).numpy() for _ in range(2)])
    assert np.array_equal(*draws)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_dropout_keeps_the_data_type(dtype):
    assert dropped(tf.ones((3, 5), dtype), 0.1).dtype == dtype
