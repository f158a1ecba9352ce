"""No layer of the package is translated by AutoGraph, which takes most of the time in which a model is built."""

import importlib

from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.encoder.layers import Layer, Traced

tf, keras = tensorflow(), keras2()
WITH_LAYERS = ("encoder.bert", "encoder.pooling", "tasks.heads", "pretraining.model")


def subclasses(kind):
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def test_layer_is_traced_without_autograph():
    states = []

    class Probe(Layer):
        def call(self, x):
            states.append(tf.__internal__.autograph.control_status_ctx().status.name)
            return x

    x = keras.Input((2,))
    model = keras.Model(x, Probe()(x))
    tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec((None, 2)))
    assert states and set(states) == {"DISABLED"}


def test_all_layers_are_traced_layers():
    for module in WITH_LAYERS:
        importlib.import_module(f"kbert_tasks.{module}")
    own = [each for each in subclasses(keras.layers.Layer) if each.__module__.startswith("kbert_tasks.")]
    others = (keras.Model, keras.metrics.Metric)  # subclasses of Layer that are not layers of a model
    layers = [each for each in own if not issubclass(each, others)]
    assert layers and [each.__name__ for each in layers if not issubclass(each, Traced)] == []
