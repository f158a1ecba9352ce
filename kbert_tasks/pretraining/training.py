"""Pretrains a checkpoint in Google's format on a corpus, and saves the progress every `save_every` steps.

An interrupted run resumes from its last save and gives the same losses and accuracies and, on a CPU, identical weights.
"""

import dataclasses
import gc
import json
import logging
import math
import re
import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from .._keras import computes_here, keras2, tensorflow
from ..checkpoint.checkpoint import Checkpoint
from ..encoder import precision
from ..encoder.ops import seeded
from ..errors import InputError
from ..lock import locked
from ..training import compiling
from ..training.defaults import Resolved
from ..training.optimizers import AdamW, warmup_schedule, with_slots
from ..training.resume import Progress
from ..training.versions import versions
from . import losses, model, stream, writing
from .corpus import Corpus
from .settings import TrainingSettings
from .start import fits, starting

if TYPE_CHECKING:
    import tensorflow as tf

    from .._keras import Model

log = logging.getLogger("kbert_tasks")
SAMPLE = 100  # batches whose sizes decide whether to compile: two pools of `order`
RATES = "hidden_dropout_prob", "attention_probs_dropout_prob"
Callback: Any = keras2().callbacks.Callback


def train(
    corpus: Corpus,
    output: str | PathLike[str],
    config: str | PathLike[str] | None = None,
    checkpoint: str | PathLike[str] | Checkpoint | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Trains BERT on masked words and next sentences, and writes a checkpoint in Google's format.

    If a run is interrupted, the same call resumes from the last save.

    Args:
        corpus: a `Corpus`.
        output: folder of the checkpoint; see `writing.LAYOUT` for its files.
        config: tiny, mini, small, medium, base, or the path of a `bert_config.json`, to start from random weights.
        checkpoint: checkpoint to continue from, as accepted by `find_checkpoint`. Its vocabulary must be that of the corpus,
            except for [unused] slots, which can be replaced by new tokens.
        **settings: fields of `TrainingSettings`.

    Returns:
        The contents of `pretraining.json`, plus `history`, the rows of `log.csv`.

    Raises:
        InputError: the arguments do not match, the folder cannot be written, another process is writing it, or the loss or
            a weight is NaN or infinite.
    """
    computes_here()
    gc.collect()  # free the models of earlier trainings, which are reference cycles
    values = TrainingSettings.of(settings)
    with locked(output):
        return _train(corpus, writing.writable(output), config, checkpoint, values)


def _train(
    corpus: Corpus,
    output: Path,
    start: str | PathLike[str] | None,
    checkpoint: str | PathLike[str] | Checkpoint | None,
    settings: TrainingSettings,
) -> dict[str, Any]:
    if settings.whole_word_mask and not corpus.whole_word_mask:
        raise InputError(
            f"{corpus.folder} was prepared without whole words, but whole_word_mask needs them: prepare the text again with "
            "--whole-word-mask"
        )
    if corpus.whole_word_mask and not settings.whole_word_mask:
        log.info("%s contains whole words, but they are masked only with --whole-word-mask", corpus.folder)
    schedule = warmup_schedule(settings.learning_rate, settings.warmup, settings.steps)
    config, weights, began = starting(corpus, start, checkpoint, settings.seed)
    fits(settings, config)
    held_out = None
    if corpus.shards("held-out"):
        held_out = _batches(corpus, "held-out", settings).take(settings.held_out_batches).cache()
    computed_in, why = precision.choose(settings.precision)
    log.info("computing in %s: %s", computed_in, why)
    seeded(settings.seed)
    with precision.computing(computed_in):
        network = model.build(config if settings.dropout is None else config | dict.fromkeys(RATES, settings.dropout))
    model.fill(network, config, weights)
    compiles = _compiles(corpus, settings, config, computed_in)
    log.info("compile = %s (%s)", compiles.value, compiles.reason)
    compiling.set_compiled(network, compiles.value)
    adam = AdamW(schedule, settings.weight_decay, global_clipnorm=settings.global_clipnorm)
    adam = with_slots(precision.scaled(adam, computed_in), network.trainable_weights)
    network.compile(adam, losses.losses(), losses.metrics())

    about = {
        "settings": settings.as_dict() | {"warmup_steps": settings.warmup, "compile": compiles.value},
        "precision": computed_in,
        "config": config,
        "start": began | {"sha256": _sum(weights[name].tobytes() for name in sorted(weights))},
        "corpus": _summary(corpus.manifest),
    }
    generator = tensorflow().random.get_global_generator()  # used by dropout
    advice = f"delete {output} to start over, or choose a new folder"
    progress = Progress(
        output / writing.PROGRESS, output / writing.WRITING, about, advice,
        model=network, optimizer=adam, generator=generator,
    )  # fmt: skip
    resolved = {"compile": dataclasses.asdict(compiles)}  # the reason is no part of what identifies the run
    saves = Saves(progress, corpus, held_out, about | {"resolved": resolved})
    saves.restore()
    _fit(network, corpus, settings, saves)
    return saves.finish()


def _compiles(corpus: Corpus, settings: TrainingSettings, config: dict[str, Any], computed_in: str) -> Resolved:
    """Returns the setting `compile` as "on" or "off", as a Resolved; it is the same when the run resumes."""

    def rows() -> list[int]:
        number = min(SAMPLE, settings.steps)
        return stream.sizes(corpus, settings.max_length, settings.batch_size, settings.seed, number)

    strategy = tensorflow().distribute.get_strategy()
    return compiling.decide(settings.compile, config, computed_in, strategy, rows, settings.steps)


def _batches(corpus: Corpus, part: str, settings: TrainingSettings, first_step: int = 0) -> "tf.data.Dataset":
    return stream.dataset(
        corpus, part, settings.max_length, settings.batch_size, settings.seed, first_step, settings.whole_word_mask
    )


def _fit(network: "Model", corpus: Corpus, settings: TrainingSettings, saves: "Saves") -> None:
    """Trains in epochs of `save_every` steps, and then the remaining steps."""
    every = settings.save_every
    for count, size in (((settings.steps - saves.step) // every, every), (1, settings.steps % every)):
        if count and size and saves.step < settings.steps:
            # Use one endless dataset for all epochs; Keras continues to read it in the next epoch.
            batches = _batches(corpus, "train", settings, saves.step)
            network.fit(
                batches,
                epochs=count,
                steps_per_epoch=size,
                validation_data=saves.held_out,
                callbacks=[saves],
                verbose=0,
            )


class Saves(Callback):
    """Logs the training, and saves the progress and the checkpoint at the end of each Keras epoch.

    Attributes:
        history: list of dicts, the rows of `log.csv`.
        step: number of steps at the last save.
        seconds: duration of the training without saves and evaluations.
    """

    def __init__(
        self, progress: Progress, corpus: Corpus, held_out: "tf.data.Dataset | None", about: dict[str, Any]
    ) -> None:
        super().__init__()
        self.progress, self.corpus, self.held_out, self.about = progress, corpus, held_out, about
        self.network = progress.parts.model
        self.history: list[dict[str, float]] = []
        self.step, self.seconds = 0, 0.0

    def restore(self) -> None:
        """Resumes from the last save; if there is none, evaluates the initial weights for the first row of the log."""
        if found := self.progress.read():
            state, _ = found
            self.history, self.step, self.seconds = state["history"], state["step"], state["seconds"]
            log.info("resuming after step %d, from %s", self.step, self.progress.folder)
            return
        scores = self.network.evaluate(self.held_out, return_dict=True, verbose=0) if self.held_out else {}
        self._log(scores, "held_out_")

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        settings = self.about["settings"]
        self._bar = tqdm(total=settings["steps"], initial=self.step, unit="step", disable=None, leave=False)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        self._ended = time.perf_counter()
        if not math.isfinite(logs["loss"]):
            raise self._diverged(f"the loss of step {self.step + batch + 1} is not finite")
        self._bar.update()
        if batch % 10 == 0:
            self._bar.set_postfix(loss=f"{logs['loss']:.4f}", refresh=False)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        spent = self._ended - self._began
        before = self.history[-1]["tokens"]
        self.step += self.params["steps"]
        # The last update comes after the last loss, so check the weights too.
        if not all(np.isfinite(array).all() for array in self.network.get_weights()):
            raise self._diverged(f"the weights after step {self.step} are not finite")
        self.seconds += spent
        logs = {re.sub("^val_", "held_out_", name): value for name, value in logs.items()}
        self._log(logs, "", tokens_per_second=round((int(self.network.tokens) - before) / spent))
        self.progress.write({"step": self.step, "history": self.history, "seconds": self.seconds})
        self._write()

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self._bar.close()

    def _diverged(self, what: str) -> InputError:
        rate = self.about["settings"]["learning_rate"]
        return InputError(f"{what}: learning_rate {rate} is too high; use a tenth of it, in a new folder")

    def _log(self, logs: Mapping[str, float], prefix: str, **more: float) -> None:
        row: dict[str, float] = {
            "step": self.step,
            "tokens": int(self.network.tokens),
            "seconds": round(self.seconds, 3),
        }
        row |= {f"{prefix}{name}".lower(): float(value) for name, value in logs.items()}
        self.history.append(row | more)
        shown = (
            ("loss", "loss {:.4f}"), ("held_out_mlm_loss", "held-out masked words: loss {:.4f}"),
            ("held_out_mlm_accuracy", "accuracy {:.4f}"), ("held_out_nsp_accuracy", "next sentence: accuracy {:.4f}"),
            ("tokens_per_second", "{:,} tokens/s"),
        )  # fmt: skip
        message = ", ".join(words.format(self.history[-1][name]) for name, words in shown if name in self.history[-1])
        log.info("step %d of %d: %s", self.step, self.about["settings"]["steps"], message)

    def _write(self) -> None:
        tokens, trained = int(self.network.tokens), round(self.seconds, 3)
        self.report = self.about | {
            "versions": versions(),
            "step": self.step,
            "tokens": tokens,
            "seconds": trained,
            "tokens_per_second": round(tokens / trained) if trained else None,
        }
        config = self.about["config"]
        tensors = model.tensors(self.network, config)
        writing.write(self.progress.folder.parent, config, self.corpus.vocabulary, tensors, self.history, self.report)

    def finish(self) -> dict[str, Any]:
        """Writes the checkpoint again, in case the last save was interrupted, and deletes the saved progress."""
        self._write()
        self.progress.delete()
        return self.report | {"history": self.history}


def _summary(manifest: dict[str, Any]) -> dict[str, Any]:
    """Returns the manifest without its lists of shards, with the SHA-256 of the whole manifest."""
    parts = {
        part: {name: value for name, value in counts.items() if name != "shards"}
        for part, counts in manifest.get("parts", {}).items()
    }
    return manifest | {"parts": parts, "sha256": _sum([json.dumps(manifest, sort_keys=True).encode()])}


def _sum(parts: Iterable[bytes]) -> str:
    made = sha256()
    for part in parts:
        made.update(part)
    return made.hexdigest()
