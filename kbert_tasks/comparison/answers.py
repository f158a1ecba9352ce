"""Pairs the answers of two runs to the same texts, and counts them for the scores."""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ..data.labels import marked
from ..tasks.presentation import Presentation
from .runs import Run

Answer: TypeAlias = dict[str, Any]  # a line of answers.jsonl


def why_not(presentation: Presentation, one: Run, other: Run) -> str | None:
    """Returns the reason why the answers of two Runs cannot be compared, as a sentence, or None if they can."""
    for run in (one, other):
        if run.answered != "test" or not run.answers:
            return f"{run.name} has no predictions for test texts: train it with a test file"
    texts, both = (
        [Counter(of(presentation, each) for each in run.answers) for run in (one, other)] for of in (_question, _key)
    )
    if both[0] == both[1]:
        return None
    if texts[0] == texts[1]:
        apart = len(one.answers) - (both[0] & both[1]).total()
        return f"{one.name} and {other.name} have the same test texts, but {apart} of {len(one.answers)} gold answers differ"
    shared = (texts[0] & texts[1]).total()
    return (
        f"{one.name} and {other.name} have different test texts: {shared} are in both, of {len(one.answers)} and "
        f"{len(other.answers)}"
    )


def paired(presentation: Presentation, one: Run, other: Run) -> list[tuple[Answer, Answer]]:
    """Returns a list of (answer of one, answer of the other) for the same text and gold, in the order of the first Run."""
    waiting: defaultdict[tuple[Any, ...], deque[Answer]] = defaultdict(deque)
    for answer in other.answers:
        waiting[_key(presentation, answer)].append(answer)
    return [(answer, waiting[_key(presentation, answer)].popleft()) for answer in one.answers]


def counts(presentation: Presentation, pairs: Sequence[tuple[Answer, Answer]]) -> dict[str, np.ndarray]:
    """Counts right answers for each text, so that scores can be computed for any sample of the texts.

    Args:
        presentation: the Presentation of the task.
        pairs: the return value of `paired`.

    Returns:
        A dict of score name to int (2, texts, classes, 2): for each run, text and class, the number of right answers, and
        the number of predicted plus gold answers. `bootstrap.mean_f1` of the sums over the texts is the score.
    """
    keys = presentation.keys
    gold = [members(one["gold"], keys) for one, _ in pairs]
    sides = [[answer for answer, _ in pairs], [answer for _, answer in pairs]]
    found = [[members(answer["predicted"], keys) for answer in side] for side in sides]
    exact = [[g == f for g, f in zip(gold, each, strict=True)] for each in found]
    if presentation.keys:
        first = [[_first(keys, answer, g) for answer, g in zip(side, gold, strict=True)] for side in sides]
        return {"f1": _of_sets(gold, found)} | ({"accuracy": _of_texts(first)} if presentation.ranked else {})
    if not all(isinstance(one["gold"], str | list) for one, _ in pairs):  # other values, such as numbers
        return {"share right": _of_texts([[answer["right"] for answer in side] for side in sides])}
    labels = sorted({label for texts in (gold, *found) for each in texts for label in each}) or [""]
    there, said = marked(gold, labels), np.stack([marked(each, labels) for each in found])
    by_label = np.stack([there & said, there.astype(int) + said], -1)
    several = any(isinstance(one["gold"], list) for one, _ in pairs)
    micro = {"micro_f1": by_label.sum(2, keepdims=True)} if several else {}
    return {"accuracy": _of_texts(exact)} | micro | {"macro_f1": by_label}


def members(value: Any, keys: Sequence[str] = ()) -> frozenset[Any]:
    """Returns a gold or predicted value as a set of labels, or, for dicts, of tuples of their values of `keys`."""
    if isinstance(value, list):
        return frozenset(
            tuple(each[key] for key in keys if key in each) if isinstance(each, dict) else each for each in value
        )
    return frozenset() if value is None else frozenset([value])


def _first(keys: Sequence[str], answer: Answer, gold: frozenset[Any]) -> bool:
    """Returns whether the most probable answer is a gold one; without an answer, whether there is no gold one."""
    found = answer["predicted"]
    return not members(found[:1], keys).isdisjoint(gold) if found else not gold


def _of_sets(gold: Sequence[frozenset[Any]], found: Sequence[Sequence[frozenset[Any]]]) -> np.ndarray:
    return np.array([[[[len(g & f), len(g) + len(f)]] for g, f in zip(gold, each, strict=True)] for each in found])


def _of_texts(right: Sequence[Sequence[bool]]) -> np.ndarray:
    """Returns counts for tasks with one answer for each text; 2 is one gold plus one predicted answer."""
    return np.array([[[[bool(each), 2]] for each in side] for side in right], int)


def _question(presentation: Presentation, answer: Answer) -> tuple[Any, ...]:
    return tuple(answer.get(key) for key in presentation.question)


def _key(presentation: Presentation, answer: Answer) -> tuple[Any, ...]:
    return *_question(presentation, answer), members(answer["gold"], presentation.keys)
