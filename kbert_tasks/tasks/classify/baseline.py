"""Baseline for text classification: TF-IDF with logistic regression, fitted on the training rows of the classifier.

The n-gram ranges and C were chosen on development rows of five data sets (benchmarks/baseline.md).
"""

import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.labels import marked
from ...metrics import classification
from ..contract import known
from .types import Example

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.dummy import DummyClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import FeatureUnion

    from .task import TextClassifier

NAME = "TF-IDF with logistic regression"
FEATURES = 100_000  # maximum number of n-grams for each vectorizer; the most frequent ones are used
CHARACTERS = 4_000_000  # maximum total length of the texts used for fitting, so that it takes at most half a minute
WORK = 100_000_000  # the same limit for characters times labels, because one model is fitted for each label
C = {"text": 3.0, "pair": 1.0}

UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # Chinese and Japanese: no spaces between words
SAMPLE = 1000  # number of texts that are examined to choose the type of n-grams


class Baseline:
    """A fitted baseline for a text classifier.

    Args:
        task: a TextClassifier on which `prepare` has been called.
        examples: list of training examples.

    Attributes:
        about: dict for report.json: `name`, `rows` (number used for fitting), `of` (number of training rows), `features`.
    """

    def __init__(self, task: "TextClassifier", examples: Sequence[Example]) -> None:
        # Do not keep a reference to the task: it holds the model and would be copied with the baseline.
        self.labels, self.several, self.pairs = task.labels_, bool(task.multi_label_), task.pairs_
        used = _affordable(examples, len(self.labels))
        self.ngrams, found = _ngrams(_texts(used))
        x, y = _features(found, len(used)), self._targets(used)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a label that all or no rows have; no convergence
            self.classifier = self._classifier(y).fit(x, y)
        self.about: dict[str, Any] = {"name": NAME, "rows": len(used), "of": len(examples), "features": x.shape[1]}

    def scores(self, examples: Sequence[Example]) -> dict[str, int | float]:
        """Scores the baseline on other examples.

        Returns:
            A dict of score name to number, with the same names as the scores of the model.
        """
        if self.several:
            score: Callable[..., dict[str, Any]] = classification.multi_label
        else:
            score = classification.classification
        return classification.Report(score(self._gold(examples), self.predict(examples), self.labels)).numbers()

    def predict(self, examples: Sequence[Example]) -> list[str] | list[tuple[str, ...]]:
        """Returns a list of labels, or for multi-label tasks a list of tuples of labels."""
        x = _features(self.ngrams.transform(_texts(examples)), len(examples))
        found = self.classifier.predict(x)
        if not self.several:
            return [str(label) for label in found]
        return [tuple(label for label, its in zip(self.labels, row, strict=False) if its) for row in found]

    def probabilities(self, examples: Sequence[Example]) -> np.ndarray:
        """Returns an array (examples, labels) of the probability of each label, in the order of the labels of the task."""
        p = self.classifier.predict_proba(_features(self.ngrams.transform(_texts(examples)), len(examples)))
        if self.several:
            return np.asarray(p)[:, : len(self.labels)]  # without the empty column
        place = {str(label): i for i, label in enumerate(self.classifier.classes_)}
        # A label that occurs only in the development texts has the probability 0.
        fitted = [i for i, label in enumerate(self.labels) if label in place]
        found = np.zeros((len(examples), len(self.labels)))
        found[:, fitted] = p[:, [place[self.labels[i]] for i in fitted]]
        return found

    def _gold(self, examples: Sequence[Example]) -> Sequence[Sequence[str]]:  # labels, or tuples of labels
        if self.several:
            return [example.labels for example in examples]
        return [known(example.label) for example in examples]

    def _targets(self, examples: Sequence[Example]) -> Sequence[Sequence[str]] | np.ndarray:
        if not self.several:
            return self._gold(examples)
        # Add an empty column, because scikit-learn treats a single column as a binary problem.
        return np.pad(marked([example.labels for example in examples], self.labels), ((0, 0), (0, 1)))

    def _classifier(self, targets: Sequence[Sequence[str]] | np.ndarray) -> "DummyClassifier | OneVsRestClassifier":
        from sklearn.dummy import DummyClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        if not self.several and len(set(targets)) == 1:
            return DummyClassifier()
        kind = "pair" if self.pairs else "text"
        # One model for each label scores the same as a multinomial model and takes a tenth of the time to fit.
        return OneVsRestClassifier(LogisticRegression(C=C[kind], solver="liblinear", max_iter=300))


def _texts(examples: Sequence[Example]) -> list[str]:
    """Returns the texts of all examples, followed by all second texts for pairs."""
    return [e.text for e in examples] + [e.text_b for e in examples if e.text_b is not None]


def _features(found: "csr_matrix", number: int) -> "csr_matrix":
    """Converts the TF-IDF of texts to features of examples.

    The features of a pair are the product of the two vectors, their difference, its absolute value, and the dot product.

    Args:
        found: sparse (texts, n-grams), in the order of _texts.
        number: number of examples.

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


def _affordable(examples: Sequence[Example], labels: int) -> Sequence[Example]:
    """Returns the examples, or a random sample of them if they exceed the limits CHARACTERS and WORK."""
    lengths = np.array([len(example.text) + len(example.text_b or "") for example in examples])
    if lengths.sum() <= (most := min(CHARACTERS, WORK / labels)):
        return examples
    order = np.random.default_rng(0).permutation(len(examples))
    number = int(np.searchsorted(np.cumsum(lengths[order]), most, "right"))
    return [examples[i] for i in order[: max(1, number)]]


def _ngrams(texts: list[str]) -> "tuple[TfidfVectorizer | FeatureUnion, csr_matrix]":
    """Returns (fitted vectorizer, TF-IDF of the texts).

    The n-grams occur in at least two texts; if no n-gram does, all n-grams are used.
    """
    try:
        made = _vectorizer(texts, 2)
        return made, made.fit_transform(texts)
    except ValueError:
        made = _vectorizer(texts, 1)
        return made, made.fit_transform(texts)


def _vectorizer(texts: list[str], least: int) -> "TfidfVectorizer | FeatureUnion":
    """Returns a vectorizer of character n-grams for scripts without spaces, otherwise of words and their characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    common = {"min_df": least, "max_features": FEATURES, "sublinear_tf": True}
    if _unspaced(texts):
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), **common)
    return make_union(
        # Punctuation marks are words too, so that every text has at least one word.
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", **common),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **common),
    )


def _unspaced(texts: list[str]) -> bool:
    """Returns whether at least a fifth of the letters belong to a script without spaces."""
    text = "".join(texts[:SAMPLE])
    return 5 * len(UNSPACED.findall(text)) >= sum(map(str.isalpha, text)) > 0
