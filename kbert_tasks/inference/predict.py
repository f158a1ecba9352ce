"""From examples to predictions: sorted by length, in batches, order restored. Scoring goes through here too."""

from tqdm.auto import tqdm

from .._keras import tensorflow
from ..data.batches import by_length, collate
from ..errors import InputError
from ..memory import ran_out

BATCH = 64  # texts at once; no answer depends on it
LIMIT = 64 * 128  # tokens at once, padding included: keeps memory even for long texts


def predictions(task, examples):
    """A list with the task's prediction for each example, in their order."""
    possible = decoded(task, examples, [task.encode(example) for example in examples])
    return [task.choose(*each) for each in zip(examples, possible, strict=True)]


def decoded(task, examples, encoded):
    """What the task holds possible (`decode`) for each example, whose windows are encoded already."""
    found, said = [None] * len(examples), [{} for _ in examples]
    windows = [(i, part, window) for i, parts in enumerate(encoded) for part, window in enumerate(parts)]
    batches = list(_batches([len(window.ids) for *_, window in windows]))
    for batch in tqdm(batches, "predicting", unit="batch", disable=None, leave=False, delay=2):
        outputs = _outputs(task, [windows[n][2] for n in batch])
        for (i, part, _), each in zip((windows[n] for n in batch), outputs, strict=True):
            said[i][part] = each
            if len(said[i]) == len(encoded[i]):
                found[i] = task.decode(examples[i], encoded[i], [said[i][n] for n in range(len(said[i]))])
                said[i] = None
    return found


def _outputs(task, encoded):
    """What the task's `outputs` says of a batch; where memory runs out, half by half."""
    try:
        return task.outputs(encoded)
    except Exception as error:
        if not ran_out(error):
            raise
    if len(encoded) == 1:
        raise InputError(
            f"out of memory with one text of {len(encoded[0].ids)} tokens: free some, or train with a smaller --max-length"
        )
    half = len(encoded) // 2
    return [*_outputs(task, encoded[:half]), *_outputs(task, encoded[half:])]


def inputs(encoded):
    """A list of Encoded to the model's inputs: int32 arrays (batch, time)."""
    return collate([{"Input-Token": each.ids, "Input-Segment": each.segments} for each in encoded])


def _batches(lengths):
    for batch in by_length(lengths, BATCH) if lengths else ():
        size = max(1, LIMIT // lengths[batch[0]])
        yield from (batch[i : i + size] for i in range(0, len(batch), size))


def run(task):
    """What reads the texts: a function from a batch's inputs to a dict of NumPy arrays, whatever the engine is."""
    return task.engine_ or by_keras(task)


def by_keras(task):
    """The same, by Keras."""
    read = task.once(graph)
    return lambda x: {name: value.numpy() for name, value in read(x).items()}


def graph(task):
    """What reads the texts as a tf.function, of a batch's inputs of any shape."""
    tf = tensorflow()
    part = task.reader(task.model)
    signature = {name: tf.TensorSpec((None, None), tf.int32, name) for name in ("Input-Token", "Input-Segment")}
    return tf.function(lambda x: part(x, training=False), input_signature=[signature])
