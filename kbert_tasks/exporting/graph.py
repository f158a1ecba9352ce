"""The functions of TensorFlow that are exported, with the names of inputs and outputs that clients use."""

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

from .._keras import tensorflow
from ..saving.model import arrays_of, built, fill
from ..tasks.client import Client

if TYPE_CHECKING:
    from tensorflow import Tensor

    from ..tasks.base import Task

MODEL = "model"
INPUTS = {"input_ids": "Input-Token", "token_type_ids": "Input-Segment"}


def exact(task: "Task[Any]") -> "Task[Any]":
    """Returns a copy of a trained task that computes in float32 with Keras and with the graph of this package."""
    made = copy.copy(task)
    made.settings = dataclasses.replace(task.settings, precision="float32", encoder="fast")
    made.engine_, made._made = None, {}
    made.model = fill(built(made), arrays_of(task._model))
    return made


def functions(task: "Task[Any]", client: Client) -> "dict[str, Any]":
    """Returns the functions to export, as a dict of name to `tf.function` with a signature.

    `MODEL` maps `input_ids` and `token_type_ids`, int64 (batch, time), to the scores `logits`, and for labels also to
    `probabilities`. If the task has a second stage, `Client.second` maps `hidden`, the third output of MODEL, and spans to
    the scores of pairs of spans.
    """
    tf = tensorflow()
    model = task.prediction_model(task.model)
    scores = next(name for name in model.output if name in task.loss())
    temperature = client.about.get("temperature", 1.0)
    signature = [tf.TensorSpec((None, None), tf.int64, name) for name in INPUTS]

    @tf.function(input_signature=signature, autograph=False)
    def serve(input_ids: "Tensor", token_type_ids: "Tensor") -> "dict[str, Tensor]":
        given = zip(INPUTS.values(), (input_ids, token_type_ids), strict=True)
        found = dict(model({name: tf.cast(each, tf.int32) for name, each in given}, training=False))
        found["logits"] = found.pop(scores)
        if client.activation:
            activation = tf.nn.softmax if client.activation == "softmax" else tf.sigmoid
            found["probabilities"] = activation(found["logits"] / temperature)
        return {name: tf.identity(each, name) for name, each in found.items()}

    if client.second is None:
        return {MODEL: serve}
    layer = task.model.get_layer(client.second)
    spans = (tf.TensorSpec((None, None, 2), tf.int64, name) for name in ("subjects", "objects"))
    signature = [tf.TensorSpec(layer.input[0].shape, tf.float32, "hidden"), *spans]

    @tf.function(input_signature=signature, autograph=False)
    def follow(hidden: "Tensor", subjects: "Tensor", objects: "Tensor") -> "dict[str, Tensor]":
        scores = layer([hidden, tf.cast(subjects, tf.int32), tf.cast(objects, tf.int32)])
        return {"logits": tf.identity(scores, "logits")}

    return {MODEL: serve, client.second: follow}
