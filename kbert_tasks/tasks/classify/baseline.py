"""TF-IDF with logistic regression, fitted on the rows that a classifier trains on: the score that BERT should exceed.

The n-grams and C were chosen on development rows of five data sets (benchmarks/baseline.md).
"""

import re
import warnings

import numpy as np

from ...data.labels import marked
from ...metrics import classification

NAME = "TF-IDF with logistic regression"
FEATURES = 100_000  # n-grams of each kind, the most frequent ones
CHARACTERS = 4_000_000  # of all texts together; further rows are left out, so that fitting takes half a minute at most
WORK = 100_000_000  # the same for characters times labels: one model is fitted for each label
C = {"text": 3.0, "pair": 1.0}

UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # Chinese and Japanese: words without spaces between
SAMPLE = 1000  # texts that the kind of n-grams is decided by


class Baseline:
    """A fitted baseline for a text classifier.

    Args:
        task: a TextClassifier that has learned its labels.
        examples: the training examples.

    Attributes:
        about: for report.json: `name`, `rows` (used for fitting), `of` (training rows), `features`.
    """

    def __init__(self, task, examples):
        # Not the task: it would keep the model, and be copied along with the baseline.
        self.labels, self.several, self.pairs = task.labels_, task.multi_label_, task.pairs_
        used = _affordable(examples, len(self.labels))
        self.ngrams, found = _ngrams(_texts(used))
        x, y = _features(found, len(used)), self._targets(used)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a label that all of the rows have, or none; not converged
            self.classifier = self._classifier(y).fit(x, y)
        self.about = {"name": NAME, "rows": len(used), "of": len(examples), "features": x.shape[1]}

    def scores(self, examples):
        """The scores of other examples that are single numbers: a dict, with the names of the model's scores."""
        score = classification.multi_label if self.several else classification.classification
        return classification.Report(score(self._gold(examples), self.predict(examples), self.labels)).numbers()

    def predict(self, examples):
        """A list of labels, or of tuples of labels where a text may have several."""
        x = _features(self.ngrams.transform(_texts(examples)), len(examples))
        found = self.classifier.predict(x)
        if not self.several:
            return [str(label) for label in found]
        return [tuple(label for label, its in zip(self.labels, row, strict=False) if its) for row in found]

    def _gold(self, examples):
        gold = [example.label for example in examples]
        return [each if isinstance(each, tuple) else (each,) for each in gold] if self.several else gold

    def _targets(self, examples):
        gold = self._gold(examples)
        if not self.several:
            return gold
        # One column more than there are labels: scikit-learn takes a single column for two classes.
        return np.pad(marked(gold, self.labels), ((0, 0), (0, 1)))

    def _classifier(self, targets):
        from sklearn.dummy import DummyClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        if not self.several and len(set(targets)) == 1:
            return DummyClassifier()
        kind = "pair" if self.pairs else "text"
        # A model for each label scores the same as one for all labels, and is fitted in a tenth of the time.
        return OneVsRestClassifier(LogisticRegression(C=C[kind], solver="liblinear", max_iter=300))


def _texts(examples):
    """The texts of all examples; for pairs followed by all second texts."""
    return [e.text for e in examples] + [e.text_b for e in examples if e.text_b is not None]


def _features(found, number):
    """The TF-IDF of all texts as features of the examples; of pairs: what both texts have, what one has, and which one.

    Args:
        found: sparse (texts, n-grams), in the order of _texts.
        number: of examples.

    Returns:
        Sparse (examples, features).
    """
    import scipy.sparse

    first, second = found[:number], found[number:]
    if not second.shape[0]:
        return first
    shared, difference = first.multiply(second), first - second
    likeness = scipy.sparse.csr_matrix(shared.sum(1))
    return scipy.sparse.hstack([shared, abs(difference), difference, likeness], "csr")


def _affordable(examples, labels):
    """As many of the examples, drawn at random, as the limits allow."""
    lengths = np.array([len(example.text) + len(example.text_b or "") for example in examples])
    if lengths.sum() <= (most := min(CHARACTERS, WORK / labels)):
        return examples
    order = np.random.default_rng(0).permutation(len(examples))
    number = int(np.searchsorted(np.cumsum(lengths[order]), most, "right"))
    return [examples[i] for i in order[: max(1, number)]]


def _ngrams(texts):
    """(a fitted vectorizer, the texts' TF-IDF): of n-grams in two texts at least, or in one where texts share none."""
    try:
        made = _vectorizer(texts, 2)
        return made, made.fit_transform(texts)
    except ValueError:
        made = _vectorizer(texts, 1)
        return made, made.fit_transform(texts)


def _vectorizer(texts, least):
    """Characters for texts without spaces between words, otherwise words and the characters within them."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    common = {"min_df": least, "max_features": FEATURES, "sublinear_tf": True}
    if _unspaced(texts):
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), **common)
    return make_union(
        # Punctuation counts as words too, so that every text has one.
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", **common),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **common),
    )


def _unspaced(texts):
    """Whether at least a fifth of the letters belong to a script without spaces."""
    text = "".join(texts[:SAMPLE])
    return 5 * len(UNSPACED.findall(text)) >= sum(map(str.isalpha, text)) > 0
