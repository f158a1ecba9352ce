"""Training operations computed in bfloat16 on a processor, compared with float32."""

import numpy as np
import pytest

from kbert_tasks._keras import tensorflow
from kbert_tasks.encoder import bfloat16, ops

from .test_ops import numbers, with_gradients

tf = tensorflow()


def in_bfloat16(function, *inputs):
    """Like `with_gradients`, but computed in bfloat16; inputs and results are float32."""
    return with_gradients(
        lambda *each: tf.cast(function(*(tf.cast(x, tf.bfloat16) for x in each)), tf.float32), *inputs
    )


def assert_near(found, wanted, share=0.02):
    """Checks that the difference of each pair of arrays is at most this share of their norm."""
    for one, other in zip(found, wanted, strict=True):
        assert np.linalg.norm(one - other) <= share * np.linalg.norm(other)


@pytest.mark.parametrize("number", [1, 3])
def test_one_product_is_close_to_float32(number):
    inputs = numbers(70, 8), *(numbers(8, 8, scale=1.0 + i) for i in range(number)), *[numbers(8)] * number
    assert_near(in_bfloat16(bfloat16.one_product, *inputs), with_gradients(ops.one_product, *inputs))


def test_feed_forward_is_close_to_float32():
    inputs = numbers(70, 8), numbers(8, 32), numbers(32), numbers(32, 8), numbers(8)
    assert_near(in_bfloat16(bfloat16.feed_forward, *inputs), with_gradients(ops.feed_forward, *inputs))


def test_gelu_is_correct_for_small_and_large_numbers():
    x, identity = np.float32([[0, -30, 30, -1e4, 1e4]]), np.eye(5, dtype="float32")
    zero = np.zeros(5, "float32")
    value, dx, *_ = in_bfloat16(bfloat16.feed_forward, x, identity, zero, identity, zero)
    assert np.isfinite(dx).all()
    np.testing.assert_allclose(value, [[0, 0, 30, 0, 1e4]], rtol=0.01, atol=1e-6)


def test_bias_is_not_fused_with_the_matrix_product():
    """The fused kernel of oneDNN does not use AMX."""
    from tensorflow.python.eager import context

    @tf.function(autograph=False)
    def run(x, W, b):
        return bfloat16.biased(x @ W, b)

    context.enable_run_metadata()
    try:
        run(*(tf.cast(each, tf.bfloat16) for each in (numbers(64, 32), numbers(32, 16), numbers(16))))
        graphs = context.export_run_metadata().partition_graphs
    finally:
        context.disable_run_metadata()
    found = [node.op for graph in graphs for node in graph.node]
    assert any("MatMul" in op for op in found) and not any("FusedMatMul" in op for op in found)
