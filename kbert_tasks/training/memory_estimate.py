"""How much memory a training takes at its peak: counted in the encoder's code, and measured (benchmarks/memory.md)."""

import math
from dataclasses import dataclass

import numpy as np

from ..checkpoint import google_format
from ..inference.predict import BATCH, LIMIT
from ..memory import GIB
from ..settings import Settings

GRAPH = 0.2 * GIB  # what tracing a step, its threads and oneDNN add
KERAS_BERT = 2.7  # times as much for each token in keras-bert's graph


@dataclass(frozen=True)
class Demand:
    """What the memory of a training depends on.

    Attributes:
        config: the parsed `bert_config.json`.
        first_only: whether the last layer computes the first token alone.
        rows: of the embedding table, that are trained.
        settings: of the task.
        computed_in: float32, bfloat16 or float16.
        size: texts in the largest batch.
        length: tokens of the longest.
        scores: that the head gives to the longest.
        judged: whether development texts are answered after each epoch.
    """

    config: dict
    first_only: bool
    rows: int
    settings: Settings
    computed_in: str
    size: int
    length: int
    scores: int
    judged: bool

    @classmethod
    def of(cls, task, windows, size, rows, computed_in, judged):
        x, target = max(windows, key=lambda each: len(each[0]["Input-Token"]))
        _, y = task.draw(x, target, np.random.default_rng(0))
        length, scores = len(x["Input-Token"]), sum(map(np.size, y.values()))
        return cls(task.config, task.first_only, rows, task.settings, computed_in, size, length, scores, judged)

    def bytes(self, parts, length=None):
        """What comes, at the peak, to what the process holds before it has the model.

        Args:
            parts: that a batch is computed in.
            length: tokens of the longest text, where they are to be others.
        """
        length = length or self.length
        batch = self._step(parts, length)
        return GRAPH + self._weights(parts) + max(batch, self._answers(length) * self.judged)

    def _weights(self, parts):
        """Of all that is as large as the weights: they, their gradients, Adam's two moments, and copies."""
        settings, frozen = self.settings, self.settings.freeze_layers
        still = tuple(f"bert/encoder/layer_{i}/" for i in range(frozen)) + ("bert/embeddings/",) * bool(frozen)
        shapes = google_format.variables(self.config | {"vocab_size": self.rows}, pooler=False)
        sizes = {name: math.prod(shape) for name, shape in shapes.items()}
        trained = sum(number for name, number in sizes.items() if not name.startswith(still))
        copies = 3 + (parts > 1) + bool(settings.fgm_epsilon) + bool(settings.ema_decay)
        copies += 0.5 * (self.computed_in != "float32")
        best = self.judged and (settings.epochs > 1 or bool(settings.ema_decay))
        table = self.config["vocab_size"] * self.config["hidden_size"]  # the whole one, for the end
        return 4 * (sum(sizes.values()) * (1 + best) + table + trained * copies)

    def _step(self, parts, length):
        """Of what a step keeps of each token until its gradient is computed, and of the scores."""
        config, texts = self.config, math.ceil(self.size / parts)
        hidden, inner = config["hidden_size"], config["intermediate_size"]
        # Normalisation and the probabilities of attention are float32 in any case; of those three copies are kept: before
        # and after dropout, and what was dropped.
        wide = 4 * (10 * hidden + inner) if self.computed_in == "float32" else 2 * (12 * hidden + inner)
        token = wide + 9 * config["num_attention_heads"] * length
        if self.settings.encoder != "fast":
            token *= KERAS_BERT
        layer = texts * length * token
        layers = max(1, config["num_hidden_layers"] - self.settings.freeze_layers)
        scores = self._scores(length) * (8 * self.size + 40 * texts)
        # The scores are done with before the first layer's gradients are computed.
        return layer * layers + max(scores, 0 if self.first_only else layer)

    def _answers(self, length):
        """Of a batch of prediction, which keeps one layer at a time."""
        config, tokens = self.config, min(BATCH * length, LIMIT)
        token = 4 * (8 * config["hidden_size"] + 2 * config["intermediate_size"])
        token += 8 * config["num_attention_heads"] * length
        return tokens * token + self._scores(length) * 28 * tokens / length

    def _scores(self, length):
        return self.scores * (length / self.length) ** 2
