"""Splits training examples into training and development sets or folds, stratified by kind."""

import logging
import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .examples import Examples

if TYPE_CHECKING:
    from ..tasks.base import Task

log = logging.getLogger("kbert_tasks")


def hold_out(task: "Task[Any]", examples: Examples, share: float) -> tuple[Examples, Examples]:
    """Returns (training, development) Examples; a share of each kind (`task.split_key`) is used for development."""
    rows = examples.rows
    # All examples with the same text are held out together. The first of them defines the kind of the text.
    kinds: dict[str, str] = {}
    needed: defaultdict[str, set[Any]] = defaultdict(set)
    for example in rows:
        kinds.setdefault(example.text, str(task.split_key(example)))
        needed[example.text].update(task.classes_of(example))
    texts = list(kinds)
    shuffled = [texts[i] for i in np.random.default_rng(task.settings.seed).permutation(len(texts))]
    by_kind = sorted(shuffled, key=kinds.__getitem__)  # stable: shuffled within each kind
    # Every (1 / share)th text is held out. The count runs through all kinds, so that the share is right even if each kind
    # is rare. The last text of a label stays in the training set, and the next text is held out instead.
    taken: set[str] = set()
    left = Counter(each for text in texts for each in needed[text])
    for n, text in enumerate(by_kind, 1):
        if len(taken) < math.floor(n * share) and all(left[each] > 1 for each in needed[text]):
            taken.add(text)
            left.subtract(needed[text])
    held = [i for i, example in enumerate(rows) if example.text in taken]
    message = f"{len(held)} of {len(rows)} training examples are held out (seed {task.settings.seed})"
    log.info("no development file: %s", message if held else "none is held out, so the last epoch is kept")
    dev = examples.part(held, "held out of the training file" if held else None)
    return examples.without(held), dev


def shares_of(task: "Task[Any]", examples: Examples, shares: Sequence[float]) -> list[Examples]:
    """Returns the examples of each share of the texts; a share contains all smaller ones.

    The shares are stratified by kind (`task.split_key`), and examples with the same text are in the same shares.
    """
    kinds: dict[str, Any] = {}
    for example in examples.rows:
        kinds.setdefault(example.text, task.split_key(example))
    random = np.random.default_rng(task.settings.seed)
    sizes, counts, places = Counter(kinds.values()), Counter[Any](), {}
    starts = {kind: random.random() for kind in sizes}
    # The texts of a kind are spread evenly over [0, 1), so that each share has the same proportion of every kind. The start
    # is random, so that kinds with few texts are neither first nor last.
    for text in (list(kinds)[i] for i in random.permutation(len(kinds))):
        kind = kinds[text]
        places[text] = (counts[kind] + starts[kind]) / sizes[kind]
        counts[kind] += 1
    order = sorted(places, key=places.__getitem__)
    parts = []
    for share in shares:
        chosen = {*order[: max(1, round(share * len(order)))]}
        left_out = [i for i, example in enumerate(examples.rows) if example.text not in chosen]
        parts.append(examples.without(left_out))
    return parts


def folds_of(task: "Task[Any]", examples: Examples, number: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yields (indices of the examples of the other folds, indices of those of the fold) for each fold.

    The folds are stratified by kind (`task.split_key`), and examples with the same text are in the same fold.

    Raises:
        InputError: there are fewer different texts than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    texts = {text: i for i, text in enumerate(dict.fromkeys(example.text for example in examples.rows))}
    if len(texts) < number:
        raise InputError(f"{number} folds need at least {number} different texts, found {len(texts)}")
    numbers = {kind: i for i, kind in enumerate(dict.fromkeys(task.split_key(example) for example in examples.rows))}
    groups = [texts[example.text] for example in examples.rows]
    kinds = [numbers[task.split_key(example)] for example in examples.rows]
    if max(np.bincount(kinds)) < number:  # no kind has enough examples for all folds
        kinds = [0] * len(kinds)
    split = StratifiedGroupKFold(number, shuffle=True, random_state=task.settings.seed)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # scikit-learn warns if a label has fewer examples than there are folds
        for rest, part in split.split(groups, kinds, groups):
            yield rest.tolist(), part.tolist()
