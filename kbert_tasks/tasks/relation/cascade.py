"""Spans first, then what each subject has to do with each object: a step's arrays, and the way back to triples.

A span is a pair of tokens (first, last), both included. A window's gold is a dict from each subject's span to a list of
(number of the predicate, object's span).
"""

import numpy as np

from ..._keras import tensorflow
from ...data.batches import collate
from ...text.spans import FLOOR, likely, marked

TRIPLES = 200  # of a window that are given
PAIRS = 16384  # pairs of spans at once, so that memory does not grow with what is possible
SUBJECT, OBJECT = 0, 1  # the kinds of spans


def step(gold, length, kinds, draws, chance):
    """Some of a window's subjects and objects, drawn, and the predicates between them.

    Subjects and objects that have nothing to do with one another are what the pairs learn "no" from. Spans that are
    no entities are left to the scores of spans: drawn as wrong subjects and objects they made the answers worse
    (see benchmarks/relation.md).

    Args:
        gold: of the window.
        length: of the window, in tokens.
        kinds: number of predicates.
        draws: subjects, and objects, at most.
        chance: a NumPy generator.

    Returns:
        (x, y), dicts. x: Subjects and Objects, int32 (number drawn, at least 1, 2). y: spans int8 (2, length, length) and
        pairs int8 (subjects, objects, kinds): 1 or 0, and -1 for what is not counted (a span that ends before it begins, one
        not drawn).
    """
    true = [list(gold), list(dict.fromkeys(object_ for found in gold.values() for _, object_ in found))]
    spans = np.stack([marked(right, length) for right in true])
    subjects, objects = ([right[i] for i in chance.permutation(len(right))[:draws]] for right in true)
    pairs = np.full((max(1, len(subjects)), max(1, len(objects)), kinds), -1, "int8")
    pairs[: len(subjects), : len(objects)] = 0
    place = {span: i for i, span in enumerate(objects)}
    for i, subject in enumerate(subjects):
        for predicate, object_ in gold[subject]:
            if object_ in place:
                pairs[i, place[object_], predicate] = 1
    x = (np.array(each or [(0, 0)], "int32") for each in (subjects, objects))
    return dict(zip(("Subjects", "Objects"), x, strict=True)), {"spans": spans, "pairs": pairs}


def probabilities(follow, hidden, spans, encoded):
    """What the model says of a batch, after the encoder: the head of pairs runs once for all of its windows.

    Args:
        follow: the head of pairs, as `followed` makes it.
        hidden: the batch's token vectors (batch, time, hidden).
        spans: probabilities (batch, subject or object, time, time).
        encoded: the batch's windows.

    Returns:
        For each window a dict: spans, the probabilities of its likely subjects and objects (two arrays); subjects and
        objects, their tokens (count, 2); pairs (subjects, objects, kinds).
    """
    hidden = np.asarray(hidden, "float32")  # of 16 bits it comes without a loss
    subjects, objects = (
        [likely(each[kind], window) for each, window in zip(spans, encoded, strict=True)] for kind in (SUBJECT, OBJECT)
    )
    places = [collate([{"spans": each} for each in part])["spans"] for part in (subjects, objects)]
    some = max(1, PAIRS // max(1, places[SUBJECT].shape[1] * places[OBJECT].shape[1]))
    parts = [slice(i, i + some) for i in range(0, len(encoded), some)]
    pairs = np.concatenate([follow(hidden[part], places[SUBJECT][part], places[OBJECT][part]) for part in parts])
    return [
        {
            "spans": (each[(SUBJECT, *s.T)], each[(OBJECT, *o.T)]),
            "subjects": s,
            "objects": o,
            "pairs": scores[: len(s), : len(o)],
        }
        for each, s, o, scores in zip(spans, subjects, objects, pairs, strict=True)
    ]


def followed(task):
    """A function from token vectors and spans to the probabilities of their predicates, of a RelationExtractor."""
    tf = tensorflow()
    pairs = task.model.get_layer("pairs")
    hidden, *spans = pairs.input
    signature = [tf.TensorSpec(hidden.shape, tf.float32), *(tf.TensorSpec(each.shape, each.dtype) for each in spans)]

    @tf.function(input_signature=signature, autograph=False)
    def follow(hidden, subjects, objects):
        return tf.sigmoid(pairs([hidden, subjects, objects]))

    return follow


def answers(spans, subjects, objects, pairs):
    """The triples that `probabilities` tells, at most TRIPLES: (subject's span, predicate's number, object's span, probability)."""
    scores = spans[SUBJECT][:, None, None] * spans[OBJECT][:, None] * pairs
    places = np.argwhere(scores > FLOOR)
    found = scores[tuple(places.T)]
    for n in np.argsort(-found, kind="stable")[:TRIPLES]:
        i, j, predicate = places[n]
        yield tuple(subjects[i]), predicate, tuple(objects[j]), float(found[n])
