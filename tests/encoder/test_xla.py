"""The training step of each task compiles with XLA for one fixed shape, as on a TPU, and equals that of TensorFlow.

XLA draws other random numbers than TensorFlow, so these tests compute the dropout but ignore it.
"""

import numpy as np
import pytest

from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.data.batches import Replicas, training_batches
from kbert_tasks.encoder import attention, layers, ops, precision
from kbert_tasks.encoder.loading import build_encoder
from kbert_tasks.encoder.ops import dropped, kept, seeded
from kbert_tasks.tasks import find, names
from kbert_tasks.training import optimizers
from kbert_tasks.training.step import Stepped

from .. import curves, tiny

tf, keras = tensorflow(), keras2()
ROWS, LENGTH = 4, 16


SETTINGS = {
    "learning_rate": 1e-3,
    "epochs": 1,
    "schedule": "linear",
    "warmup_ratio": 0.1,
    "weight_decay": 0.01,
    "global_clipnorm": 1.0,
}
SETTINGS |= {"layerwise_lr_decay": 0.9, "head_lr_multiplier": 1.0}  # the settings that "auto" would choose


def trained(name, compiled, settings=None, **options):
    """Trains a task for two steps of a fixed shape; returns (losses, weights, number of graphs)."""
    task = find(name)("none", max_length=LENGTH, **settings or {})
    examples = task.examples(curves.rows(name, 12)).rows
    task.prepare(examples)
    task.tokenizer, config = task.new_tokenizer(tiny.vocabulary(), False), tiny.config(num_hidden_layers=1)
    task.config = config
    windows = []
    for example in examples:
        window = task.encode(example)[0]
        x = {"Input-Token": window.ids, "Input-Segment": window.segments}
        windows.append((x, task.target(example, window)))
    seeded(1)
    model = Stepped(task.build(build_encoder(config, first_only=task.first_only)), **options)
    adam = keras.optimizers.legacy.Adam(1e-3)
    if settings:
        adam = optimizers.build_optimizer(task.settings, 2, [layer.name for layer in model.layers])
    model.compile(optimizers.with_slots(adam, model.trainable_weights), task.loss(), jit_compile=compiled)
    batches, _ = training_batches(windows, task.sample_target, 6, 1, 1, replicas=Replicas(2, range(2), ROWS, LENGTH))
    (x, y, counted, texts) = batches.element_spec
    assert all(spec.shape.is_fully_defined() for spec in (*x.values(), *y.values(), counted, texts))
    losses = []
    model.fit(
        batches, steps_per_epoch=2, verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: losses.append(logs["loss"]))],
    )  # fmt: skip
    return losses, model.get_weights(), model.train_tf_function.experimental_get_tracing_count()


def as_on_a_tpu(monkeypatch):
    """Computes as on a TPU, but without the effect of dropout."""
    for module in (ops, attention):
        monkeypatch.setattr(module, "is_tpu", lambda strategy: True)
    monkeypatch.setattr(layers, "dropped", lambda x, rate: x + 0 * dropped(x, rate))
    monkeypatch.setattr(attention, "kept", lambda *of_a_mask: kept(*of_a_mask) | True)


@pytest.mark.parametrize(
    "name, options",
    [
        ("classify", {}),
        pytest.param("relation", {}, marks=pytest.mark.slow),
        pytest.param("subject", {}, marks=pytest.mark.slow),
        pytest.param("entity", {}, marks=pytest.mark.slow),
        pytest.param("classify", {"parts": 2, "adversarial": 0.5}, marks=pytest.mark.slow),
    ],
)
def test_compiled_step_equals_the_plain_step(name, options, monkeypatch):
    as_on_a_tpu(monkeypatch)
    losses, weights, graphs = trained(name, True, **options)
    assert graphs == 1 and len(losses) == 2
    plain, plain_weights, _ = trained(name, False, **options)
    np.testing.assert_allclose(losses, plain, rtol=1e-4)
    for one, other in zip(weights, plain_weights, strict=True):
        np.testing.assert_allclose(one, other, atol=2.1e-3)  # two steps of Adam, if a gradient is only rounding


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_tpu_step_compiles_in_bfloat16_with_all_training_settings(name, monkeypatch):
    as_on_a_tpu(monkeypatch)
    with precision.computing("bfloat16"):
        losses, _, graphs = trained(name, True, SETTINGS)
        plain, *_ = trained(name, False, SETTINGS)
    assert graphs == 1 and len(losses) == 2
    np.testing.assert_allclose(losses, plain, rtol=0.02)


@pytest.mark.parametrize("compiled", [True, False])
def test_tpu_dropout_drops_the_given_share(compiled, monkeypatch):
    monkeypatch.setattr(ops, "is_tpu", lambda strategy: True)
    seeded(1)
    draw = tf.function(lambda x: dropped(x, 0.25), jit_compile=compiled)
    one, other = (draw(tf.ones((50, 400))).numpy() for _ in range(2))
    assert set(np.unique(one)) == {0.0, np.float32(1 / 0.75)} and not np.array_equal(one, other)
    assert np.mean(one == 0) == pytest.approx(0.25, abs=0.02)
