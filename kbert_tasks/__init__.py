"""Fine-tune Google's BERT checkpoints to classify texts and to find relations and subjects in them; pretrain one's own.

TensorFlow is imported when it is needed, not here.
"""

import importlib
import logging
import os

__version__ = "0.1.0"

_HOME = {
    "TextClassifier": "tasks.classify",
    "RelationExtractor": "tasks.relation",
    "SubjectExtractor": "tasks.subject",
    "Checkpoint": "checkpoint",
    "load_trained_model_from_checkpoint": "checkpoint",
    "fill_mask": "pretraining.fill",
    "fit_seeds": "several",
    "fit_folds": "several",
    "explain": "explaining.explain",
    "Tokenizer": "tokenizer",
    "InputError": "errors",
    "Report": "metrics",
    "load": "saving",
    "read": "data",
}
__all__ = [*_HOME]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # in time, also where TensorFlow is imported after this package

# The library says what it does (weights that train, scores of each epoch), unless the program logs by itself.
_log = logging.getLogger(__name__)
if not _log.handlers:
    _log.setLevel(logging.INFO)
    _log.addHandler(logging.StreamHandler())
    _log.handlers[0].setFormatter(logging.Formatter("%(message)s"))
    _log.handlers[0].addFilter(lambda record: not logging.getLogger().handlers)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *_HOME])
