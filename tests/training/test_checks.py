"""Checks of a task before the first step, and the reduction of token losses."""

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.training.checks import check_task
from kbert_tasks.training.step import Stepped
from kbert_tasks.training.text_loss import text_loss

tf, keras = tensorflow(), keras2()
HIDDEN, TAGS = 4, 3
LENGTHS = 3, 5


class Tagger:
    """A task that has only losses and targets."""

    def __init__(self, loss=None, target=None):
        self.loss_of = {"tags": keras.losses.SparseCategoricalCrossentropy(from_logits=True)} if loss is None else loss
        self.target_of = target or (lambda length: {"tags": np.arange(length, dtype="int32") % TAGS})

    def loss(self):
        return self.loss_of

    def sample_target(self, x, target, chance):
        return x, self.target_of(target)


def model(outputs=TAGS, name="tags"):
    tokens = keras.Input((None,), dtype="int32", name="Input-Token")
    x = keras.layers.Embedding(10, HIDDEN)(tokens)
    return keras.Model([tokens], {name: keras.layers.Dense(outputs, name=name)(x)})


def windows():
    return [({"Input-Token": np.arange(1, length + 1, dtype="int32")}, length) for length in LENGTHS]


def test_keras_token_loss_is_accepted():
    check_task(Tagger(), model(), windows())


def test_padding_does_not_count():
    loss, output = keras.losses.SparseCategoricalCrossentropy(from_logits=True), np.random.rand(2, 5, TAGS)
    target = np.array([[0, 1, 2, -1, -1], [0, 1, 2, 0, 1]])
    found = text_loss(loss, tf.constant(target), tf.constant(output)).numpy()
    alone = loss.call(tf.constant(target[:1, :3]), tf.constant(output[:1, :3])).numpy().mean()
    assert found == pytest.approx([alone, loss.call(tf.constant(target[1:]), tf.constant(output[1:])).numpy().mean()])


@pytest.mark.parametrize("parts", [2, 3])
def test_token_loss_does_not_depend_on_micro_batches(parts):
    x = {"Input-Token": np.random.default_rng(0).integers(1, 10, (6, 5), dtype="int32")}
    y = {"tags": np.where(np.arange(5) < [[5], [3], [1], [2], [4], [5]], x["Input-Token"] % TAGS, -1)}
    network, losses = model(), []
    for micro_batches in (1, parts):
        stepped = Stepped(network, micro_batches)
        stepped.compile(keras.optimizers.SGD(0.0), Tagger().loss())
        losses.append(float(stepped.train_step(tf.nest.map_structure(tf.constant, (x, y)))["loss"]))
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


def test_one_hot_loss_ignores_texts_without_target():
    loss, output = keras.losses.CategoricalCrossentropy(from_logits=True), np.random.rand(2, 2, TAGS).astype("float32")
    target = np.full((2, 2, TAGS), -1, "float32")
    target[0, 0] = 1, 0, 0
    found = text_loss(loss, tf.constant(target), tf.constant(output)).numpy()
    assert found == pytest.approx([loss.call(target[0, :1], output[0, :1]).numpy()[0], 0.0])


@pytest.mark.parametrize(
    "task, network, message",
    [
        (
            Tagger({"label": keras.losses.MeanSquaredError()}),
            model(),
            "Tagger.build returns the outputs tags and Tagger.loss has losses for label: both must have the same names",
        ),
        (
            Tagger({"tags": "mse"}),
            model(),
            r"Tagger.loss should return a Keras loss object or a function of \(target, output\) for the output 'tags', found 'mse'",
        ),
        (
            Tagger({"tags": keras.losses.MeanSquaredError}),
            model(),
            r"found <class '.*MeanSquaredError'>: write for example keras.losses.MeanSquaredError\(\)",
        ),
        (
            Tagger(target=lambda length: {"other": np.zeros(length)}),
            model(),
            "Tagger.target should return a dict with arrays for tags, not other: every output needs a target",
        ),
        (
            Tagger(target=lambda length: [1, 2]),
            model(),
            "Tagger.target should return a dict with arrays for tags, not list",
        ),
        (
            Tagger({"tags": lambda y, p: tf.reduce_mean(p)}),
            model(),
            r"the loss of the output 'tags' of Tagger should return one value for each text, shape \(2,\), not shape \(\), "
            r"for a target of shape \(2, 5\) and an output of shape \(2, 5, 3\)",
        ),
        (
            Tagger(target=lambda length: {"tags": np.zeros(2, "int32")}),
            model(),
            r"fails for a target of shape \(2, 2\) and an output of shape \(2, 5, 3\)",
        ),
        (
            Tagger({"tags": keras.losses.MeanSquaredError()}, lambda length: {"tags": np.ones((length, 1), "float32")}),
            model(1),
            None,
        ),
        (
            Tagger(
                {"tags": lambda y, p: tf.reduce_mean(tf.square(tf.cast(y, p.dtype) - p[..., 0]), -1)},
                lambda length: {"tags": np.ones(length, "float32")},
            ),
            model(1),
            "depends on padding: it is .* for a text alone and .* next to a longer text",
        ),
    ],
)
def test_mismatched_losses_and_targets_are_reported_with_shapes(task, network, message):
    if message is None:
        check_task(task, network, windows())
        return
    with pytest.raises(kb.InputError, match=message):
        check_task(task, network, windows())


@pytest.mark.parametrize("size", [1, 2])
def test_windows_of_equal_length_are_checked(size):
    check_task(Tagger(), model(), windows()[:1] * size)


@pytest.mark.parametrize("parts", [1, 2])
def test_output_names_come_from_the_dict_and_not_from_the_layers(parts):
    network = model()
    network = Stepped(
        keras.Model(network.inputs, {"tags": keras.layers.Dense(TAGS, name="other")(network.output["tags"])}), parts
    )
    check_task(Tagger(), network, windows())


def test_sparse_targets_with_last_axis_of_one_are_accepted():
    check_task(
        Tagger(target=lambda length: {"tags": np.arange(length, dtype="int32")[:, None] % TAGS}), model(), windows()
    )


@pytest.mark.parametrize("kind", ["uint8", "bool"])
def test_target_types_that_cannot_hold_padding_are_rejected(kind):
    task = Tagger(target=lambda length: {"tags": np.ones(length, kind)})
    with pytest.raises(kb.InputError, match=f"has the type {kind}, which cannot hold the padding -1"):
        check_task(task, model(), windows())


def test_loss_that_depends_on_other_texts_is_rejected():
    def loss(y, p):  # (batch, 1) - (batch,) has the shape (batch, batch)
        return tf.square(tf.cast(y, tf.float32) - tf.reduce_sum(p, [1, 2]))

    task = Tagger({"tags": loss}, lambda length: {"tags": np.ones(1, "float32")})
    with pytest.raises(kb.InputError, match="depends on the other texts of the batch"):
        check_task(task, model(1), windows())
