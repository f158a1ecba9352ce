"""Scores where a text has a set of answers: exact members, precision, recall, F1; and the threshold that serves F1 best."""

import collections

import numpy as np

AROUND = "\"'“”‘’《》〈〉「」『』【】()（）[]<>"
OVERLAPS = ("normal", "shared entity", "shared pair", "no triples")


def counted(gold, predicted):
    """Precision, recall and F1 over all texts together.

    Args:
        gold, predicted: for each text a set.

    Returns:
        precision (None where nothing is predicted), recall (None where there is no gold), f1 (None where both are),
        support (of gold), predicted (number of answers).
    """
    right = sum(len(one & other) for one, other in zip(gold, predicted, strict=True))
    there, said = sum(map(len, gold)), sum(map(len, predicted))
    return {
        "precision": right / said if said else None,
        "recall": right / there if there else None,
        "f1": 2 * right / (said + there) if said + there else None,
        "support": there,
        "predicted": said,
    }


def best_threshold(gold, answers, least=0.0):
    """The least score at which answers should count, for the best F1 over all texts.

    Args:
        gold: for each text a set.
        answers: for each text a list of (member or not of the set, score).
        least: the lowest threshold that may be returned; answers with a lower score are ignored.

    Returns:
        A number from `least` to 1, half way between two scores, so that rounding decides nothing; 0.5 where no answer is
        right.
    """
    scored = [
        (score, each in right)
        for right, found in zip(gold, answers, strict=True)
        for each, score in found
        if score >= least
    ]
    if not any(right for _, right in scored):
        return 0.5
    scores, right = (np.array(column, float) for column in zip(*sorted(scored, reverse=True), strict=True))
    f1 = 2 * np.cumsum(right) / (np.arange(1, len(scores) + 1) + sum(map(len, gold)))
    ends = np.append(scores[:-1] > scores[1:], True)  # a threshold cannot part equal scores
    best = int(np.argmax(np.where(ends, f1, -1)))
    below = scores[best + 1] if best + 1 < len(scores) else least
    middle = (scores[best] + below) / 2
    return float(middle if middle > below else scores[best])  # between neighbours among floats there is none


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


def subjects(gold, predicted, kinds):
    """Scores of the subjects of texts, compared as strings.

    Args:
        gold, predicted: for each text a list of strings, the most probable prediction first.
        kinds: for each text its event's type, or None.

    Returns:
        accuracy, of texts whose first answer is any of the gold subjects (none where there is none); precision, recall,
        f1 of all subjects, as in `counted`; `f1_tolerant`, the same without quotation marks and brackets at either end;
        `per_class`, for each type; `per_overlap`, for texts with one subject, with several, with none.
    """
    right = [
        (not one and not other) or other[:1] != [] and other[0] in one
        for one, other in zip(gold, predicted, strict=True)
    ]
    sets = [[set(each) for each in part] for part in (gold, predicted)]
    bare = [[{string.strip(AROUND) for string in each} for each in part] for part in sets]
    whole = counted(*sets)
    scores = {"accuracy": sum(right) / len(right) if right else 0.0}
    scores |= {name: whole[name] for name in ("precision", "recall")} | {"f1": whole["f1"] or 0.0}
    scores["f1_tolerant"] = counted(*bare)["f1"] or 0.0
    number = ["no subject" if not each else "one subject" if len(each) == 1 else "several subjects" for each in sets[0]]
    for name, of in (("per_class", [str(kind) for kind in kinds]), ("per_overlap", number)):
        scores[name] = {
            kind: counted(*([each for each, its in zip(part, of, strict=True) if its == kind] for part in sets))
            | {"accuracy": sum(r for r, its in zip(right, of, strict=True) if its == kind) / of.count(kind)}
            | {"texts": of.count(kind)}
            for kind in sorted(set(of))
        }  # fmt: skip
    return scores


def overlap(strings):
    """The kind of a text by its gold triples (subject, predicate, object): one of OVERLAPS."""
    if not strings:
        return "no triples"
    pairs = collections.Counter(frozenset((subject, object_)) for subject, _, object_ in strings)
    if len(pairs) < len(strings):
        return "shared pair"
    entities = collections.Counter(entity for pair in pairs for entity in pair)
    return "normal" if max(entities.values()) == 1 else "shared entity"
