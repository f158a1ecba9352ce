"""kbert_tasks: `TextClassifier.fit` for an epoch, the model that it trains for a step, `predict`."""

import tempfile

import numpy as np
from rounds import BASE, BATCH, LENGTH, STEP, Skip, examples, random_batch, rounds, serve, tenth

import kbert_tasks as kb
from kbert_tasks import callbacks, precision
from kbert_tasks._keras import keras2
from kbert_tasks.batches import training_batches
from kbert_tasks.checkpoint import build_encoder

keras = keras2()


class Rounds(keras.callbacks.Callback):
    """Each epoch is a round, but for the first, which is the warm-up."""

    def on_train_begin(self, logs=None):
        self.rounds = rounds()

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            next(self.rounds)

    def on_train_end(self, logs=None):
        next(self.rounds, None)


def epoch(job):
    callbacks.Progress = Rounds  # training as a user has it, with this in the place of the progress bar
    settings = {"epochs": job.rounds + 1, "batch_size": BATCH, "max_length": LENGTH, "dev_share": 0.0}
    kb.TextClassifier(job.checkpoint, **settings).fit(*examples(job))


def step(job):
    """The model as `kbert_tasks.training` makes it, but random, and with the whole table of tokens."""
    task = kb.TextClassifier()
    task.labels_, task.multi_label_ = ["0", "1"], False
    computed_in, _ = precision.choose(task.settings.precision)
    with precision.computing(computed_in):
        model = task.build(build_encoder(BASE, first_only=task.first_only))
    adam = keras.optimizers.legacy.Adam(task.settings.learning_rate)
    model.compile(precision.scaled(adam, computed_in), task.losses())
    tokens, labels = random_batch()
    rows = [
        ({"Input-Token": ids, "Input-Segment": np.zeros_like(ids)}, {"label": label})
        for ids, label in zip(tokens, labels, strict=True)
    ] * job.steps
    batches, steps = training_batches(rows, task.draw, STEP[0], 1, job.rounds + 1)
    model.fit(batches, epochs=job.rounds + 1, steps_per_epoch=steps, callbacks=[Rounds()], verbose=0)


def predict(job):
    texts, labels = examples(job)
    with tempfile.TemporaryDirectory() as folder:
        task = kb.TextClassifier(job.checkpoint, epochs=1, batch_size=BATCH, max_length=LENGTH, dev_share=0.0)
        task.fit(texts[:BATCH], labels[:BATCH]).save(folder)
        try:
            task = kb.load(folder, engine=job.variant)
        except kb.InputError as error:
            raise Skip(str(error)) from None
        task.predict(tenth(texts))
        for _ in rounds():
            task.predict(texts)


serve(["kbert-tasks", "tensorflow", "tf_keras", "tokenizers", "openvino"], epoch=epoch, step=step, predict=predict)
