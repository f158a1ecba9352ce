"""Scores of sets of triples."""

import collections

from ...metrics.sets import counted

OVERLAPS = ("normal", "shared entity", "shared pair", "no triples")


def triples(gold, predicted):
    """Scores of sets of triples, compared by their strings.

    Args:
        gold, predicted: for each text a tuple of Triple.

    Returns:
        precision, recall, f1 (0 where there is nothing to find and nothing found), as in `counted`; `per_class`, the
        same for each predicate; `per_overlap`, for each kind of text: in `shared pair` two triples have the same two
        entities, in `shared entity` one, in `normal` none; where gold has places also `places`, of the texts whose
        triples all have them: a triple must be at one of its places too.
    """
    strings, answers = ([{t.strings for t in each} for each in part] for part in (gold, predicted))
    whole = counted(strings, answers)
    scores = {name: whole[name] for name in ("precision", "recall")} | {"f1": whole["f1"] or 0.0}
    predicates = sorted({predicate for each in (*strings, *answers) for _, predicate, _ in each})
    scores["per_class"] = {name: counted(*_of(name, strings, answers)) for name in predicates}
    texts = collections.defaultdict(list)
    for i, each in enumerate(strings):
        texts[overlap(each)].append(i)
    scores["per_overlap"] = {
        kind: counted([strings[i] for i in texts[kind]], [answers[i] for i in texts[kind]]) | {"texts": len(texts[kind])}
        for kind in OVERLAPS if texts[kind]
    }  # fmt: skip
    located = [i for i, each in enumerate(gold) if each and all(t.located for t in each)]
    if located:
        placed = [_placed(gold[i], predicted[i]) for i in located]
        scores["places"] = counted([strings[i] for i in located], placed) | {"texts": len(located)}
    return scores


def _placed(gold, predicted):
    """The predicted triples' strings; of those that stand elsewhere than the gold says, what is not gold."""
    places = {(t.strings, t.subject_span, t.object_span) for t in gold}
    at = ((t.strings, t.subject_span, t.object_span) for t in predicted)
    return {each[0] if each in places else each for each in at}


def _of(predicate, *parts):
    return [[{t for t in each if t[1] == predicate} for each in part] for part in parts]


def overlap(strings):
    """The kind of a text by its gold triples (subject, predicate, object): one of OVERLAPS."""
    if not strings:
        return "no triples"
    pairs = collections.Counter(frozenset((subject, object_)) for subject, _, object_ in strings)
    if len(pairs) < len(strings):
        return "shared pair"
    entities = collections.Counter(entity for pair in pairs for entity in pair)
    return "normal" if max(entities.values()) == 1 else "shared entity"
