"""One training step, with micro-batches and with FGM; the moving average of the weights."""

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.encoder import attention
from kbert_tasks.inference.predict import inputs
from kbert_tasks.training import optimizers
from kbert_tasks.training.ema import Average
from kbert_tasks.training.embedding_subset import TABLE
from kbert_tasks.training.step import Stepped

from .. import tiny

tf, keras = tensorflow(), keras2()
ROWS = [{"text": text, "label": label} for text, label in (("the room was clean", 1), ("bad food", 0), ("差", 0))]
RATE = 0.5


@pytest.fixture(scope="module")
def no_dropout_checkpoint(tmp_path_factory):
    """A checkpoint without dropout."""
    folder = tmp_path_factory.mktemp("no_dropout") / "uncased"
    return tiny.checkpoint(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_hidden_layers=1)


def batch(checkpoint, precision="float32"):
    """Returns (model of a task, x, y) of one batch of three texts."""
    task = kb.TextClassifier(
        checkpoint, epochs=1, dropout=0.0, max_length=16, validation_split=0.0, encoder="fast", precision=precision
    ).fit(ROWS)
    examples = task.examples(ROWS).rows
    x = inputs([task.encode(example)[0] for example in examples])
    return task.model, x, {"label": np.array([1, 0, 0], "int32")}


@pytest.fixture(scope="module")
def data(no_dropout_checkpoint):
    return batch(no_dropout_checkpoint)


def train_one_step(model, x, y, optimizer=None, **options):
    """Runs one step of gradient descent; returns its logs and the change of each weight."""
    before = [array.copy() for array in model.get_weights()]
    trained = Stepped(model, **options)
    trained.compile(optimizer or keras.optimizers.legacy.SGD(RATE), {"label": LOSS})
    logs = trained.train_on_batch(x, y, return_dict=True)
    changes = [now - old for now, old in zip(model.get_weights(), before, strict=True)]
    model.set_weights(before)
    return logs, changes


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def reference_gradients(model, x, y):
    """Returns the gradients of the mean loss, as arrays."""
    with tf.GradientTape() as tape:
        loss = LOSS(y["label"], model(x, training=True)["label"])
    return [np.asarray(tf.convert_to_tensor(g)) for g in tape.gradient(loss, model.trainable_weights)]


