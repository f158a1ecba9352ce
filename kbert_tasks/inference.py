"""From examples to predictions: sorted by length, in batches, order restored. Scoring goes through here too."""

import functools

import numpy as np
from tqdm.auto import tqdm

from ._keras import tensorflow
from .batches import by_length, collate

BATCH = 64  # texts at once; no answer depends on it
LIMIT = 64 * 128  # tokens at once, padding included: keeps memory even for long texts


def predictions(task, examples):
    """A list with the task's prediction for each example, in their order."""
    return decoded(task, examples, [task.encode(example) for example in examples])


def decoded(task, examples, encoded):
    """As `predictions`, where the examples are encoded already."""
    found = [None] * len(examples)
    batches = list(_batches([len(each.ids) for each in encoded]))
    for batch in tqdm(batches, "predicting", unit="batch", disable=None, leave=False, delay=2):
        outputs = _run(task.model)(inputs([encoded[i] for i in batch]))
        outputs = {name: value.numpy() for name, value in outputs.items()}
        for place, i in enumerate(batch):
            found[i] = task.decode(examples[i], encoded[i], {name: value[place] for name, value in outputs.items()})
    return found


def inputs(encoded):
    """A list of Encoded to the model's inputs: int32 arrays (batch, time)."""
    return collate([{"Input-Token": each.ids, "Input-Segment": each.segments} for each in encoded])


def _batches(lengths):
    for batch in by_length(lengths, BATCH):
        size = max(1, LIMIT // lengths[batch[0]])
        yield from (batch[i : i + size] for i in range(0, len(batch), size))


@functools.lru_cache(1)
def _run(model):
    tf = tensorflow()
    signature = {name: tf.TensorSpec((None, None), np.int32) for name in ("Input-Token", "Input-Segment")}
    return tf.function(lambda x: model(x, training=False), input_signature=[signature])
