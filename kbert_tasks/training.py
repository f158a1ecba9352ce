"""Training: from examples and a checkpoint to a task with a trained model. Keras trains."""

import collections
import contextlib
import importlib.metadata
import logging
import math
import platform
import time

import numpy as np

from . import narrow, precision, seen
from ._keras import keras2
from .batches import training_batches
from .checkpoint import Checkpoint, build_encoder, load_trained_model_from_checkpoint
from .errors import InputError
from .examples import Examples, Skip
from .ops import seeded

log = logging.getLogger("kbert_tasks")


def train(task, examples, dev=None):
    """Fine-tunes a new model for `task`, sets the task's attributes and its `report_`.

    Args:
        task: holds the checkpoint and the settings.
        examples: Examples.
        dev: rows, or (texts, labels), or Examples; without them a share of `examples` is held out.
    """
    settings, seconds = task.settings, {}
    if not examples.rows:
        raise InputError(f"there is nothing to train on: {examples.told()}")
    if task.checkpoint is None:
        raise InputError("a checkpoint is needed: a folder, a name that kbert-checkpoint list shows, or hf:OWNER/NAME")
    if dev is None:
        examples, dev = hold_out(task, examples)
    task.learn(examples.rows)
    dev = task.examples(*dev) if isinstance(dev, tuple) else task.examples(dev)
    if dev.read and not dev.rows:
        raise InputError(f"there are no usable development rows: {dev.told()}")
    with _timed(seconds, "load"):
        checkpoint = Checkpoint.find(task.checkpoint, settings.cased)
        if settings.max_length > checkpoint.config["max_position_embeddings"]:
            positions = checkpoint.config["max_position_embeddings"]
            raise InputError(
                f"max_length should be at most the checkpoint's {positions} positions, not {settings.max_length}"
            )
    log.info("checkpoint %s: %s (%s)", checkpoint.name, "cased" if checkpoint.cased else "uncased", checkpoint.casing)
    task.seen_ = np.unique(seen.fingerprints(examples.rows))
    seen.note(dev, task.seen_)
    if again := len(examples.rows) - len(task.seen_):
        examples.notes["the same text again"] = again
    task.tokenizer, task.config = task.new_tokenizer(checkpoint.vocabulary, checkpoint.cased), checkpoint.config
    with _timed(seconds, "tokenize"):
        windows = _encode(task, examples)
        encoded_dev = [task.encode(example) for example in dev.rows]
    dev.note(task, encoded_dev)

    keras = keras2()
    seeded(settings.seed)
    used = narrow.numbers([x["Input-Token"] for x, _ in windows] + [w.ids for parts in encoded_dev for w in parts])
    computed_in, why = precision.choose(settings.precision, settings.encoder)
    log.info("computing in %s: %s", computed_in, why)
    with _timed(seconds, "load"), precision.computing(computed_in):
        encoder = load_trained_model_from_checkpoint(
            checkpoint.config_file,
            checkpoint.checkpoint_file,
            encoder=settings.encoder,
            first_only=task.first_only,
        )
        encoder, table = narrow.narrow(encoder, used, lambda number: _encoder(task, vocab_size=number))
        task.model = task.build(encoder)
        _fill_pooler(task.model, checkpoint)
    log.info("%d of %d tokens stand in the texts: the others' vectors stay as they are", len(used), len(table))
    adam = keras.optimizers.legacy.Adam(settings.learning_rate)
    task.model.compile(optimizer=precision.scaled(adam, computed_in), loss=task.losses())
    windows = [(x | {"Input-Token": narrow.renumbered(x["Input-Token"], used)}, target) for x, target in windows]
    batches, steps = training_batches(windows, task.draw, settings.batch_size, settings.seed, settings.epochs)
    log.info("training on %d examples, %d steps an epoch", len(examples.rows), steps)
    dev_score = _fit(task, dev, narrow.encoded(encoded_dev, used), batches, steps)
    with precision.computing(computed_in):
        task.model = narrow.widen(task.model, table, used, task.build(_encoder(task)))
    seconds["train"] = sum(epoch["seconds"] for epoch in dev_score.history)
    seconds["evaluate"] = dev_score.seconds
    if dev_score.best_report:
        dev.notes.update(dev_score.best_report.examples.get("notes", {}))
    task.errors_ = dev_score.best_report.errors if dev_score.best_report else []
    task.report_ = {
        "task": type(task).__module__.rsplit(".", 1)[-1],
        "settings": settings.as_dict(),
        "versions": versions(),
        "precision": computed_in,
        "checkpoint": {"name": checkpoint.name, "cased": checkpoint.cased, "config": checkpoint.config},
        "scores": {"dev": dev_score.best_report.scores} if dev_score.best_report else {},
        "examples": {"train": examples.count(), "dev": dev.count()},
        "history": dev_score.history,
        "best_epoch": dev_score.best_epoch or len(dev_score.history),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    }