def test_step_follows_the_gradient(data):
    model, x, y = data
    logs, changes = train_one_step(model, x, y)
    assert logs["texts"] == 3 and logs["loss"] == pytest.approx(float(LOSS(y["label"], model(x)["label"])), abs=1e-6)
    for change, gradient in zip(changes, reference_gradients(model, x, y), strict=True):
        np.testing.assert_allclose(change, -RATE * gradient, atol=1e-6)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_micro_batches_give_the_step_of_the_whole_batch(data, parts):
    (logs, changes), (whole_logs, whole) = (train_one_step(*data, parts=n) for n in (parts, 1))
    assert logs["loss"] == pytest.approx(whole_logs["loss"], abs=1e-6)
    for one, other in zip(changes, whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_halves_give_the_step_of_the_whole_batch(data, number):
    model, x, y = data
    some = model, *({name: each[:number] for name, each in part.items()} for part in (x, y))
    (logs, changes), (whole_logs, whole) = (train_one_step(*some, halves=halves) for halves in (True, False))
    assert logs == pytest.approx(whole_logs, abs=1e-6)
    for one, other in zip(changes, whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_halves_in_16_bits_change_each_weight_as_the_whole_batch_does(no_dropout_checkpoint, precision):
    model, x, y = batch(no_dropout_checkpoint, precision)

    def changes(halves):
        optimizer = keras.optimizers.legacy.SGD(RATE)
        if precision == "float16":
            optimizer = keras.mixed_precision.LossScaleOptimizer(optimizer)
        return train_one_step(model, x, y, optimizer, halves=halves)[1]

    changed, whole = changes(True), changes(False)
    assert sum(each.any() for each in changed) > 10
    # The gradients of the biases of keys are rounding errors, so they are compared with the largest change of all.
    least = 2e-4 * max(np.abs(each).max() for each in whole)
    for one, other in zip(changed, whole, strict=True):
        np.testing.assert_allclose(one, other, atol=max(2e-2 * np.abs(other).max(), least))


def test_both_halves_are_traced_once(data, monkeypatch):
    part, traced = Stepped._part, []
    monkeypatch.setattr(Stepped, "_part", lambda self, *args: traced.append(self) or part(self, *args))
    optimizer = optimizers.with_slots(keras.optimizers.legacy.Adam(1e-3), data[0].trainable_weights)
    train_one_step(*data, optimizer=optimizer, adversarial=0.5, halves=True)
    assert len(traced) == 1


@pytest.mark.parametrize(("parts", "halves"), [(1, False), (2, False), (1, True)])
def test_fgm_adds_the_gradient_at_the_perturbed_embeddings(data, parts, halves):
    model, x, y = data
    _, changes = train_one_step(model, x, y, adversarial=0.5, parts=parts, halves=halves)
    table = model.get_layer(TABLE).trainable_weights[0]
    place = next(i for i, each in enumerate(model.trainable_weights) if each is table)
    clean, before = reference_gradients(model, x, y), table.numpy()
    table.assign(before + 0.5 * clean[place] / np.linalg.norm(clean[place]))
    perturbed = reference_gradients(model, x, y)
    table.assign(before)
    assert not np.allclose(clean[-1], perturbed[-1], atol=1e-5)
    for change, one, other in zip(changes, clean, perturbed, strict=True):
        np.testing.assert_allclose(change, -RATE * (one + other), atol=2e-5)


@pytest.mark.parametrize("parts", [1, 2])
def test_attention_of_long_texts_gives_the_same_step(data, parts, monkeypatch):
    _, expected = train_one_step(*data, adversarial=0.5)
    monkeypatch.setattr(attention, "LONG", 1)
    monkeypatch.setattr(attention, "AT_ONCE_CPU", 1)
    _, changes = train_one_step(*data, adversarial=0.5, parts=parts)
    for one, other in zip(changes, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_fgm_traces_the_encoder_once(data, monkeypatch):
    part, traced = Stepped._part, []
    monkeypatch.setattr(Stepped, "_part", lambda self, *args: traced.append(self) or part(self, *args))
    optimizer = optimizers.with_slots(keras.optimizers.legacy.Adam(1e-3), data[0].trainable_weights)
    train_one_step(*data, optimizer=optimizer, adversarial=0.5)
    assert len(traced) == 1


def test_fgm_needs_trainable_embeddings(checkpoint):
    with pytest.raises(kb.InputError, match="fgm_epsilon needs trainable embeddings, but freeze_layers freezes them"):
        kb.TextClassifier(checkpoint, fgm_epsilon=0.5, freeze_layers=1, max_length=16).fit(ROWS)


def test_scaled_loss_gives_the_same_step(data):
    scaled = keras.mixed_precision.LossScaleOptimizer(keras.optimizers.legacy.SGD(RATE))
    for one, other in zip(train_one_step(*data, optimizer=scaled)[1], train_one_step(*data)[1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_moving_average_follows_the_weights():
    weight = tf.Variable([0.0, 10.0])
    average, expected = Average([weight], 0.5), np.array([0.0, 10.0])
    for step in range(1, 8):
        weight.assign_add([1.0, -1.0])
        average.on_train_batch_end(step)
        expected += (1 - min(0.5, step / (step + 9))) * (weight.numpy() - expected)
    np.testing.assert_allclose(average.averages[0], expected, rtol=1e-6)
    with average.shown():
        np.testing.assert_allclose(weight, expected, rtol=1e-6)
    np.testing.assert_array_equal(weight, [7.0, 3.0])
    average.take()
    np.testing.assert_allclose(weight, expected, rtol=1e-6)


def test_averaged_weights_are_evaluated_and_saved(checkpoint):
    settings = {"epochs": 2, "learning_rate": 1e-2, "max_length": 16, "batch_size": 1, "precision": "float32"}
    plain, averaged = (
        kb.TextClassifier(checkpoint, **settings, **options).fit(ROWS, dev=ROWS)
        for options in ({"ema_decay": 0.0}, {"ema_decay": 0.9})
    )
    assert [e["loss"] for e in plain.report_["history"]] == [e["loss"] for e in averaged.report_["history"]]
    assert not np.array_equal(plain.model.get_weights()[-1], averaged.model.get_weights()[-1])
    assert averaged.evaluate(ROWS).scores == averaged.report_["scores"]["dev"]


def test_only_frozen_layers_keep_their_weights(two_layers):
    checkpoint = two_layers
    task = kb.TextClassifier(checkpoint, epochs=1, freeze_layers=1, learning_rate=1e-3, max_length=16).fit(ROWS * 10)
    start = kb.load_trained_model_from_checkpoint(f"{checkpoint}/bert_config.json", f"{checkpoint}/bert_model.ckpt")
    for layer in start.layers:
        now = task.model.get_layer(layer.name).get_weights()
        unchanged = [np.array_equal(*pair) for pair in zip(layer.get_weights(), now, strict=True)]
        assert all(unchanged) if layer.name.startswith(("Embedding", "Encoder-1-")) else not any(unchanged), layer.name
    assert all(layer.trainable for layer in task.model.layers)
    with pytest.raises(kb.InputError, match="freeze_layers should be at most the checkpoint's 2 layers, not 3"):
        kb.TextClassifier(checkpoint, freeze_layers=3, max_length=16).fit(ROWS)
