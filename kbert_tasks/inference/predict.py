"""Predict examples in batches sorted by length, and return the results in the original order.

Scoring uses the same code.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from tqdm.auto import tqdm

from .._keras import is_on_cpu, tensorflow
from ..data.batches import by_length, collate
from ..errors import InputError
from ..memory import ran_out
from ..text.tokenizer import Encoded
from .engine import Arrays, Engine

if TYPE_CHECKING:
    from ..data.examples import Examples
    from ..tasks.base import Task
    from .keras_engine import KerasEngine

B = TypeVar("B")
R = TypeVar("R")

# Converts an example, its windows and the outputs of each window to candidates.
Decode: TypeAlias = Callable[[Any, Sequence[Encoded], Sequence[Arrays]], Any]

BATCH = 64  # number of texts in a batch; predictions do not depend on it
AT_ONCE = 2  # number of batches that a CPU computes at the same time
LIMIT = 64 * 128  # maximum number of tokens in a batch, including padding; limits the memory for long texts


class Answer(NamedTuple):
    """An example, the prediction of the task for it, and the return value of `Task.certainty`."""

    example: Any
    prediction: Any
    certainty: float | None


def answered(task: "Task[Any]", examples: "Examples") -> list[Answer | None]:
    """Returns for each row of a table the Answer of its example; None for a row that is not used."""
    encoded = [task.encode(example) for example in examples.rows]
    candidates = decoded(task, examples.rows, encoded)
    found: list[Answer | None] = [None] * examples.read
    for source, example, each in zip(examples.sources, examples.rows, candidates, strict=True):
        prediction = task.decide(example, each)
        for position in source:
            found[position] = Answer(example, prediction, task.certainty(example, each, prediction))
    return found


def decoded(
    task: "Task[Any]",
    examples: Sequence[Any],
    encoded: Sequence[Sequence[Encoded]],
    training: bool = False,
    decode: Decode | None = None,
) -> list[Any]:
    """Returns the result of `task.decode` for each example, before `task.decide`.

    Args:
        task: a task with a model.
        examples: list of examples.
        encoded: for each example a list of Encoded, one for each window.
        training: whether the model is being trained, so that its weights change after this call.
        decode: a function that is called instead of `task.decode`, with the same arguments.
    """
    decode = decode or task.decode
    found: list[Any] = [None] * len(examples)
    said: list[dict[int, Arrays]] = [{} for _ in examples]
    windows = [(i, part, window) for i, parts in enumerate(encoded) for part, window in enumerate(parts)]
    batches = list(_batches([len(window.ids) for *_, window in windows]))
    tokens = sum(len(batch) * max(len(windows[n][2].ids) for n in batch) for batch in batches)
    with _prepared(task, 0 if training else tokens):
        computed = _ahead(lambda batch: _outputs(task, [windows[n][2] for n in batch]), batches, _threads(task))
        bar = tqdm(batches, "predicting", unit="batch", disable=None, leave=False, delay=2)
        for batch, outputs in zip(bar, computed, strict=True):
            for (i, part, _), each in zip((windows[n] for n in batch), outputs, strict=True):
                said[i][part] = each
                if len(said[i]) == len(encoded[i]):
                    found[i] = decode(examples[i], encoded[i], [said[i][n] for n in range(len(said[i]))])
                    said[i] = {}
    return found


def _prepared(task: "Task[Any]", tokens: int) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if task.engine_ else by_keras(task).prepared(tokens)


def _threads(task: "Task[Any]") -> int:
    """Returns the number of batches to compute at the same time; an engine other than Keras computes on the CPU."""
    # A training on several devices predicts inside the scope of its strategy, which other threads do not inherit.
    one_cpu = task.engine_ or (is_on_cpu() and not tensorflow().distribute.has_strategy())
    return AT_ONCE if one_cpu else 1


def _ahead(run: Callable[[B], R], batches: Sequence[B], threads: int) -> Iterator[R]:
    """Yields run(batch) for each batch, in the same order.

    The next batches are computed meanwhile, because the operations of one batch do not keep all cores busy.
    """
    if len(batches) < 2 or threads < 2:
        yield from map(run, batches)
        return
    with ThreadPoolExecutor(threads, "predict") as pool:
        waiting: deque[Future[R]] = deque()
        for batch in batches:
            waiting.append(pool.submit(copy_context().run, run, batch))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _outputs(task: "Task[Any]", encoded: Sequence[Encoded]) -> list[Arrays]:
    """Returns the result of `task.run_model` for a batch; if memory runs out, the batch is split in half."""
    try:
        return task.run_model(encoded)
    except Exception as error:
        if not ran_out(error):
            raise
    if len(encoded) == 1:
        raise InputError(
            f"out of memory with one text of {len(encoded[0].ids)} tokens: free some memory, or train with a smaller --max-length"
        )
    half = len(encoded) // 2
    return [*_outputs(task, encoded[:half]), *_outputs(task, encoded[half:])]


def inputs(encoded: Sequence[Encoded]) -> Arrays:
    """Converts a list of Encoded to the inputs of the model: int32 arrays (batch, time)."""
    return collate([{"Input-Token": each.ids, "Input-Segment": each.segments} for each in encoded])


def unpadded(task: "Task[Any]", found: Mapping[str, np.ndarray], encoded: Sequence[Encoded]) -> list[Arrays]:
    """Splits the outputs of a batch into the outputs of each window, and removes the padding.

    Args:
        task: a task with a model.
        found: dict of output name to array with a batch axis.
        encoded: list of Encoded, the windows of the batch.

    Returns:
        A list with one dict of output name to array for each window. Axes that have no fixed size in the model are axes of
        tokens.
    """
    axes = run(task).token_axes
    return [
        {
            name: value[i][tuple(slice(len(window.ids) if token else None) for token in axes[name])]
            for name, value in found.items()
        }
        for i, window in enumerate(encoded)
    ]


def _batches(lengths: Sequence[int]) -> Iterator[np.ndarray]:
    for batch in by_length(lengths, BATCH) if lengths else ():
        size = max(1, LIMIT // lengths[batch[0]])
        yield from (batch[i : i + size] for i in range(0, len(batch), size))


def run(task: "Task[Any]") -> Engine:
    """Returns the engine of the task."""
    return task.engine_ or by_keras(task)


def by_keras(task: "Task[Any]") -> "KerasEngine":
    """Returns the same function as `run`, but always with Keras."""
    from .keras_engine import KerasEngine  # imports TensorFlow

    return task.once(KerasEngine)
