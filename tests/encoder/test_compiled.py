"""The parts that XLA compiles for training, compared with the plain graph in float32."""

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks._keras import tensorflow
from kbert_tasks.encoder import compiled, ops
from kbert_tasks.tasks.classify.task import ClassifySettings
from kbert_tasks.training import compiling

from .. import tiny
from .test_bfloat16 import assert_near, in_bfloat16
from .test_ops import numbers, with_gradients

tf = tensorflow()
ROWS = 129  # padded to 192
NORM = numbers(ROWS, 16) + 3, numbers(ROWS, 16, scale=2.0), 1 + numbers(16), numbers(16, scale=0.5)
INNER = numbers(ROWS, 8), numbers(8, 32), numbers(32), numbers(32, 8), numbers(8)


def plain_sum(x, y, gamma, beta):
    return ops.normalised(x + y, gamma, beta)


def compiled_sum(rate):
    return lambda x, y, gamma, beta: compiled.sum_norm(
        x, y, tf.cast(gamma, tf.float32), tf.cast(beta, tf.float32), rate
    )


def test_compiled_parts_equal_the_plain_graph_without_dropout():
    for compiled_part, plain, inputs in (
        (compiled_sum(0.0), plain_sum, NORM),
        (compiled.feed_forward, ops.feed_forward, INNER),
    ):
        for one, other in zip(with_gradients(compiled_part, *inputs), with_gradients(plain, *inputs), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-4)


@pytest.mark.slow
def test_compiled_parts_in_bfloat16_are_close_to_the_plain_graph():
    assert_near(in_bfloat16(compiled_sum(0.0), *NORM), with_gradients(plain_sum, *NORM))
    assert_near(in_bfloat16(compiled.feed_forward, *INNER), with_gradients(ops.feed_forward, *INNER))


def test_gradient_is_zero_where_dropout_was_applied(monkeypatch):
    key = tf.constant([5, -7])
    monkeypatch.setattr(compiled, "_key", lambda: key)

    def plain(x, y, gamma, beta):  # padding rows come last, so the other rows keep their positions
        return ops.normalised(x + compiled._dropped(y, key, 0.25), gamma, beta)

    actual, expected = with_gradients(compiled_sum(0.25), *NORM), with_gradients(plain, *NORM)
    assert np.mean(actual[2] == 0) == pytest.approx(0.25, abs=0.03)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_hash_drops_the_given_share_without_a_pattern(rate):
    ops.seeded(1)
    rows, columns = 400, 128
    one, other = (compiled._kept(rows * columns, compiled._key(), rate, (rows, columns)).numpy() for _ in range(2))
    spread = np.sqrt(rate * (1 - rate))
    for kept in (one, other):
        assert abs(kept.mean() - (1 - rate)) < 0.01
        for axis in (0, 1):  # the shares of rows and columns vary as expected from chance
            expected = spread / np.sqrt(kept.shape[axis])
            assert np.std(kept.mean(axis)) == pytest.approx(expected, rel=0.25)
        assert len(np.unique(kept, axis=0)) == rows
        flat = kept.ravel() - kept.mean()
        for step in (1, 2, 64, columns, 2 * columns):
            assert abs(np.mean(flat[step:] * flat[:-step])) < 0.02 * spread**2
    assert abs(np.mean((one - one.mean()) * (other - other.mean()))) < 0.02 * spread**2


def test_same_seed_repeats_the_dropout_keys():
    keys = []
    for _ in range(2):
        ops.seeded(7)
        keys.append([compiled._key().numpy().tolist() for _ in range(2)])
    assert keys[0] == keys[1] and keys[0][0] != keys[0][1]


def test_dropout_keys_have_all_64_bits_of_the_generator():
    """With 32 bits, a few of the masks of a long training would be equal."""
    ops.seeded(7)
    seeds = [int(ops.new_seed()[0]) for _ in range(20)]
    ops.seeded(7)
    keys = np.stack([compiled._key() for _ in range(20)])
    assert keys.astype("<i4").view("<i8").ravel().tolist() == seeds
    assert len({*keys[:, 0]}) == len({*keys[:, 1]}) == 20  # each half differs


def test_generator_state_reproduces_results_exactly():
    """A resumed run needs this."""
    ops.seeded(7)
    state = tf.random.get_global_generator().state.numpy()
    first = with_gradients(compiled_sum(0.25), *NORM)
    tf.random.get_global_generator().reset(state)
    for one, second in zip(first, with_gradients(compiled_sum(0.25), *NORM), strict=True):
        np.testing.assert_array_equal(one, second)


@pytest.mark.parametrize("rows, size", [(1, 128), (128, 128), (129, 192), (193, 256), (1000, 1024), (1025, 1536)])
def test_number_of_rows_is_padded_to_a_few_sizes(rows, size):
    (padded,) = compiled._filled(tf.constant(rows), tf.ones((rows, 3)))
    assert compiled.size_of(rows) == size == padded.shape[0]
    assert tf.reduce_sum(padded) == 3 * rows


# Whether to compile -----------------------------------------------------------------------------------------------------------


def resolve(lengths, precision="bfloat16", strategy=None, config=None, **settings):
    settings = ClassifySettings(epochs=1, **settings)
    strategy = strategy or tf.distribute.get_strategy()
    return compiling.resolve_compile(settings, config or tiny.config(), precision, False, strategy, lengths)


def test_auto_compiles_if_the_steps_save_more_time_than_compiling_takes():
    base = tiny.config(hidden_size=768, intermediate_size=3072, num_hidden_layers=12)
    short, long = resolve([8] * 32, config=base), resolve([64] * 32_000, config=base)
    assert (short.value, long.value) == ("off", "on")
    assert "in 1,000 steps" in long.reason
    assert resolve([64] * 32_000, "float32", config=base).value == "off"
    assert resolve([64] * 32_000, config=base, encoder="keras-bert").value == "off"
    assert resolve([64] * 32_000, config=base, compile="off").value == "off"


def test_compiling_can_be_requested():
    assert resolve([8], "float32", compile="on").value == "on"
    with pytest.raises(kb.InputError, match="compile cannot be on: it needs encoder fast"):
        resolve([8], compile="on", encoder="keras-bert")


def test_training_on_several_devices_is_not_compiled():
    class TwoDevices:
        num_replicas_in_sync = 2

    assert resolve([8], strategy=TwoDevices()).value == "off"
    with pytest.raises(kb.InputError, match="needs training on one processor"):
        resolve([8], strategy=TwoDevices(), compile="on")


def test_compiled_model_trains(checkpoint):
    rows = [{"text": "the room was clean", "label": "good"}, {"text": "terrible food", "label": "bad"}] * 4
    settings = {"epochs": 12, "batch_size": 4, "learning_rate": 1e-2, "max_length": 16, "compile": "on"}
    task = kb.TextClassifier(checkpoint, **settings).fit(rows, dev=rows)
    assert task.report_["resolved"]["compile"]["value"] == "on"
    assert task.report_["scores"]["dev"]["accuracy"] == 1.0


@pytest.mark.slow
def test_compiled_training_works_with_micro_batches_and_fgm_in_16_bits(checkpoint):
    rows = [{"text": "the room was clean", "label": "good"}, {"text": "terrible food", "label": "bad"}] * 4
    for precision in ("bfloat16", "float16"):
        settings = {"epochs": 1, "micro_batches": 2, "fgm_epsilon": 0.5, "max_length": 16, "precision": precision}
        task = kb.TextClassifier(checkpoint, compile="on", **settings).fit(rows, dev=rows)
        assert np.isfinite(task.report_["history"][0]["loss"])
