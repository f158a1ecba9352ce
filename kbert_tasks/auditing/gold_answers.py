"""Decides which gold answers are suspicious, for tasks whose answers are parts of the text."""

from collections.abc import Sequence

import numpy as np

from ..tasks.judging import Judgement
from ..text.spans import FLOOR

LEAST = 0.5  # another answer that is less probable than this is no reason to doubt a gold answer
IMPROBABLE = 0.001  # share of the mean probability of gold answers; see benchmarks/audit.md


def suspects(judgements: Sequence[Judgement]) -> tuple[np.ndarray, np.ndarray]:
    """Scores the gold answers of all texts.

    A gold answer is suspicious if it is extremely improbable compared with the others, or if it is too improbable to be a
    candidate and another answer, which contradicts it, is at least as probable as gold answers are on average.

    Returns:
        (scores, suspicious): the score of each text, from 0 to 1, and whether its gold answers are suspicious.
    """
    scores, gold, other = (
        np.array([getattr(each, name) for each in judgements], float) for name in ("score", "gold", "other")
    )
    mean = float(gold.mean()) if len(gold) else 0.0
    contradicted = ~np.array([each.spurious for each in judgements], bool) & (other >= max(LEAST, mean))
    return scores, (gold < IMPROBABLE * mean) | (contradicted & (gold < FLOOR))
