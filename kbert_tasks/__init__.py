"""Fine-tune Google's BERT checkpoints to classify texts and to find entities, relations and subjects in them; pretrain one's own.

TensorFlow is imported when it is needed, not here.
"""

import importlib
import logging
import os
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {
    "TextClassifier": "tasks.classify.task",
    "RelationExtractor": "tasks.relation.task",
    "SubjectExtractor": "tasks.subject.task",
    "EntityRecognizer": "tasks.entity.task",
    "Checkpoint": "checkpoint.checkpoint",
    "find_checkpoint": "checkpoint.find",
    "load_trained_model_from_checkpoint": "encoder.loading",
    "fill_mask": "pretraining.fill",
    "fit_seeds": "training.repeated",
    "fit_folds": "training.repeated",
    "fit_learning_curve": "training.learning_curve",
    "search": "searching.best",
    "explain": "explanation.explain",
    "compare": "comparison.compare",
    "export": "exporting.export",
    "audit": "auditing.audit",
    "push_to_hub": "exporting.push",
    "Tokenizer": "text.tokenizer",
    "strategy": "training.distribution",
    "InputError": "errors",
    "Report": "metrics.classification",
    "load": "tasks.loading",
    "annotate": "tasks.annotate",
    "report": "reporting.writing",
    "read": "data.tables",
    "write": "data.annotations.formats",
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


if TYPE_CHECKING:  # the same names for type checkers and editors, which then know that there are no others
    from .auditing.audit import audit as audit
    from .checkpoint.checkpoint import Checkpoint as Checkpoint
    from .checkpoint.find import find_checkpoint as find_checkpoint
    from .comparison.compare import compare as compare
    from .data.annotations.formats import write as write
    from .data.tables import read as read
    from .encoder.loading import load_trained_model_from_checkpoint as load_trained_model_from_checkpoint
    from .errors import InputError as InputError
    from .explanation.explain import explain as explain
    from .exporting.export import export as export
    from .exporting.push import push_to_hub as push_to_hub
    from .metrics.classification import Report as Report
    from .pretraining.fill import fill_mask as fill_mask
    from .reporting.writing import report as report
    from .searching.best import search as search
    from .tasks.annotate import annotate as annotate
    from .tasks.classify.task import TextClassifier as TextClassifier
    from .tasks.entity.task import EntityRecognizer as EntityRecognizer
    from .tasks.loading import load as load
    from .tasks.relation.task import RelationExtractor as RelationExtractor
    from .tasks.subject.task import SubjectExtractor as SubjectExtractor
    from .text.tokenizer import Tokenizer as Tokenizer
    from .training.distribution import strategy as strategy
    from .training.learning_curve import fit_learning_curve as fit_learning_curve
    from .training.repeated import fit_folds as fit_folds
    from .training.repeated import fit_seeds as fit_seeds
else:

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
