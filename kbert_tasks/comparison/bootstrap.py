"""Paired bootstrap: confidence interval of the difference of two scores on the same texts.

Each of 10,000 resamples draws texts with replacement, as many as there are in the file, and scores both runs on them.

Sources: the percentile interval is from Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
Scoring two systems on the same resamples and counting how often one is not better is from Koehn, "Statistical Significance
Tests for Machine Translation Evaluation" (EMNLP 2004). For its reliability, see Berg-Kirkpatrick, Burkett and Klein, "An
Empirical Investigation of Statistical Significance in NLP" (EMNLP 2012).
"""

from dataclasses import dataclass

import numpy as np

RESAMPLES, SEED = 10_000, 1
AT_ONCE = 500  # number of resamples in memory


@dataclass(frozen=True)
class Interval:
    """The difference of two scores, which are between 0 and 1.

    Attributes:
        baseline, run: the two scores.
        low, high: 95 % interval of the difference run - baseline.
        not_better: number of resamples in which the run is not better than the baseline.
        resamples: number of resamples.
    """

    baseline: float
    run: float
    low: float
    high: float
    not_better: int
    resamples: int

    @property
    def difference(self) -> float:
        """run - baseline."""
        return self.run - self.baseline


def interval(counts: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED) -> Interval:
    """Computes the Interval of one score.

    Args:
        counts: int (2, texts, classes, 2), as returned by `answers.counts`: first the baseline, then the run.
        resamples: number of resamples.
        seed: random seed. The result does not depend on the order of the texts.
    """
    texts, shape = counts.shape[1], counts.shape[2:]
    # Texts with equal counts are interchangeable, so draw the number of texts of each kind from a multinomial.
    kinds, number = np.unique(counts.swapaxes(0, 1).reshape(texts, -1), axis=0, return_counts=True)
    kinds, chance = kinds.astype(float), np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    for start in range(0, resamples, AT_ONCE):
        drawn = chance.multinomial(texts, number / texts, min(AT_ONCE, resamples - start))
        scores = mean_f1((drawn @ kinds).reshape(-1, 2, *shape))
        parts.append(scores[:, 1] - scores[:, 0])
    differences = np.concatenate(parts)
    low, high = np.quantile(differences, (0.025, 0.975)).tolist()
    baseline, run = mean_f1(counts.sum(1)).tolist()
    return Interval(baseline, run, low, high, int((differences <= 0).sum()), resamples)


def mean_f1(sums: np.ndarray) -> np.ndarray:
    """Computes the mean F1 of the classes that occur in gold or predicted answers; 0 if there are none.

    With one class it is the micro F1; with one gold and one predicted answer for each text it is the accuracy.

    Args:
        sums: (..., classes, 2): number of right answers, and number of predicted plus gold answers.

    Returns:
        Array (...) of values between 0 and 1.
    """
    right, both = sums[..., 0], sums[..., 1]
    f1 = 2 * right / np.maximum(both, 1)
    return f1.sum(-1) / np.maximum((both > 0).sum(-1), 1)
