"""kbert_tasks: an epoch of `TextClassifier.fit`, a step of the model that it trains, `predict`, and a pretraining step."""

import itertools
import tempfile
import time

import numpy as np
from rounds import BATCH, LENGTH, USED, Skip, base, examples, prepared, random_batch, rounds, serve, tenth

import kbert_tasks as kb
from kbert_tasks._keras import keras2
from kbert_tasks.data.batches import training_batches
from kbert_tasks.encoder import precision
from kbert_tasks.encoder.loading import build_encoder
from kbert_tasks.training import callbacks, compiling
from kbert_tasks.training.step import Stepped

# Fixed values for the automatic settings: the same as in `fixed.py`, which this folder cannot import.
FIXED = {
    "learning_rate": 5e-5, "head_lr_multiplier": 1.0, "schedule": "constant", "warmup_ratio": 0.0, "ema_decay": 0.0,
    "fgm_epsilon": 0.0, "patience": 0, "pooling": "cls",
}  # fmt: skip

keras = keras2()


class Rounds(keras.callbacks.Callback):
    """Makes each epoch a round, except the first one, which is the warm-up."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            self.began = time.perf_counter()
        elif epoch == 1:
            self.rounds = rounds(first=time.perf_counter() - self.began)
        if epoch:
            next(self.rounds)

    def on_train_end(self, logs=None):
        next(self.rounds, None)


def epoch(job):
    # The training is the same as for users, except that Rounds replaces the progress bar.
    callbacks.ProgressBar = lambda *of_a_bar: Rounds()
    settings = FIXED | {"epochs": job.rounds + 1, "batch_size": BATCH, "max_length": LENGTH, "validation_split": 0.0}
    kb.TextClassifier(job.checkpoint, **settings).fit(*examples(job))


def step(job):
    """Trains the same model as `kbert_tasks.training.run`, with random weights and only the used rows of the embedding table.

    The layers are compiled if the precision is bfloat16, as in a training of a few hundred steps.
    """
    task = kb.TextClassifier(**FIXED)
    task.labels_, task.multi_label_, task.config = ["0", "1"], False, base(job)
    computed_in, _ = precision.choose(task.settings.precision)
    with precision.computing(computed_in):
        model = Stepped(task.build(build_encoder(task.config | {"vocab_size": USED}, first_only=task.first_only)))
    compiling.set_compiled(model, "on" if computed_in == "bfloat16" else "off")
    adam = keras.optimizers.legacy.Adam(task.settings.learning_rate)
    model.compile(precision.scaled(adam, computed_in), task.loss())
    tokens, labels = random_batch(job)
    rows = [
        ({"Input-Token": ids, "Input-Segment": np.zeros_like(ids)}, {"label": label})
        for ids, label in zip(tokens, labels, strict=True)
    ] * job.steps
    batches, steps = training_batches(rows, task.sample_target, job.shape[0], 1, job.rounds + 1)
    model.fit(batches, epochs=job.rounds + 1, steps_per_epoch=steps, callbacks=[Rounds()], verbose=0)


def predict(job):
    texts, labels = examples(job)
    with tempfile.TemporaryDirectory() as folder:
        task = kb.TextClassifier(
            job.checkpoint, epochs=1, batch_size=BATCH, max_length=LENGTH, validation_split=0.0, **FIXED
        )
        task.fit(texts[:BATCH], labels[:BATCH]).save(folder)
        try:
            task = kb.load(folder, engine=job.variant)
        except kb.InputError as error:
            raise Skip(str(error)) from None
        task.predict(tenth(texts))
        for _ in rounds():
            task.predict(texts)


def pretrain(job):
    """Trains with the model, losses and optimizer of `kbert_tasks.pretraining.training` on batches made in advance."""
    import tensorflow as tf

    from kbert_tasks.pretraining import losses, model
    from kbert_tasks.pretraining.settings import TrainingSettings
    from kbert_tasks.training.optimizers import AdamW, warmup_schedule

    settings = TrainingSettings(steps=job.steps * (job.rounds + 1))
    config, made = prepared(job)
    computed_in, _ = precision.choose(settings.precision)
    with precision.computing(computed_in):
        network = model.build(config)
    model.fill(network, config, model.drawn(config, settings.seed))
    schedule = warmup_schedule(settings.learning_rate, settings.warmup, settings.steps)
    adam = AdamW(schedule, settings.weight_decay, global_clipnorm=settings.global_clipnorm)
    network.compile(precision.scaled(adam, computed_in), losses.losses(), losses.metrics())
    signature = tuple({name: tf.TensorSpec((None, None), tf.int32) for name in part} for part in made[0])
    batches = tf.data.Dataset.from_generator(lambda: itertools.cycle(made), output_signature=signature).prefetch(4)
    network.fit(batches, epochs=job.rounds + 1, steps_per_epoch=job.steps, callbacks=[Rounds()], verbose=0)


serve(
    ["kbert-tasks", "tensorflow", "tf_keras", "tokenizers", "openvino"],
    epoch=epoch,
    step=step,
    predict=predict,
    pretrain=pretrain,
)
