"""Two-stage relation extraction: first score spans, then predicates between pairs of subject and object spans.

This module makes the arrays of a training step and converts model outputs to triples. A span is a pair of token indices
(first, last), both inclusive. The gold of a window is a dict of subject span to a list of (predicate index, object span),
with a teacher (predicate index, object span, probability).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from ...data.batches import collate
from ...text.spans import FLOOR, TokenSpan, likely, mark, marked
from ...text.tokenizer import Encoded
from ..contract import Arrays, Outputs
from ..span_task import SpanTarget

Gold: TypeAlias = dict[TokenSpan, list[SpanTarget]]  # subject to (predicate index, object, ...)
Soft: TypeAlias = dict[TokenSpan, list[tuple[int, TokenSpan, float]]]  # the same with probabilities

TRIPLES = 200  # maximum number of triples for a window
PAIRS = 16384  # maximum number of pairs of spans that are scored together, to limit memory
SUBJECT, OBJECT = 0, 1  # indices of the two kinds of spans


def step(
    gold: Gold, length: int, kinds: int, draws: int, chance: np.random.Generator, soft: bool = False
) -> tuple[Arrays, Arrays]:
    """Samples subjects and objects of a window, and makes the targets for a training step.

    Sampled subjects and objects without a common predicate are the negative examples for the scores of pairs. Spans that
    are not entities are not sampled: using them as negative examples for pairs made the results worse (see
    benchmarks/relation.md).

    Args:
        gold: gold of the window, as described at the top of this module.
        length: number of tokens of the window.
        kinds: number of predicates.
        draws: maximum number of subjects, and of objects, to sample.
        chance: a NumPy random generator.
        soft: whether the gold has the probabilities of a teacher.

    Returns:
        (x, y), two dicts. x: `Subjects` and `Objects`, int32 (number sampled, at least 1, 2). y: `spans`, int8
        (2, length, length), and `pairs`, int8 (subjects, objects, kinds), with 1 for right, 0 for wrong and -1 for ignored
        (spans that end before they begin, and padding). With `soft`, both are float32 and contain probabilities, whose product
        for a triple is the probability of the triple.
    """
    true = [list(gold), list(dict.fromkeys(object_ for found in gold.values() for _, object_, *_ in found))]
    if soft:
        soft_gold, sure = _factors(cast("Soft", gold))
        gold = cast("Gold", soft_gold)
        spans = np.stack([marked([], length) for _ in true]).astype("float32")
        for target, factors in zip(spans, sure, strict=True):
            for span, factor in factors.items():
                target[span] = factor
    else:
        spans = np.stack([marked(right, length) for right in true])
    subjects, objects = ([right[i] for i in chance.permutation(len(right))[:draws]] for right in true)
    pairs = np.full((max(1, len(subjects)), max(1, len(objects)), kinds), -1, spans.dtype)
    pairs[: len(subjects), : len(objects)] = 0
    place = {span: i for i, span in enumerate(objects)}
    for i, subject in enumerate(subjects):
        for predicate, object_, *weight in gold[subject]:
            if object_ in place:
                mark(pairs[i, place[object_]], predicate, *weight)
    x = (np.array(each or [(0, 0)], "int32") for each in (subjects, objects))
    return dict(zip(("Subjects", "Objects"), x, strict=True)), {"spans": spans, "pairs": pairs}


def _factors(gold: Soft) -> tuple[Soft, tuple[dict[TokenSpan, float], dict[TokenSpan, float]]]:
    """Splits the probability of each triple into factors for its subject, its object and its predicate.

    The factor of a span is the largest cube root of the probabilities of its triples.

    Returns:
        (the gold with the factors of the predicates, (the factors of the subjects, those of the objects)).
    """
    sure: tuple[dict[TokenSpan, float], dict[TokenSpan, float]] = ({}, {})
    for subject, found in gold.items():
        for _, object_, weight in found:
            for factors, span in zip(sure, (subject, object_), strict=True):
                factors[span] = max(factors.get(span, 0.0), weight ** (1 / 3))
    subjects, objects = sure
    return {
        subject: [(kind, object_, weight / (subjects[subject] * objects[object_])) for kind, object_, weight in found]
        for subject, found in gold.items()
    }, sure


def probabilities(
    follow: Callable[..., Any], hidden: np.ndarray, spans: np.ndarray, encoded: Sequence[Encoded]
) -> list[Outputs]:
    """Computes the probabilities of likely spans, and of the predicates between them, for a batch of windows.

    Args:
        follow: function from token vectors, subjects and objects, both (batch, count, 2), to the probabilities of predicates
            (batch, subjects, objects, kinds).
        hidden: token vectors (batch, time, hidden).
        spans: probabilities (batch, 2 for subject and object, time, time).
        encoded: list of Encoded, the windows of the batch.

    Returns:
        For each window a dict: `spans`, its part of the argument, with padding; `subjects` and `objects`, the tokens of the
        likely ones, (count, 2); `pairs`, probabilities (subjects, objects, kinds).
    """
    hidden = np.asarray(hidden, "float32")  # exact for 16-bit floats
    subjects, objects = (
        [likely(each[kind], window) for each, window in zip(spans, encoded, strict=True)] for kind in (SUBJECT, OBJECT)
    )
    places = [collate([{"spans": each} for each in part])["spans"] for part in (subjects, objects)]
    some = max(1, PAIRS // max(1, places[SUBJECT].shape[1] * places[OBJECT].shape[1]))
    parts = [slice(i, i + some) for i in range(0, len(encoded), some)]
    pairs = np.concatenate([follow(hidden[part], places[SUBJECT][part], places[OBJECT][part]) for part in parts])
    return [
        {"spans": each, "subjects": s, "objects": o, "pairs": scores[: len(s), : len(o)]}
        for each, s, o, scores in zip(spans, subjects, objects, pairs, strict=True)
    ]


def answers(
    spans: np.ndarray, subjects: np.ndarray, objects: np.ndarray, pairs: np.ndarray
) -> Iterator[tuple[TokenSpan, int, TokenSpan, float]]:
    """Yields the triples of a window, the most probable first, at most TRIPLES; the arguments are from `probabilities`.

    Yields:
        (subject span, predicate index, object span, probability).
    """
    scores = spans[(SUBJECT, *subjects.T)][:, None, None] * spans[(OBJECT, *objects.T)][:, None] * pairs
    places = np.argwhere(scores > FLOOR)
    found = scores[tuple(places.T)]
    for n in np.argsort(-found, kind="stable")[:TRIPLES]:
        i, j, predicate = places[n]
        yield tuple(subjects[i]), predicate, tuple(objects[j]), float(found[n])


def score(
    subject: TokenSpan,
    predicate: int,
    object_: TokenSpan,
    spans: np.ndarray,
    subjects: np.ndarray,
    objects: np.ndarray,
    pairs: np.ndarray,
) -> float:
    """Returns the probability of a triple; the last four arguments are from `probabilities`.

    If its subject or object is not likely, the predicate has no score, and the result is the product for both spans.
    """
    i, j = (np.flatnonzero((among == span).all(1)) for among, span in ((subjects, subject), (objects, object_)))
    between = pairs[i[0], j[0], predicate] if len(i) and len(j) else 1.0
    return float(spans[(SUBJECT, *subject)] * spans[(OBJECT, *object_)] * between)
