"""One step of training, in parts and with moved embeddings; the average of the weights."""

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.inference.predict import inputs
from kbert_tasks.training.ema import Average
from kbert_tasks.training.embedding_subset import TABLE
from kbert_tasks.training.step import Stepped

from .. import tiny

tf, keras = tensorflow(), keras2()
ROWS = [{"text": text, "label": label} for text, label in (("the room was clean", 1), ("bad food", 0), ("差", 0))]
RATE = 0.5


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """A checkpoint without dropout."""
    folder = tmp_path_factory.mktemp("still") / "uncased"
    return tiny.checkpoint(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_hidden_layers=1)


@pytest.fixture(scope="module")
def data(still):
    """(the task's model, x, y): one batch of three texts."""
    task = kb.TextClassifier(still, epochs=1, dropout=0.0, max_length=16, validation_split=0.0, encoder="fast").fit(
        ROWS
    )
    examples = task.examples(ROWS).rows
    x = inputs([task.encode(example)[0] for example in examples])
    return task.model, x, {"label": np.array([1, 0, 0], "int32")}


def stepped(model, x, y, optimizer=None, **how):
    """The logs of one step of gradient descent, and what it changed."""
    before = [array.copy() for array in model.get_weights()]
    trained = Stepped(model, **how)
    trained.compile(optimizer or keras.optimizers.legacy.SGD(RATE), {"label": LOSS})
    logs = trained.train_on_batch(x, y, return_dict=True)
    changes = [now - old for now, old in zip(model.get_weights(), before, strict=True)]
    model.set_weights(before)
    return logs, changes


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def by_hand(model, x, y):
    """The gradients of the mean loss, as arrays."""
    with tf.GradientTape() as tape:
        loss = LOSS(y["label"], model(x, training=True)["label"])
    return [np.asarray(tf.convert_to_tensor(g)) for g in tape.gradient(loss, model.trainable_weights)]


def test_the_step_is_that_of_the_gradient(data):
    model, x, y = data
    logs, changes = stepped(model, x, y)
    assert logs["texts"] == 3 and logs["loss"] == pytest.approx(float(LOSS(y["label"], model(x)["label"])), abs=1e-6)
    for change, gradient in zip(changes, by_hand(model, x, y), strict=True):
        np.testing.assert_allclose(change, -RATE * gradient, atol=1e-6)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_parts_give_the_step_of_the_whole(data, parts):
    (logs, changes), (whole_logs, whole) = (stepped(*data, parts=n) for n in (parts, 1))
    assert logs["loss"] == pytest.approx(whole_logs["loss"], abs=1e-6)
    for one, other in zip(changes, whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("parts", [1, 2])
def test_adversarial_steps_add_the_gradient_at_the_moved_embeddings(data, parts):
    model, x, y = data
    _, changes = stepped(model, x, y, adversarial=0.5, parts=parts)
    table = model.get_layer(TABLE).trainable_weights[0]
    place = next(i for i, each in enumerate(model.trainable_weights) if each is table)
    clean, before = by_hand(model, x, y), table.numpy()
    table.assign(before + 0.5 * clean[place] / np.linalg.norm(clean[place]))
    moved = by_hand(model, x, y)
    table.assign(before)
    assert not np.allclose(clean[-1], moved[-1], atol=1e-5)
    for change, one, other in zip(changes, clean, moved, strict=True):
        np.testing.assert_allclose(change, -RATE * (one + other), atol=2e-5)


def test_adversarial_steps_need_embeddings_that_move(checkpoint):
    with pytest.raises(kb.InputError, match="fgm_epsilon needs trainable embeddings, but freeze_layers freezes them"):
        kb.TextClassifier(checkpoint, fgm_epsilon=0.5, freeze_layers=1, max_length=16).fit(ROWS)


def test_a_scaled_loss_gives_the_same_step(data):
    scaled = keras.mixed_precision.LossScaleOptimizer(keras.optimizers.legacy.SGD(RATE))
    for one, other in zip(stepped(*data, optimizer=scaled)[1], stepped(*data)[1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_average_follows_the_weights():
    weight = tf.Variable([0.0, 10.0])
    average, by_hand = Average([weight], 0.5), np.array([0.0, 10.0])
    for step in range(1, 8):
        weight.assign_add([1.0, -1.0])
        average.on_train_batch_end(step)
        by_hand += (1 - min(0.5, step / (step + 9))) * (weight.numpy() - by_hand)
    np.testing.assert_allclose(average.averages[0], by_hand, rtol=1e-6)
    with average.shown():
        np.testing.assert_allclose(weight, by_hand, rtol=1e-6)
    np.testing.assert_array_equal(weight, [7.0, 3.0])
    average.take()
    np.testing.assert_allclose(weight, by_hand, rtol=1e-6)


def test_an_average_of_all_steps_is_what_is_scored_and_kept(checkpoint):
    settings = {"epochs": 2, "learning_rate": 1e-2, "max_length": 16, "batch_size": 1, "precision": "float32"}
    plain, averaged = (
        kb.TextClassifier(checkpoint, **settings, **more).fit(ROWS, dev=ROWS)
        for more in ({"ema_decay": 0.0}, {"ema_decay": 0.9})
    )
    assert [e["loss"] for e in plain.report_["history"]] == [e["loss"] for e in averaged.report_["history"]]
    assert not np.array_equal(plain.model.get_weights()[-1], averaged.model.get_weights()[-1])
    assert averaged.evaluate(ROWS).scores == averaged.report_["scores"]["dev"]


def test_frozen_layers_stay_as_they_are_and_the_others_do_not(two_layers):
    checkpoint = two_layers
    task = kb.TextClassifier(checkpoint, epochs=1, freeze_layers=1, learning_rate=1e-3, max_length=16).fit(ROWS * 10)
    start = kb.load_trained_model_from_checkpoint(f"{checkpoint}/bert_config.json", f"{checkpoint}/bert_model.ckpt")
    for layer in start.layers:
        now = task.model.get_layer(layer.name).get_weights()
        same = [np.array_equal(*pair) for pair in zip(layer.get_weights(), now, strict=True)]
        assert all(same) if layer.name.startswith(("Embedding", "Encoder-1-")) else not any(same), layer.name
    assert all(layer.trainable for layer in task.model.layers)
    with pytest.raises(kb.InputError, match="freeze_layers should be at most the checkpoint's 2 layers, not 3"):
        kb.TextClassifier(checkpoint, freeze_layers=3, max_length=16).fit(ROWS)
