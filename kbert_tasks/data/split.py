"""Parts of the training examples, each kind alike: a share for development, and folds."""

import logging
import math
import warnings
from collections import Counter, defaultdict

import numpy as np

from ..errors import InputError

log = logging.getLogger("kbert_tasks")


def hold_out(task, examples, share):
    """(training, development) Examples: a share of each kind (`task.stratum`) goes to development."""
    rows = examples.rows
    # A text that stands in several examples is held out in all of them, or in none; the first one tells its kind.
    kinds, needed = {}, defaultdict(set)
    for example in rows:
        kinds.setdefault(example.text, str(task.stratum(example)))
        needed[example.text].update(task.needed(example))
    texts = list(kinds)
    shuffled = [texts[i] for i in np.random.default_rng(task.settings.seed).permutation(len(texts))]
    by_kind = sorted(shuffled, key=kinds.get)  # stable: shuffled within each kind
    # Every (1 / share)th, counted through all kinds, so that the share is right also where each kind is rare. Of what the
    # task has to learn (a label) the last text stays; the next text takes its place.
    taken, left = set(), Counter(each for text in texts for each in needed[text])
    for n, text in enumerate(by_kind, 1):
        if len(taken) < math.floor(n * share) and all(left[each] > 1 for each in needed[text]):
            taken.add(text)
            left.subtract(needed[text])
    held = [i for i, example in enumerate(rows) if example.text in taken]
    told = f"{len(held)} of {len(rows)} training examples are held out (seed {task.settings.seed})"
    log.info("no development file: %s", told if held else "none is held out, the last epoch is kept")
    dev = examples.part(held, "held out of the training file" if held else None)
    return examples.without(held), dev


def folds_of(task, examples, number):
    """(the other folds, a fold) as Examples, for each fold: each kind alike, and a text that stands twice in one fold.

    Raises:
        InputError: there are fewer texts than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    texts = {text: i for i, text in enumerate(dict.fromkeys(example.text for example in examples.rows))}
    if len(texts) < number:
        raise InputError(f"{number} folds need at least as many different texts, not {len(texts)}")
    kinds = {kind: i for i, kind in enumerate(dict.fromkeys(task.stratum(example) for example in examples.rows))}
    groups = [texts[example.text] for example in examples.rows]
    kinds = [kinds[task.stratum(example)] for example in examples.rows]
    if max(np.bincount(kinds)) < number:  # each kind is too rare to be in all folds
        kinds = [0] * len(kinds)
    split = StratifiedGroupKFold(number, shuffle=True, random_state=task.settings.seed)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # a label that is rarer than there are folds: it is in some of them
        for rest, part in split.split(groups, kinds, groups):
            yield examples.part(rest), examples.part(part)
