"""The usual cascade, for comparison: find subjects, then the objects of a given subject with two pointers per predicate.

The model also scores spans of objects, because pointers do not say which first token belongs to which last token.
"""

import functools

import numpy as np

from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.encoder.ops import register
from kbert_tasks.tasks import heads
from kbert_tasks.tasks.relation import cascade
from kbert_tasks.tasks.relation.task import RelationExtractor
from kbert_tasks.text.spans import likely

tf, keras = tensorflow(), keras2()
SUBJECTS = 3  # number of subjects that are sampled from a text in one step


def linear(x, W):
    """Returns x @ W over the last axis, as a product of two matrices: with an x of four axes, oneDNN crashed."""
    return tf.reshape(tf.reshape(x, (-1, W.shape[0])) @ W, tf.concat([tf.shape(x)[:-1], [W.shape[1]]], 0))


@register
class Additive(keras.layers.Layer):
    """Computes scores of first and last tokens of objects for given subjects.

    The layer is linear in the sum of the token vector and the mean of the two end vectors of the subject, as in the usual recipe.

    Input: [token vectors (batch, time, hidden), subjects (batch, count, 2)]. Output: (batch, count, time, 2 * kinds).
    """

    def __init__(self, kinds, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.kinds = kinds

    def build(self, shapes):
        self.size = shapes[0][-1]
        self.W = self.weight("W", self.size, 2 * self.kinds)
        self.b = self.add_weight("b", (2 * self.kinds,), initializer="zeros")

    def weight(self, name, rows, columns, initializer="glorot_uniform"):
        return self.add_weight(name, (rows, columns), initializer=initializer)

    def call(self, inputs):
        x, subjects = inputs
        return linear(self.meet(x, tf.gather(x, subjects, batch_dims=1)), self.W) + self.b

    def meet(self, x, ends):
        return x[:, None] + tf.reduce_mean(ends, axis=2)[:, :, None]


class Nonlinear(Additive):
    """Combines token and subject by a layer with gelu."""

    def build(self, shapes):
        super().build(shapes)
        self.token = self.weight("token", self.size, self.size)
        self.subject = self.weight("subject", 2 * self.size, self.size)

    def meet(self, x, ends):
        subject = linear(tf.reshape(ends, (*tf.unstack(tf.shape(ends)[:2]), 2 * self.size)), self.subject)
        return tf.nn.gelu(subject[:, :, None] + linear(x, self.token)[:, None], approximate=True)


class Normalised(Additive):
    """Conditional layer normalisation: scale and centre are computed from the subject."""

    def build(self, shapes):
        super().build(shapes)
        self.scale = self.weight("scale", self.size, self.size, "zeros")
        self.centre = self.weight("centre", self.size, self.size, "zeros")

    def meet(self, x, ends):
        subject = tf.reduce_mean(ends, axis=2)
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        x = (x - mean) * tf.math.rsqrt(variance + 1e-6)
        return x[:, None] * (1 + linear(subject, self.scale))[:, :, None] + linear(subject, self.centre)[:, :, None]


class PointerExtractor(RelationExtractor):
    """A RelationExtractor that finds the objects of a subject with pointers."""

    Head = Nonlinear
    wrong = 0  # number of sampled subjects that are wrong

    def build(self, encoder):
        subjects = keras.Input((None, 2), dtype="int32", name="Subjects")
        x = keras.layers.Dropout(self.settings.dropout, name="Head-Dropout")(encoder.output)
        outputs = {"spans": heads.SpanScores(2, name="spans")(x)}
        outputs["objects"] = self.Head(len(self.predicates_), name="objects")([x, subjects])
        return keras.Model([*encoder.inputs, subjects], outputs, name="relation")

    def loss(self):
        return {"spans": heads.SetLoss(), "objects": heads.SetLoss()}

    def sample_target(self, x, target, chance):
        length, kinds = len(x["Input-Token"]), len(self.predicates_)
        _, y = cascade.step(target, length, kinds, 1, chance)
        true = list(target)
        drawn = [true[i] for i in chance.permutation(len(true))[: SUBJECTS - self.wrong]]
        objects = {span for found in target.values() for _, span in found} - set(true)
        if objects and self.wrong:  # sample an entity that is not a subject
            drawn.append(sorted(objects)[chance.integers(len(objects))])
        subjects, objects = np.zeros((SUBJECTS, 2), "int32"), np.full((SUBJECTS, length, 2 * kinds), -1, "int8")
        for i, subject in enumerate(drawn):
            subjects[i], objects[i] = subject, 0
            for predicate, (first, last) in target.get(subject, ()):
                objects[i, first, predicate] = objects[i, last, kinds + predicate] = 1
        return x | {"Subjects": subjects}, {"spans": y["spans"], "objects": objects}

    def run_model(self, encoded):
        from kbert_tasks.inference.predict import inputs

        find, follow = _halves(self.model)
        hidden, spans = find(inputs(encoded))
        spans = spans.numpy()
        subjects = [likely(each[0], window) for each, window in zip(spans, encoded, strict=True)]
        found = [likely(each[1], window) for each, window in zip(spans, encoded, strict=True)]
        rows = np.repeat(np.arange(len(encoded), dtype=np.int32), [len(each) for each in subjects])
        objects = follow(hidden, rows, np.concatenate(subjects)).numpy()
        objects = np.split(objects, np.cumsum([len(each) for each in subjects])[:-1])
        kinds, made = len(self.predicates_), []
        for each, s, o, p in zip(spans, subjects, found, objects, strict=True):
            pairs = np.sqrt(p[:, o[:, 0], :kinds] * p[:, o[:, 1], kinds:])
            made.append({"spans": (each[(0, *s.T)], each[(1, *o.T)]), "subjects": s, "objects": o, "pairs": pairs})
        return made


@functools.lru_cache(1)
def _halves(model):
    """Returns two functions: one computes token vectors and span probabilities, the other pointer probabilities."""
    spans, objects = model.get_layer("spans"), model.get_layer("objects")
    encoder = keras.Model(model.inputs[:2], [model.get_layer("Head-Dropout").input, spans.output])

    @tf.function(reduce_retracing=True, autograph=False)
    def find(x):
        hidden, scores = encoder(x, training=False)
        return hidden, tf.sigmoid(scores)

    @tf.function(reduce_retracing=True, autograph=False)
    def follow(hidden, rows, subjects):
        return tf.sigmoid(objects([tf.gather(hidden, rows), subjects[:, None]])[:, 0])

    return find, follow
