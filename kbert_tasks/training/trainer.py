"""Train a model from a checkpoint and examples, with the training loop of Keras."""

import contextlib
import dataclasses
import functools
import importlib.metadata
import logging
import platform
import time
from hashlib import sha256
from pathlib import Path

import numpy as np

from .._keras import computes_here, is_tpu, tensorflow
from ..checkpoint.find import find_checkpoint
from ..data import overlap
from ..data.batches import training_batches
from ..data.examples import Skip
from ..data.split import hold_out
from ..encoder import precision
from ..encoder.loading import build_encoder, load_trained_model_from_checkpoint
from ..encoder.ops import seeded
from ..errors import InputError
from ..metrics.advice import advice
from ..settings import AUTO
from . import compiling, defaults, distribution, embedding_subset, optimizers, plan

log = logging.getLogger("kbert_tasks")


@distribution.telling
def train(task, examples, dev=None, backup=None):
    """Fine-tunes a new model for `task` and sets the attributes of the task, including `report_`.

    Args:
        task: a task with its checkpoint and settings.
        examples: the training Examples.
        dev: development data as rows, (texts, labels) or Examples; if None, a share of `examples` is held out.
        backup: folder for the progress, or None.
    """
    computes_here()
    requested, seconds = task.settings, {}
    if not examples.rows:
        raise InputError(f"there is nothing to train on: {examples.told()}")
    resolved = {}
    if dev is None:
        resolved["validation_split"] = defaults.held_out_share(requested, len(examples.rows))
        examples, dev = hold_out(task, examples, resolved["validation_split"].value)
    task.learn(examples.rows)
    dev = task.examples(*dev) if isinstance(dev, tuple) else task.examples(dev)
    if dev.read and not dev.rows:
        raise InputError(f"there are no usable development rows: {dev.told()}")
    if requested.patience not in (AUTO, 0) and not dev.rows:
        raise InputError("patience needs development examples: give a development file, or a validation_split above 0")
    strategy = distribution.strategy(requested.device)
    if requested.ema_decay not in (AUTO, 0) and is_tpu(strategy):
        raise InputError("ema_decay reads all weights after each step, which is slow on a TPU: leave it out")
    with _timed(seconds, "load"):
        checkpoint = _checkpoint(task)
    task.seen_ = np.unique(overlap.fingerprints(task, examples.rows))
    overlap.note(task, dev, task.seen_)
    if again := len(examples.rows) - len(task.seen_):
        examples.notes["duplicate text"] = again
    task.tokenizer, task.config = task.new_tokenizer(checkpoint.vocabulary, checkpoint.cased), checkpoint.config
    # Computed before _encode skips texts without a target, because the workers compare the rows that they received.
    rows = {"train": _sum_of(examples), "dev": _sum_of(dev)}
    with _timed(seconds, "tokenize"):
        windows, lengths = _encode(task, examples)
        encoded_dev = [task.encode(example) for example in dev.rows]
    dev.note(task, encoded_dev)
    settings, found = defaults.resolve(
        requested, task.recipe, task.config["hidden_size"], len(windows), bool(dev.rows), is_tpu(strategy)
    )
    computed_in, why = precision.choose(settings.precision, settings.encoder)
    log.info("computing in %s: %s", computed_in, why)
    tokens = [len(x["Input-Token"]) for x, _ in windows]
    found["compile"] = compiling.chosen(settings, task.config, computed_in, task.first_only, strategy, tokens)
    settings = dataclasses.replace(settings, compile=found["compile"].value)
    task.settings, resolved = settings, resolved | found | task.derived()
    ignored = (*plan.SAME, "tensorboard", "save_minutes", "validation_split", "baseline")
    decisive = {name: value for name, value in settings.as_dict().items() if name not in ignored}
    identity = {"settings": decisive, "checkpoint": _sum_of_files(checkpoint), "rows": rows, "precision": computed_in}
    distribution.agreed(strategy, identity)

    used = embedding_subset.numbers(
        [x["Input-Token"] for x, _ in windows] + [w.ids for parts in encoded_dev for w in parts]
    )
    copies = strategy.num_replicas_in_sync
    made = plan.planned(task, examples, dev, windows, lengths, len(used), computed_in, copies, backup, resolved)
    compared = _baseline(task, examples, dev, seconds)
    windows = [
        (x | {"Input-Token": embedding_subset.renumbered(x["Input-Token"], used)}, target) for x, target in windows
    ]
    encoded_dev = embedding_subset.encoded(encoded_dev, used)

    def attempt(parts):
        with strategy.scope():
            seeded(settings.seed)
        with _timed(seconds, "load"), precision.computing(computed_in):
            table = _build(task, checkpoint, used, strategy)
        log.info(
            "training %d of %d token embeddings: the other tokens do not occur in the texts", len(used), len(table)
        )
        return table, _fit(task, windows, dev.rows, encoded_dev, backup, identity, computed_in, strategy, parts)

    table, dev_score = plan.carried_out(made, attempt, settings.auto_micro_batches, backup)
    with precision.computing(computed_in):
        task.model = embedding_subset.widen(task.model, table, used, task.build(_encoder(task)))
    seconds["train"] = sum(epoch["seconds"] for epoch in dev_score.history)
    seconds["evaluate"] = dev_score.seconds
    for note in task.tuning_notes():
        log.info(note)
    best = dev_score.best_report
    if best:
        dev.notes.update(best.examples.get("notes", {}))
        dev.locate(best)
    task.settings = requested
    task.errors_, task.answers_ = (best.errors, best.answers) if best else ([], [])
    task.report_ = {
        "task": task.name,
        "settings": requested.as_dict(),
        "resolved": {name: dataclasses.asdict(each) for name, each in resolved.items()},
        "versions": versions(),
        "precision": computed_in,
        "plan": made,
        "lengths": {"train": np.quantile(lengths, np.linspace(0, 1, 201), method="nearest").tolist()},
        "checkpoint": {"name": checkpoint.name, "cased": checkpoint.cased, "config": checkpoint.config},
        "scores": {"dev": best.scores} if best else {},
        "examples": {"train": examples.count(), "dev": dev.count()},
        "history": dev_score.history,
        "best_epoch": dev_score.best_epoch or len(dev_score.history),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    } | compared
    task.report_["advice"] = advice(task.report_)