def _encoder(task, **changes):
    return build_encoder(task.config | changes, task.settings.encoder, first_only=task.first_only)


def _fit(task, dev, encoded_dev, batches, steps):
    from .callbacks import DevScore, Progress

    settings, callbacks = task.settings, keras2().callbacks
    dev_score = DevScore(task, dev.rows, encoded_dev)
    watching = [Progress(), dev_score, callbacks.TerminateOnNaN()]
    if settings.patience:
        if not dev.rows:
            raise InputError("patience needs development examples: give a development file, or a dev_share above 0")
        watching.append(callbacks.EarlyStopping("dev", patience=settings.patience, mode="max"))
    task.model.fit(batches, epochs=settings.epochs, steps_per_epoch=steps, callbacks=watching, verbose=0)
    if not math.isfinite(dev_score.history[-1]["loss"]):
        raise InputError(
            f"the loss is no longer a number: learning_rate {settings.learning_rate} is too high; try a tenth"
        )
    return dev_score


def _encode(task, examples):
    """[(x, target)] of all windows of the examples; an example without a target is moved to the skipped ones."""
    found, encoded, kept = [], [], []
    for i, example in enumerate(examples.rows):
        windows = task.encode(example)
        targets = [task.target(example, window) for window in windows]
        if isinstance(targets[0], Skip):
            examples.skipped[targets[0].reason] += 1
            continue
        found += [
            ({"Input-Token": w.ids, "Input-Segment": w.segments}, t) for w, t in zip(windows, targets, strict=True)
        ]
        encoded.append(windows)
        kept.append(i)
    examples.rows, examples.positions = ([part[i] for i in kept] for part in (examples.rows, examples.positions))
    examples.note(task, encoded)
    return found


def hold_out(task, examples):
    """(training, development) Examples: a share of each kind (`task.stratum`) goes to development."""
    share, rows = task.settings.dev_share, examples.rows
    # A text that stands in several examples is held out in all of them, or in none: one of them is drawn.
    one = list({example.text: i for i, example in reversed([*enumerate(rows)])}.values())[::-1]
    shuffled = [one[i] for i in np.random.default_rng(task.settings.seed).permutation(len(one))]
    by_kind = sorted(shuffled, key=lambda i: str(task.stratum(rows[i])))  # stable: shuffled within each kind
    # Every (1 / share)th, counted through all kinds, so that the share is right also where each kind is rare.
    held = [i for n, i in enumerate(by_kind) if math.floor((n + 1) * share) > math.floor(n * share)]
    texts = {rows[i].text for i in held}
    held = [i for i, example in enumerate(rows) if example.text in texts]
    kept = sorted(set(range(len(rows))) - set(held))
    told = f"{len(held)} of {len(rows)} training examples are held out (seed {task.settings.seed})"
    log.info("no development file: %s", told if held else "none is held out, the last epoch is kept")
    empty = collections.Counter()
    dev = Examples([rows[i] for i in held], [examples.positions[i] for i in held], len(held), empty, +empty)
    train = Examples(
        [rows[i] for i in kept], [examples.positions[i] for i in kept], examples.read - len(held),
        examples.skipped, examples.notes, examples.joined,
    )  # fmt: skip
    if held:
        dev.notes["held out of the training file"] = len(held)
    return train, dev


def _fill_pooler(model, checkpoint):
    from .layers import fill_pooler

    fill_pooler(model, checkpoint.pooler())


def versions():
    """Of the package and of what its numbers depend on."""
    names = ("kbert-tasks", "tensorflow", "tf_keras", "keras-bert", "tokenizers", "numpy")
    found = {"python": platform.python_version()}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


@contextlib.contextmanager
def _timed(seconds, name):
    began = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began
