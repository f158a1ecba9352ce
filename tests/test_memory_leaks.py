"""Unused models are freed: training, loading and pretraining leave no variables behind."""

import gc
import itertools
import weakref

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import tasks
from kbert_tasks._keras import registered_gradients, tensorflow
from kbert_tasks.data.batches import prefetched
from kbert_tasks.encoder import ops
from kbert_tasks.pretraining.losses import cross_entropy
from kbert_tasks.samples import path

tf = tensorflow()


def alive():
    """(number of live variables, number of gradients in TensorFlow's registry)."""
    gc.collect()
    variables = [each for each in gc.get_objects() if issubclass(type(each), tf.Variable)]
    return len(variables), len(registered_gradients())


def assert_none_are_left(run):
    before, gradients = alive()
    run()
    after, left = alive()
    # The first training of a process adds the state of the global random generator; later ones replace it.
    assert after <= before + 1 and left == gradients


@pytest.mark.parametrize("name", tasks.names())
def test_training_leaves_no_variables_behind(name, checkpoint):
    train, dev = (kb.read(path(name, "zh", part)).head(20) for part in ("train", "test"))
    settings = {"epochs": 1, "max_length": 32, "learning_rate": 1e-3, "ema_decay": 0.9}
    assert_none_are_left(lambda: tasks.find(name)(checkpoint, **settings).fit(train, dev=dev))


def test_loaded_task_leaves_no_variables_behind(hotel):
    assert_none_are_left(lambda: kb.load(hotel[1]).predict(["好"]))


def test_loading_a_task_frees_the_earlier_one(hotel):
    first = weakref.ref(kb.load(hotel[1]).model)
    kb.load(hotel[1])
    assert first() is None


def test_task_with_a_baseline_is_freed_immediately(hotel):
    task = kb.TextClassifier("none")
    task.labels_, task.multi_label_, task.pairs_ = ["a", "b"], False, False
    examples = task.examples(["one", "two", "three"] * 3, ["a", "b", "a"] * 3).rows
    task.baseline_ = task.baseline(examples)
    assert task.baseline_.scores(examples)["accuracy"] == 1
    reference = weakref.ref(task)
    del task
    assert reference() is None


def test_dataset_keeps_its_generator_alive_but_tensorflow_does_not():
    class Numbers:
        def __call__(self):
            yield from ({"x": np.int32(number)} for number in itertools.count())

    make = Numbers()
    dataset, reference = prefetched(make, {"x": tf.TensorSpec((), tf.int32)}), weakref.ref(make)
    del make
    gc.collect()
    found = iter(dataset.take(5))  # Keras keeps the dataset and a partly used iterator
    assert [int(next(found)["x"]) for _ in range(3)] == [0, 1, 2]
    assert [int(each["x"]) for each in dataset.take(2)] == [0, 1]
    del dataset, found
    gc.collect()
    assert reference() is None


def traced(function, *inputs):
    """(value, gradients of the tape, those of `tf.gradients`, number of registered gradients while the graph is alive)."""

    @tf.function(autograph=False)
    def run():
        constants = [tf.identity(each) for each in inputs]
        with tf.GradientTape() as tape:
            tape.watch(constants)
            value = function(*constants)
        return value, tape.gradient(value, constants), tf.gradients(value, constants)

    return *run(), len(registered_gradients())


def test_custom_gradients_are_registered_only_while_their_graph_is_alive():
    gc.collect()
    before = len(registered_gradients())
    x = tf.random.stateless_normal((3, 8), (1, 2))
    value, by_tape, by_graph, during = traced(ops.gelu, x)
    assert during == before + 1
    with tf.GradientTape() as tape:
        tape.watch(x)
        eager = ops.gelu(x)
    np.testing.assert_allclose(value, eager, rtol=1e-6)
    for found in (by_tape[0], by_graph[0]):
        np.testing.assert_allclose(found, tape.gradient(eager, x) if found is by_tape[0] else by_tape[0], rtol=1e-5)
    gc.collect()
    assert len(registered_gradients()) == before


def test_every_custom_gradient_is_unregistered_with_its_graph():
    x, W, b = tf.ones((3, 4)), tf.ones((4, 4)), tf.ones(4)
    calls = (
        (ops.rows_of, W, tf.constant([1, 2])), (ops.gelu, x), (ops.feed_forward, x, W, b, W, b), (ops.one_product, x, W, b),
        (ops.normalised, x, b, b), (cross_entropy, tf.constant([1, 2, 3]), x),
    )  # fmt: skip
    gc.collect()
    before = len(registered_gradients())
    for function, *inputs in calls:
        with tf.Graph().as_default():
            function(*[tf.constant(each.numpy()) for each in inputs])
            assert len(registered_gradients()) > before
        gc.collect()
        assert len(registered_gradients()) == before, function.__name__
