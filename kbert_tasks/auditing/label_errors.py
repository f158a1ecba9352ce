"""Finds wrong labels by confident learning (Northcutt et al., 2021, arXiv 1911.00068), with the package cleanlab."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tasks.judging import Judgement
from .packages import needed

WHY = "finds wrong labels by confident learning"


def check_installed() -> None:
    """Raises InputError if cleanlab is not installed."""
    needed("cleanlab", WHY)


def suspects(
    gold: Sequence[Sequence[str]], judgements: Sequence[Judgement], several: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Scores the labels of all texts.

    Args:
        gold: the gold labels of each text.
        judgements: the judgement of each text, with the probabilities of models that have not seen it.
        several: whether a text may have several labels.

    Returns:
        (scores, suspicious): the quality of the labels of each text, from 0 to 1, and whether cleanlab considers them wrong.
    """
    labels = sorted({label for each in judgements for label in each.probabilities or ()})
    place = {label: i for i, label in enumerate(labels)}
    p = np.array([[(each.probabilities or {}).get(label, 0.0) for label in labels] for each in judgements])
    given: Any
    if several:
        filters = needed("cleanlab.multilabel_classification.filter", WHY)
        ranks = needed("cleanlab.multilabel_classification", WHY)
        given = [sorted(place[label] for label in each) for each in gold]
    else:
        filters, ranks = needed("cleanlab.filter", WHY), needed("cleanlab.rank", WHY)
        given = np.array([place[label] for (label,) in gold])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about labels with few texts, which are findings of their own
        # One process: those that cleanlab would start cannot be forked safely after TensorFlow.
        found = filters.find_label_issues(given, p, n_jobs=1)
        return np.asarray(ranks.get_label_quality_scores(given, p)), np.asarray(found, bool)
