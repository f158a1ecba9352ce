"""Keras callbacks that a user passes to `fit`."""

import pytest
from tf_keras.callbacks import Callback, EarlyStopping

import kbert_tasks as kb
from kbert_tasks.training import backup

ROWS = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(24)]
SETTINGS = {"epochs": 4, "max_length": 16, "batch_size": 8, "precision": "float32", "patience": 0, "ema_decay": 0}


class Seen(Callback):
    def __init__(self, stop_after=None):
        super().__init__()
        self.logs, self.stop_after = [], stop_after

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))
        if epoch + 1 == self.stop_after:
            self.model.stop_training = True


def test_logs_contain_the_development_scores(checkpoint):
    recorder = Seen()
    task = kb.TextClassifier(checkpoint, **SETTINGS).fit(ROWS, dev=ROWS, callbacks=[recorder])
    history = task.report_["history"]
    assert [each["dev_accuracy"] for each in recorder.logs] == [each["dev"]["accuracy"] for each in history]
    assert [each["dev_loss"] for each in recorder.logs] == [each["dev_loss"] for each in history]
    assert all(each["loss"] > 0 for each in recorder.logs)


def test_stop_training_ends_the_training_and_is_saved(checkpoint, tmp_path):
    def fit(*callbacks):
        task = kb.TextClassifier(checkpoint, **SETTINGS)
        return task.fit(ROWS, dev=ROWS, resume_dir=tmp_path / "progress", callbacks=callbacks)

    first = fit(Seen(2))
    assert len(first.report_["history"]) == 2
    again = fit()  # the training is finished: no further step
    assert len(again.report_["history"]) == 2
    assert [p.probability for p in again.predict(["text 1"])] == [p.probability for p in first.predict(["text 1"])]


def test_stopping_in_a_resumed_epoch_ends_the_training(checkpoint, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    original = backup.Backup.on_train_batch_end

    def stop(self, batch, logs=None):
        original(self, batch, logs)
        if self.step == 4:  # in the second epoch of three steps
            self._save()
            raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(backup.Backup, "on_train_batch_end", stop)
        kb.TextClassifier(checkpoint, **SETTINGS).fit(ROWS, dev=ROWS, resume_dir=tmp_path / "progress")
    task = kb.TextClassifier(checkpoint, **SETTINGS)
    task.fit(ROWS, dev=ROWS, resume_dir=tmp_path / "progress", callbacks=[Seen(2)])
    assert len(task.report_["history"]) == 2


def test_keras_callbacks_work(checkpoint):
    stopping = EarlyStopping("dev_accuracy", mode="max", patience=1, baseline=2.0)  # never reached
    task = kb.TextClassifier(checkpoint, **SETTINGS).fit(ROWS, dev=ROWS, callbacks=stopping)
    assert len(task.report_["history"]) < 4


def test_objects_that_are_not_callbacks_are_rejected(checkpoint):
    with pytest.raises(
        kb.InputError, match=r"callbacks\[1\] should be a tf_keras.callbacks.Callback, found builtins.str"
    ):
        kb.TextClassifier(checkpoint, **SETTINGS).fit(ROWS, callbacks=[Seen(), "early"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, r"callbacks\[0\] is None: give"),
        (Seen, r"callbacks\[0\] is the class Seen: give an object, Seen\(\.\.\.\)"),
    ],
)
def test_callback_classes_and_none_are_rejected(checkpoint, given, message):
    with pytest.raises(kb.InputError, match=message):
        kb.TextClassifier(checkpoint, **SETTINGS).fit(ROWS, callbacks=given)


class StopsWithin(Callback):
    """Stops the training in the first step."""

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = True


def test_stopping_within_an_epoch_ends_the_training(checkpoint):
    task = kb.TextClassifier(checkpoint, **SETTINGS).fit(ROWS, dev=ROWS, callbacks=[StopsWithin()])
    assert len(task.report_["history"]) == 1


class ChangesWeights(Seen):
    """Changes the weights at the end of the training, like EarlyStopping with restore_best_weights."""

    def on_train_end(self, logs=None):
        self.model.set_weights([0 * each for each in self.model.get_weights()])


@pytest.mark.parametrize("epochs", [1, 4])
def test_weights_are_those_of_the_reported_epoch(checkpoint, epochs):
    task = kb.TextClassifier(checkpoint, **SETTINGS | {"epochs": epochs})
    task.fit(ROWS, dev=ROWS, callbacks=[ChangesWeights(1)])
    losses = [answer["loss"] for answer in task.evaluate(ROWS).answers]
    assert sum(losses) / len(losses) == pytest.approx(task.report_["history"][0]["dev_loss"], abs=1e-4)
