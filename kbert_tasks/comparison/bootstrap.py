"""The paired bootstrap: how far a difference of two scores is chance of which texts stand in the file.

Texts are drawn from the file with replacement, as many as there are, each with the answers of both runs, and both are scored
again; 10,000 times over. The interval is the percentile interval of Efron and Tibshirani, "An Introduction to the
Bootstrap" (1993), chapter 13. Scoring two systems on the same draws, and counting how often one is not better, is Koehn's
"Statistical Significance Tests for Machine Translation Evaluation" (EMNLP 2004). How far it can be trusted: Berg-Kirkpatrick,
Burkett and Klein, "An Empirical Investigation of Statistical Significance in NLP" (EMNLP 2012).
"""

from dataclasses import dataclass

import numpy as np

RESAMPLES, SEED = 10_000, 1
AT_ONCE = 500  # resamples in memory


@dataclass(frozen=True)
class Interval:
    """A difference of two scores, shares between 0 and 1.

    Attributes:
        baseline, run: the two scores.
        low, high: of the difference run - baseline, its 95 % interval.
        not_better: in how many resamples the run is not better.
        resamples: how many there are.
    """

    baseline: float
    run: float
    low: float
    high: float
    not_better: int
    resamples: int

    @property
    def difference(self):
        return self.run - self.baseline


def interval(counts, resamples=RESAMPLES, seed=SEED):
    """The Interval of one score.

    Args:
        counts: int (2, texts, classes, 2), as `answers.counts` gives them: the baseline's, then the run's.
        resamples: how many.
        seed: of what is drawn. The order of the texts changes nothing.
    """
    texts, shape = counts.shape[1], counts.shape[2:]
    # Texts that count alike are drawn together: as many of each kind as the binomial law gives.
    kinds, number = np.unique(counts.swapaxes(0, 1).reshape(texts, -1), axis=0, return_counts=True)
    kinds, chance, parts = kinds.astype(float), np.random.default_rng(seed), []
    for start in range(0, resamples, AT_ONCE):
        drawn = chance.multinomial(texts, number / texts, min(AT_ONCE, resamples - start))
        scores = mean_f1((drawn @ kinds).reshape(-1, 2, *shape))
        parts.append(scores[:, 1] - scores[:, 0])
    differences = np.concatenate(parts)
    low, high = np.quantile(differences, (0.025, 0.975)).tolist()
    baseline, run = mean_f1(counts.sum(1)).tolist()
    return Interval(baseline, run, low, high, int((differences <= 0).sum()), resamples)


def mean_f1(sums):
    """The mean F1 of the classes that gold or answers have; 0 where there are none.

    With one class it is the F1 of all texts together; with one gold and one answer for each text, the accuracy.

    Args:
        sums: (..., classes, 2): right answers; answers and gold together.

    Returns:
        Shares (...).
    """
    right, both = sums[..., 0], sums[..., 1]
    f1 = 2 * right / np.maximum(both, 1)
    return f1.sum(-1) / np.maximum((both > 0).sum(-1), 1)
