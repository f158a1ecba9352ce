"""How far probabilities can be believed: temperature scaling, and the expected calibration error.

In this file `p` are probabilities (texts, labels), and `gold` is bool of that shape, True where a label is right. With
`several` (labels a text) each label has a probability of its own; without, those of a text sum to 1.

Source: Guo et al., "On Calibration of Modern Neural Networks", 2017 (arXiv 1706.04599).
"""

import numpy as np

BINS = 15  # as in the article
COLDEST, HOTTEST = 0.1, 10.0  # temperatures; beyond them a few odd texts, not the model, would be speaking
NEAR = 1.05  # a fitted temperature this close to a limit, as a factor, has run into it
# A fitted temperature is used where a likelihood-ratio test at 5 % says that 1 is worse (chi-squared, 1 degree of freedom).
# Simulated: 120 development sets of each of 2, 5 and 14 labels, true temperatures 0.5 to 4; the change of the mean loss of new
# texts. With 30 texts, always using the fit costs 0.023 where 1 is right and gains 0.132 where 2 is; with the test 0.010 and
# 0.120. Requiring 50 texts instead would give up the second. With 10 texts: costs 0.069 and gains 0.086; with the test 0.021, 0.071.
CRITICAL = 3.84
TINY = 1e-12  # so that no logarithm is infinite


def tempered(p, temperature, several):
    """Probabilities as if all scores had been divided by `temperature`: above 1 less sure, below 1 more.

    The order of a text's labels, and which side of 0.5 a probability is on, stay as they are.
    """
    if temperature == 1:
        return p
    p = np.clip(p, TINY, 1 - TINY)
    if several:
        return 1 / (1 + np.exp((np.log1p(-p) - np.log(p)) / temperature))
    scores = np.log(p) / temperature
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return scores / scores.sum(-1, keepdims=True)


def losses(p, gold, several):
    """Each text's negative log likelihood, (texts,): cross entropy, with `several` the sum of binary ones.

    Without `several` it is 0 for a text whose gold is none of the labels.
    """
    p = np.clip(p, TINY, 1 - TINY)
    return -np.where(gold, np.log(p), np.log1p(-p) if several else 0).sum(-1)


def best_temperature(p, gold, several):
    """The temperature that makes the mean loss least, between COLDEST and HOTTEST.

    It is 1 where every text is answered rightly: nothing then tells how sure would be too sure. Texts whose gold is none of
    the labels are left out, but for `several`.
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


def reliable_temperature(p, gold, several):
    """The best temperature if the texts are evidence enough for it, else 1.

    Returns:
        (temperature, why it is 1 or None), the reason as a clause.
    """
    found = best_temperature(p, gold, several)
    texts = int((np.ones(len(gold), bool) if several else gold.any(-1)).sum())
    if found == 1:
        return 1.0, f"none of the {texts} development texts is answered wrongly, so none can be fitted"
    if not COLDEST * NEAR < found < HOTTEST / NEAR:
        return (
            1.0,
            f"the one that fits the {texts} development texts best is at the limit of {COLDEST} to {HOTTEST:.0f}",
        )
    gain = losses(p, gold, several).sum() - losses(tempered(p, found, several), gold, several).sum()
    if not 2 * gain >= CRITICAL:  # nor where it is no number
        return 1.0, f"{texts} development texts do not show that {found:.2f}, which fits them best, is better"
    return found, None


def reliability(sure, right):
    """What a calibration plot shows, for each of 15 bins of like width that holds any answer: how many answers, their mean
    probability, and the share of them that is right.

    Args:
        sure: probabilities, (answers,).
        right: bool, (answers,).

    Returns:
        Three arrays of one length, in the order of the bins.
    """
    bins = np.digitize(sure, np.arange(1, BINS) / BINS)
    counts, *sums = (np.bincount(bins, weights, BINS) for weights in (None, sure, right))
    held = counts > 0
    return counts[held], *(each[held] / counts[held] for each in sums)


def calibration_error(p, gold, several):
    """The expected calibration error: how far probability and share of right answers are apart, a mean over all answers.

    An answer is a text's most probable label; with `several` each label of each text is one, and right if it stands there.
    """
    counts, sure, right = reliability(*_answers(p, gold, several))
    return float((counts * np.abs(sure - right)).sum() / counts.sum())


def _answers(p, gold, several):
    """(probabilities, whether right), both (answers,)."""
    if several:
        return p.ravel(), gold.ravel()
    best = p.argmax(-1)
    return p.max(-1), gold[np.arange(len(p)), best]


def told(p, gold, temperature, several):
    """The scores of probabilities that have this temperature: with it, and (`ece_uncalibrated`) without."""
    return {
        "ece": calibration_error(p, gold, several),
        "ece_uncalibrated": calibration_error(tempered(p, 1 / temperature, several), gold, several),
        "temperature": temperature,
    }
