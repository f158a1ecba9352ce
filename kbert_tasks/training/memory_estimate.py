"""Estimate the peak memory of training.

The sizes are derived from the code of the encoder and checked against measurements (benchmarks/memory.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checkpoint import google_format
from ..encoder.attention import LONG, at_once
from ..inference.predict import AT_ONCE, BATCH, LIMIT
from ..memory import GIB

if TYPE_CHECKING:
    from ..tasks.base import Task
    from .defaults import ResolvedSettings
    from .inputs import Window

GRAPH = 0.2 * GIB  # memory for the traced step, its threads and oneDNN
KERAS_BERT = 2.7  # keras-bert's graph needs this many times the memory for each token
STORED = 5  # bytes that are stored for each attention probability of a text that is not long: float32, and a mask
PROBABILITY = 40  # bytes for each attention probability that is computed at once, with the arrays of its gradient


@dataclass(frozen=True)
class Demand:
    """Everything that determines how much memory training needs.

    Attributes:
        config: the parsed `bert_config.json`.
        first_only: whether the last layer computes only the first token.
        rows: number of trained rows of the embedding table.
        settings: the Settings of the task.
        computed_in: "float32", "bfloat16" or "float16".
        size: number of texts in the largest batch.
        length: number of tokens in the longest text.
        scores: number of scores that the head computes for the longest text.
        judged: whether the model predicts development texts after each epoch.
    """

    config: dict[str, Any]
    first_only: bool
    rows: int
    settings: "ResolvedSettings"
    computed_in: str
    size: int
    length: int
    scores: int
    judged: bool

    @classmethod
    def of(
        cls, task: "Task[Any]", windows: "Sequence[Window]", size: int, rows: int, computed_in: str, judged: bool
    ) -> "Demand":
        x, target = max(windows, key=lambda each: len(each[0]["Input-Token"]))
        _, y = task.sample_target(x, target, np.random.default_rng(0))
        length, scores = len(x["Input-Token"]), sum(map(np.size, y.values()))
        return cls(task.config, task.first_only, rows, task.settings, computed_in, size, length, scores, judged)

    def bytes(self, parts: int, length: int | None = None) -> float:
        """Returns the bytes at the peak, in addition to the memory that the process uses before it builds the model.

        Args:
            parts: number of micro-batches in a batch.
            length: number of tokens in the longest text, if it differs from `self.length`.
        """
        length = length or self.length
        # A batch of texts that are almost long can need more than a batch of long ones (`encoder/attention.py`).
        batch = max(self._step(parts, length), self._step(parts, min(length, LONG - 1)))
        return GRAPH + self._weights(parts) + max(batch, self._answers(length) * self.judged)

    def _weights(self, parts: int) -> float:
        """Returns the bytes of the weights, their gradients, Adam's two moments, and copies of the weights."""
        settings, frozen = self.settings, self.settings.freeze_layers
        still = tuple(f"bert/encoder/layer_{i}/" for i in range(frozen)) + ("bert/embeddings/",) * bool(frozen)
        shapes = google_format.variables(self.config | {"vocab_size": self.rows}, pooler=False)
        sizes = {name: math.prod(shape) for name, shape in shapes.items()}
        trained = sum(number for name, number in sizes.items() if not name.startswith(still))
        copies: float = 3 + (parts > 1) + bool(settings.fgm_epsilon) + bool(settings.ema_decay)
        copies += 0.5 * (self.computed_in != "float32")
        best = self.judged and (settings.epochs > 1 or bool(settings.ema_decay))
        table = self.config["vocab_size"] * self.config["hidden_size"]  # the whole table, needed after training
        return 4 * (sum(sizes.values()) * (1 + best) + table + trained * copies)

    def _step(self, parts: int, length: int) -> float:
        """Returns the bytes of the scores and of the values that a step keeps for each token until its gradient."""
        config, texts = self.config, math.ceil(self.size / parts)
        hidden, inner = config["hidden_size"], config["intermediate_size"]
        # Normalisation is always float32.
        token = 4 * (10 * hidden + inner) if self.computed_in == "float32" else 2 * (12 * hidden + inner)
        square = config["num_attention_heads"] * length**2  # number of attention probabilities of a text
        attention: float = 0
        if self.settings.encoder != "fast":
            token = KERAS_BERT * (token + 9 * square / length)
        elif length < LONG:
            token, attention = token + STORED * square / length, PROBABILITY * texts * square
        else:
            attention = PROBABILITY * min(texts * square, max(at_once(), square))
        layer = texts * length * token
        layers = max(1, config["num_hidden_layers"] - self.settings.freeze_layers)
        scores = self._scores(length) * (8 * self.size + 40 * texts)
        # The memory of the scores is free before the gradients of the first layer are computed.
        return layer * layers + max(scores, 0 if self.first_only else layer) + attention

    def _answers(self, length: int) -> float:
        """Returns the bytes of the prediction batches at the same time, each of which keeps only one layer in memory."""
        config, tokens = self.config, AT_ONCE * min(BATCH * length, LIMIT)
        token = 4 * (8 * config["hidden_size"] + 2 * config["intermediate_size"])
        token += 8 * config["num_attention_heads"] * length
        return tokens * token + self._scores(length) * 28 * tokens / length

    def _scores(self, length: int) -> float:
        return self.scores * (length / self.length) ** 2
