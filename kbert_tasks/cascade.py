"""Spans first, then what each subject has to do with each object: a step's arrays, and the way back to triples.

A span is a pair of tokens (first, last), both included. A window's gold is a dict from each subject's span to a list of
(number of the predicate, object's span).
"""

import functools

import numpy as np

from ._keras import keras2, tensorflow
from .batches import collate

FLOOR = 0.05  # probability under which nothing is looked at any further
MOST = 48  # subjects, and objects, of a window that are looked at: an untrained model holds thousands to be possible
TRIPLES = 200  # of a window that are given
PAIRS = 16384  # pairs of spans at once, so that memory does not grow with what is possible
WRONG = 3  # so many of the spans drawn are wrong ones
SUBJECT, OBJECT = 0, 1  # the kinds of spans


def step(gold, length, kinds, draws, chance, wrong):
    """Some of a window's subjects and objects, wrong ones among them, and the predicates between them.

    Args:
        gold: of the window.
        length: of the window, in tokens.
        kinds: number of predicates.
        draws: subjects, and objects, in all.
        chance: a NumPy generator.
        wrong: function of (spans that are right, the window's entities, length, chance) to another span, or None.

    Returns:
        (x, y), dicts. x: Subjects and Objects, int32 (draws, 2). y: spans int8 (2, length, length) and pairs int8
        (draws, draws, kinds): 1 or 0, and -1 for what is not counted (a span that ends before it begins, one not drawn).
    """
    true = [list(gold), list(dict.fromkeys(object_ for found in gold.values() for _, object_ in found))]
    spans = np.zeros((2, length, length), "int8")
    spans[(slice(None), *np.tril_indices(length, -1))] = -1
    for kind, right in enumerate(true):
        for span in right:
            spans[(kind, *span)] = 1
    entities = list(dict.fromkeys(true[SUBJECT] + true[OBJECT])) or [(1, 1)]
    drawn = []
    for right in true:
        some = [right[i] for i in chance.permutation(len(right))[: max(1, draws - WRONG)]]
        more = (wrong(right, entities, length, chance) for _ in range(WRONG))
        drawn.append(list(dict.fromkeys([*some, *(span for span in more if span)]))[:draws])
    pairs = np.full((draws, draws, kinds), -1, "int8")
    pairs[: len(drawn[SUBJECT]), : len(drawn[OBJECT])] = 0
    place = {span: i for i, span in enumerate(drawn[OBJECT])}
    for i, subject in enumerate(drawn[SUBJECT]):
        for predicate, object_ in gold.get(subject, ()):
            if object_ in place:
                pairs[i, place[object_], predicate] = 1
    subjects, objects = (np.array([*each, *[(0, 0)] * (draws - len(each))], "int32") for each in drawn)
    return {"Subjects": subjects, "Objects": objects}, {"spans": spans, "pairs": pairs}


def wrong(right, entities, length, chance):
    """A span that could pass for one of `right`: another entity, the beginning of one with the end of another, or one with a
    token or two more or less."""
    first, last = entities[chance.integers(len(entities))]
    other = entities[chance.integers(len(entities))]
    more, less = chance.integers(-2, 3, 2)
    near = max(1, first + int(more)), min(length - 2, last + int(less))
    found = [span for span in (other, (first, other[1]), near) if span not in right and span[0] <= span[1]]
    return found[chance.integers(len(found))] if found else None


def probabilities(model, inputs, encoded):
    """What the model says of a batch: the encoder runs once for each window, the head of pairs once for all of them.

    Args:
        model: as `RelationExtractor.build` makes it.
        inputs: of the batch.
        encoded: the batch's windows.

    Returns:
        For each window a dict: spans, the probabilities of its likely subjects and objects (two arrays); subjects and
        objects, their tokens (count, 2); pairs (subjects, objects, kinds).
    """
    find, follow = _halves(model)
    hidden, spans = find(inputs)
    spans = spans.numpy()
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


@functools.lru_cache(1)
def _halves(model):
    """Two functions: inputs to (token vectors, spans' probabilities); token vectors and spans to their predicates'."""
    tf = tensorflow()
    spans, pairs = model.get_layer("spans"), model.get_layer("pairs")
    encoder = keras2().Model(model.inputs[:2], [model.get_layer("Head-Dropout").input, spans.output])
    signature = {name: tf.TensorSpec((None, None), tf.int32) for name in model.input_names[:2]}

    @tf.function(input_signature=[signature], autograph=False)
    def find(x):
        hidden, scores = encoder(x, training=False)
        return hidden, tf.sigmoid(scores)

    @tf.function(reduce_retracing=True, autograph=False)
    def follow(hidden, subjects, objects):
        return tf.sigmoid(pairs([hidden, subjects, objects]))

    return find, follow


def likely(probability, encoded):
    """The spans of text that are probable enough, the most probable first: int32 (count, 2), at most MOST."""
    size = len(encoded.ids)
    real = encoded.offsets[:, 1] > encoded.offsets[:, 0]
    probability = probability[:size, :size]
    found = np.argwhere((probability > FLOOR) & np.triu(np.outer(real, real)))
    best = np.argsort(-probability[tuple(found.T)], kind="stable")[:MOST]
    return found[best].astype(np.int32)


def answers(spans, subjects, objects, pairs):
    """The triples that `probabilities` tells, at most TRIPLES: (subject's span, predicate's number, object's span, probability)."""
    scores = spans[SUBJECT][:, None, None] * spans[OBJECT][:, None] * pairs
    places = np.argwhere(scores > FLOOR)
    found = scores[tuple(places.T)]
    for n in np.argsort(-found, kind="stable")[:TRIPLES]:
        i, j, predicate = places[n]
        yield tuple(subjects[i]), predicate, tuple(objects[j]), float(found[n])
