"""Calibrates probabilities with temperature scaling and computes the expected calibration error.

In this file, `p` contains probabilities (texts, labels), and `gold` is bool (texts, labels), True for correct labels.
With `several` (labels per text), each label has an independent probability; otherwise those of a text sum to 1.

Source: Guo et al., "On Calibration of Modern Neural Networks", 2017 (arXiv 1706.04599).
"""

import numpy as np

BINS = 15  # as in the article
COLDEST, HOTTEST = 0.1, 10.0  # limits of the temperature; a value outside would be the effect of a few unusual texts
NEAR = 1.05  # a fitted temperature within this factor of a limit counts as being at the limit
# A fitted temperature is used if it is better than 1 in a likelihood-ratio test at 5 % (chi-squared, 1 degree of freedom).
# A simulation measured the change of the mean loss of new texts (120 development sets with 2, 5 and 14 labels each, true
# temperatures 0.5 to 4). With 30 texts, always using the fit costs 0.023 if 1 is correct and gains 0.132 if 2 is correct;
# with the test, it costs 0.010 and gains 0.120. A minimum of 50 texts would lose this gain. With 10 texts, always using
# the fit costs 0.069 and gains 0.086; with the test, 0.021 and 0.071.
CRITICAL = 3.84
TINY = 1e-12  # keeps logarithms finite


def tempered(p: np.ndarray, temperature: float, several: bool) -> np.ndarray:
    """Rescales probabilities as if all logits had been divided by `temperature`.

    Values above 1 lower the confidence, values below 1 raise it. The order of the labels of a text does not change. With
    `several`, probabilities above 0.5 stay above 0.5.
    """
    from scipy.special import expit, logit, softmax

    if temperature == 1:
        return p
    p = np.clip(p, TINY, 1 - TINY)
    if several:
        return expit(logit(p) / temperature)
    return softmax(np.log(p) / temperature, axis=-1)


def losses(p: np.ndarray, gold: np.ndarray, several: bool) -> np.ndarray:
    """Computes the negative log likelihood of each text, (texts,).

    This is the cross entropy, or with `several` the sum of binary cross entropies. Without `several`, the value of a text
    whose gold answer is none of the labels is 0.
    """
    p = np.clip(p, TINY, 1 - TINY)
    return -np.where(gold, np.log(p), np.log1p(-p) if several else 0).sum(-1)


def best_temperature(p: np.ndarray, gold: np.ndarray, several: bool) -> float:
    """Returns the temperature between COLDEST and HOTTEST that minimizes the mean loss.

    The result is 1 if all answers are correct, because the data then contain no evidence of overconfidence. Without
    `several`, texts whose gold answer is none of the labels are ignored.
    """
    from scipy.optimize import minimize_scalar

    if not several:
        known = gold.any(-1)
        p, gold = p[known], gold[known]
    _, right = _answers(p, gold, several)
    if (right == (p.ravel() >= 0.5) if several else right).all():
        return 1.0
    found = minimize_scalar(
        lambda log: losses(tempered(p, np.exp(log), several), gold, several).mean(),
        bounds=np.log([COLDEST, HOTTEST]),
        method="bounded",
    )
    return float(np.exp(found.x))


def reliable_temperature(p: np.ndarray, gold: np.ndarray, several: bool) -> tuple[float, str | None]:
    """Returns the best temperature if the texts give enough evidence for it, otherwise 1.

    Returns:
        (temperature, reason): the reason is a clause that explains why the temperature is 1, otherwise None.
    """
    found = best_temperature(p, gold, several)
    texts = int((np.ones(len(gold), bool) if several else gold.any(-1)).sum())
    if found == 1:
        return (
            1.0,
            f"a temperature cannot be fitted, because the predictions for all {texts} development texts are correct",
        )
    if not COLDEST * NEAR < found < HOTTEST / NEAR:
        return (
            1.0,
            f"the best temperature for the {texts} development texts is at the limit of {COLDEST} to {HOTTEST:.0f}",
        )
    gain = losses(p, gold, several).sum() - losses(tempered(p, found, several), gold, several).sum()
    if not 2 * gain >= CRITICAL:  # also true for NaN
        return (
            1.0,
            f"the improvement by the best temperature, {found:.2f}, on {texts} development texts is not significant",
        )
    return found, None


def reliability(sure: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Computes the data of a calibration plot for each non-empty one of 15 bins of equal width.

    Args:
        sure: probabilities, (answers,).
        right: bool, (answers,), True for correct answers.

    Returns:
        Three arrays (bins,): number of answers, mean probability, and share of correct answers.
    """
    bins = np.digitize(sure, np.arange(1, BINS) / BINS)
    counts, total, correct = (np.bincount(bins, weights, BINS) for weights in (None, sure, right))
    held = counts > 0
    return counts[held], total[held] / counts[held], correct[held] / counts[held]


def calibration_error(p: np.ndarray, gold: np.ndarray, several: bool) -> float:
    """Computes the expected calibration error: the mean difference between probability and share of correct answers.

    An answer is the most probable label of a text. With `several`, each label of each text is an answer, which is correct
    if the text has the label.
    """
    counts, sure, right = reliability(*_answers(p, gold, several))
    return float((counts * np.abs(sure - right)).sum() / counts.sum())


def _answers(p: np.ndarray, gold: np.ndarray, several: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns (probabilities, whether correct), both (answers,)."""
    if several:
        return p.ravel(), gold.ravel()
    best = p.argmax(-1)
    return p.max(-1), gold[np.arange(len(p)), best]


def calibration_scores(p: np.ndarray, gold: np.ndarray, temperature: float, several: bool) -> dict[str, float]:
    """Returns the calibration scores of probabilities to which this temperature has been applied.

    `ece` is the error with the temperature, `ece_uncalibrated` the error without it.
    """
    return {
        "ece": calibration_error(p, gold, several),
        "ece_uncalibrated": calibration_error(tempered(p, 1 / temperature, several), gold, several),
        "temperature": temperature,
    }
