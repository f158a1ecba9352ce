"""Tasks with random weights, which need no training."""

import numpy as np

from kbert_tasks.checkpoint.checkpoint import Checkpoint
from kbert_tasks.saving.model import arrays_of, built, fill


def untrained(kind, checkpoint, learned, **settings):
    """A task of the class `kind` with the given LEARNED attributes."""
    task = kind(checkpoint, **{"max_length": 32} | settings)
    opened = Checkpoint.open(checkpoint)
    task.config, task.tokenizer = opened.config, task.new_tokenizer(opened.vocabulary, cased=False)
    for name, value in learned.items():
        setattr(task, name, value)
    task.answers_, task.seen_ = [], np.zeros(0, np.uint64)
    task.model = built(task)
    draw = np.random.default_rng(0)
    arrays = arrays_of(task.model)
    # Vectors keep their initial values, so that layer normalisation does not make scores too large. Those of matrices are
    # not used, because Keras draws them, and so they depend on the tests before.
    changed = {
        name: each * (each.ndim == 1) + 0.3 * draw.standard_normal(each.shape).astype("float32")
        for name, each in arrays.items()
    }
    task.model = fill(task.model, changed)
    return task