def _checkpoint(task):
    if task.checkpoint is None:
        raise InputError(
            "a checkpoint is required: a folder, a name that kbert-checkpoint list shows, or hf:OWNER/NAME"
        )
    checkpoint, settings = find_checkpoint(task.checkpoint, task.settings.cased), task.settings
    for name, wanted, entry in (
        ("max_length", "positions", "max_position_embeddings"), ("freeze_layers", "layers", "num_hidden_layers")
    ):  # fmt: skip
        if getattr(settings, name) > checkpoint.config[entry]:
            has = checkpoint.config[entry]
            raise InputError(f"{name} should be at most the checkpoint's {has} {wanted}, not {getattr(settings, name)}")
    log.info("checkpoint %s: %s (%s)", checkpoint.name, "cased" if checkpoint.cased else "uncased", checkpoint.casing)
    return checkpoint


def _sum_of_files(checkpoint):
    """Returns a hash of the config and of the index file, which contains a checksum of each array."""
    files = checkpoint.config_file, f"{checkpoint.checkpoint_file}.index"
    return sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()


def _sum_of(examples):
    return sha256("\n".join(map(repr, examples.rows)).encode(errors="replace")).hexdigest()


def _encode(task, examples):
    """Encodes the examples and skips those without a target.

    Returns:
        ([(x, target)] for all windows, number of tokens of each text before truncation).
    """
    found, encoded, skipped = [], [], {}
    for i, example in enumerate(examples.rows):
        windows = task.encode(example)
        targets = [task.target(example, window) for window in windows]
        if isinstance(targets[0], Skip):
            skipped[i] = targets[0].reason
            continue
        found += [
            ({"Input-Token": w.ids, "Input-Segment": w.segments}, t) for w, t in zip(windows, targets, strict=True)
        ]
        encoded.append(windows)
    examples.skip(skipped)
    examples.note(task, encoded)
    task.check_targets(examples, [target for _, target in found])
    return found, [parts[0].whole for parts in encoded]


def _baseline(task, examples, dev, seconds):
    """Sets `baseline_` of the task and returns its entry in the report, or an empty dict if there is no baseline."""
    began = time.perf_counter()
    task.baseline_ = task.baseline(examples.rows)
    if task.baseline_ is None:
        return {}
    about, scores = task.baseline_.about, {"dev": task.baseline_.scores(dev.rows)} if dev.rows else {}
    seconds["baseline"] = time.perf_counter() - began
    shown = "".join(f", dev {name} {value:.4f}" for name, value in scores.get("dev", {}).items())
    log.info("baseline: %s%s, %.1f s", about["name"], shown, seconds["baseline"])
    return {"baseline": about | {"scores": scores}}


