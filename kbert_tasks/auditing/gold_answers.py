"""Decides which gold answers are suspicious, for tasks whose answers are parts of the text."""

from collections.abc import Sequence

import numpy as np

from ..tasks.judging import Judgement

LEAST = 0.5  # another answer that is less probable than this is no reason to doubt a gold answer


def suspects(judgements: Sequence[Judgement]) -> tuple[np.ndarray, np.ndarray]:
    """Scores the gold answers of all texts.

    As in confident learning, another answer counts if it is at least as probable as gold answers are on average, and at
    least as probable as LEAST. A gold answer that no other one replaces is suspicious only if the models, which find most
    gold answers, do not even consider it.

    Returns:
        (scores, suspicious): the score of each text, from 0 to 1, and whether its gold answers are suspicious.
    """
    scores = np.array([each.score for each in judgements])
    sure = max(LEAST, float(np.mean([each.gold for each in judgements])) if len(judgements) else LEAST)
    found = np.array([each.gold > LEAST for each in judgements])
    most_found = bool(found.mean() > LEAST) if len(found) else False
    suspicious = [
        (most_found and each.gold == 0) if each.spurious else each.other >= sure and each.gold < sure
        for each in judgements
    ]
    return scores, np.array(suspicious, bool)