def _build(task, checkpoint, used, strategy):
    """Sets the model of the task with only the used embedding rows; returns the whole table (vocabulary, hidden)."""
    from ..encoder.layers import fill_pooler

    settings = task.settings
    encoder = load_trained_model_from_checkpoint(
        checkpoint.config_file, checkpoint.checkpoint_file, encoder=settings.encoder, first_only=task.first_only
    )
    with strategy.scope():
        encoder, table = embedding_subset.narrow(encoder, used, lambda number: _encoder(task, vocab_size=number))
        for layer in encoder.layers:
            number = optimizers.numbered(layer.name)
            layer.trainable = number is None or not settings.freeze_layers or number > settings.freeze_layers
            if hasattr(layer, "compiled"):
                layer.compiled = settings.compile == "on"
        task.model = task.build(encoder)
        fill_pooler(task.model, checkpoint.pooler())
    return table


def _encoder(task, **changes):
    return build_encoder(task.config | changes, task.settings.encoder, first_only=task.first_only)


def _fit(task, windows, dev, encoded_dev, backup, identity, computed_in, strategy, parts):
    """Trains the model of the task with Keras and returns the DevScore.

    If there is saved progress of a run with the same `identity`, training resumes from it.
    """
    from .callbacks import Backup, DevScore, Losses, ProgressBar
    from .ema import Average
    from .step import Stepped
    from .tensorboard import TensorBoard

    settings = task.settings
    batches = functools.partial(
        training_batches, windows, task.draw, settings.batch_size, settings.seed, settings.epochs
    )
    _, steps = batches()
    with strategy.scope():
        model = Stepped(task.model, parts, settings.fgm_epsilon)
        optimizer = optimizers.chosen(settings, steps * settings.epochs, [layer.name for layer in model.layers])
        optimizer = optimizers.begun(precision.scaled(optimizer, computed_in), model.trainable_weights)
        model.compile(optimizer, task.losses())
    predicting = _beside(task, model, computed_in, strategy)
    average = Average(model.trainable_weights, settings.ema_decay) if settings.ema_decay else None
    losses, dev_score = Losses(settings.learning_rate), DevScore(task, dev, encoded_dev, average)
    kept = Backup(backup, identity, model, average, losses, dev_score)
    events = TensorBoard(settings.tensorboard, identity, dev_score, resumed=kept.step > 0)
    distribution.agreed(strategy, {"progress": kept.step})
    log.info("training on %d texts or windows of texts, %d steps per epoch", len(windows), steps)
    # If a run was interrupted within an epoch, the first iteration completes that epoch.
    for _ in range(2):
        epoch, done = divmod(kept.step, steps)
        if epoch < settings.epochs and not dev_score.stops:
            rest = functools.partial(batches, kept.step)
            dataset = distribution.dealt(strategy, rest, settings.batch_size, parts, settings.max_length)
            watching = [
                *[average] * bool(average),
                losses,
                *predicting,
                dev_score,
                events,
                kept,
                ProgressBar(steps, done),
            ]
            until = epoch + 1 if done else settings.epochs
            with _without_advice():
                model.fit(
                    dataset,
                    initial_epoch=epoch,
                    epochs=until,
                    steps_per_epoch=steps - done,
                    callbacks=watching,
                    verbose=0,
                )
    dev_score.finish()
    for each in predicting:
        each.copy()
    return dev_score


def _beside(task, model, computed_in, strategy):
    """On a TPU, gives the task a second model for prediction and returns [the callback that copies the weights].

    The model on a TPU accepts only one input shape. On other devices the function returns an empty list.
    """
    from .callbacks import Copied

    if not is_tpu(strategy):
        return []
    with precision.computing(computed_in):
        task.model = task.build(
            _encoder(task, vocab_size=model.get_layer(embedding_subset.TABLE).get_weights()[0].shape[0])
        )
    return [Copied(model, task.model)]


@contextlib.contextmanager
def _without_advice():
    """Hides warnings inside the block that a user can do nothing about.

    Keras warns if callbacks take longer than a step, which is normal for a tiny model. TensorFlow warns about retracing
    after a few trainings in one process, because each training traces its step.
    """
    logger = tensorflow().get_logger()

    def other(record):
        message = record.getMessage()
        return "is slow compared to the batch time" not in message and "triggered tf.function retracing" not in message

    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)


def versions():
    """Returns the versions of this package, of Python and of the libraries that affect the results."""
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
