"""Which texts training holds out, and which epoch it keeps."""

from types import SimpleNamespace

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks._keras import keras2
from kbert_tasks.data.examples import Examples
from kbert_tasks.data.split import hold_out
from kbert_tasks.inference.predict import inputs
from kbert_tasks.metrics.classification import Report
from kbert_tasks.training.callbacks import DevScore

from .. import tiny


def test_repeated_text_is_held_out_in_all_its_examples():
    rows = [SimpleNamespace(text=f"text {i // 3}") for i in range(90)]
    examples = Examples(rows, [(i,) for i in range(90)])
    settings = SimpleNamespace(validation_split=0.1, seed=1)
    task = SimpleNamespace(settings=settings, split_key=lambda example: None, classes_of=lambda example: ())
    train, dev = hold_out(task, examples, task.settings.validation_split)
    assert len(train.rows) + len(dev.rows) == 90 == train.read + dev.read
    assert not {e.text for e in train.rows} & {e.text for e in dev.rows}
    assert dev.sources == sorted(dev.sources) and dev.rows == [rows[i] for (i,) in dev.sources]


@pytest.mark.parametrize(
    "scores, losses, best",
    [
        ([0.2, 0.5, 0.5, 0.4], [4, 3, 2, 1], 2),  # the first of equal scores
        ([0.0, 0.0, 0.0], [4, 2, 3], 2),  # if all scores are 0, the lowest loss
        ([0.0, 0.1, 0.0], [4, 3, 2], 2),
    ],
)
def test_best_epoch_is_kept(monkeypatch, scores, losses, best):
    reports = iter([Report({"f1": score}) for score in scores])
    task = SimpleNamespace(
        MAIN_SCORE="f1", LEARNED=("threshold_",), threshold_=None, tune=lambda *_: None, score_candidates=lambda *_: next(reports),
        settings=SimpleNamespace(epochs=len(scores), patience=None),
    )  # fmt: skip
    monkeypatch.setattr("kbert_tasks.training.callbacks.decoded", lambda *_, **__: [])
    callback, weights = DevScore(task, ["an example"], []), []
    callback.model = SimpleNamespace(
        get_weights=lambda: task.threshold_, set_weights=weights.append, stop_training=False
    )
    for epoch, loss in enumerate(losses):
        task.threshold_ = epoch + 1  # the threshold tuned in that epoch
        callback.on_epoch_end(epoch, {"loss": loss, "seconds": 1.0})
    callback.finish()
    assert callback.best_epoch == best and callback.best_report["f1"] == max(scores)
    assert weights == [best] and task.threshold_ == best


@pytest.mark.parametrize(
    "scores, epochs, patience, expected_epochs",
    [
        ([0.0, 0.0, 0.0], 3, None, [1]),
        ([0.0], 1, None, []),
        ([0.1, 0.0, 0.0], 3, None, [2]),
        ([0.1, 0.1, 0.0], 3, None, []),  # in the last epoch
        ([0.1, 0.0], 9, 1, []),  # in the epoch in which patience ends the training
    ],
)
def test_f1_of_0_is_explained_once_and_not_in_the_last_epoch(
    monkeypatch, caplog, scores, epochs, patience, expected_epochs
):
    reports = iter([Report({"f1": score}) for score in scores])
    settings = SimpleNamespace(epochs=epochs, patience=patience)
    task = SimpleNamespace(MAIN_SCORE="f1", LEARNED=(), tune=lambda *_: None, score_candidates=lambda *_: next(reports))
    task.settings = settings
    monkeypatch.setattr("kbert_tasks.training.callbacks.decoded", lambda *_, **__: [])
    monkeypatch.setattr("kbert_tasks.training.callbacks.distribution.as_chief", lambda _, value: value)
    callback = DevScore(task, ["an example"], [])
    callback.model, epochs_with_message = SimpleNamespace(get_weights=list, stop_training=False), []
    for epoch in range(len(scores)):
        caplog.clear()
        with caplog.at_level("INFO", "kbert_tasks"):
            callback.on_epoch_end(epoch, {"loss": 1.0, "seconds": 1.0})
        epochs_with_message += [epoch + 1] if "an F1 of 0 is usual" in caplog.text else []
    assert epochs_with_message == expected_epochs


class FixedHead(kb.TextClassifier):
    """A classifier whose head always starts with the same weights."""

    def build(self, encoder):
        model = super().build(encoder)
        model.get_layer("label").set_weights([np.linspace(-1, 1, 32).reshape(16, 2), np.zeros(2)])
        return model


def test_losses_and_weights_equal_those_of_keras_adam(tmp_path):
    """Compares the defaults with Keras's Adam, keras-bert's graph and training of all embeddings."""
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    folder = tiny.checkpoint(tmp_path / "uncased", num_hidden_layers=1, **off)
    rows = [{"text": text, "label": label} for text, label in (("the room was clean", 1), ("bad food", 0), ("差", 0))]
    settings = {
        "epochs": 5,
        "batch_size": 3,
        "learning_rate": 1e-2,
        "schedule": "constant",
        "warmup_ratio": 0.0,
        "ema_decay": 0.0,
        "dropout": 0.0,
        "max_length": 16,
        "validation_split": 0.0,
    }
    task = FixedHead(folder, **settings).fit(rows)
    model = task.build(kb.load_trained_model_from_checkpoint(f"{folder}/bert_config.json", f"{folder}/bert_model.ckpt"))
    model.compile(keras2().optimizers.Adam(1e-2), task.loss())
    examples = task.examples(rows).rows
    labels = {"label": np.array([task.labels_.index(e.label) for e in examples])}
    x = inputs([task.encode(e)[0] for e in examples])
    losses = [model.train_on_batch(x, labels) for _ in range(5)]
    np.testing.assert_allclose([epoch["loss"] for epoch in task.report_["history"]], losses, rtol=1e-4)
    for one, other in zip(task.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)


def test_last_row_of_a_label_stays_in_training():
    rows = [SimpleNamespace(text=f"t{i}", label="A") for i in range(19)] + [SimpleNamespace(text="t0", label="C")]
    for seed in range(20):
        settings = SimpleNamespace(validation_split=0.3, seed=seed)
        task = SimpleNamespace(
            settings=settings, split_key=lambda example: None, classes_of=lambda example: [example.label]
        )
        train, _ = hold_out(task, Examples(rows, [(i,) for i in range(20)]), 0.3)
        assert "C" in {each.label for each in train.rows}


def test_second_training_does_not_depend_on_the_first(checkpoint):
    rows = [{"text": "乙公司被查", "event_type": "查", "subject": "乙公司"}] * 8
    task = kb.SubjectExtractor(checkpoint, epochs=1, max_length=16, validation_split=0.0).fit(rows, dev=rows)
    task.threshold_ = 0.31
    examples = task.examples(rows)
    assert task.fit(examples).threshold_ == 0.5
    first = task.evaluate(examples).examples
    assert task.evaluate(examples).examples == first and not examples.notes


def test_alternating_tasks_are_traced_once(hotel, monkeypatch):
    from kbert_tasks.inference import keras_engine

    tasks = [kb.load(hotel[1]) for _ in range(2)]
    traced, original = [], keras_engine._traced

    def counted(model):
        traced.append(model)
        return original(model)

    monkeypatch.setattr(keras_engine, "_traced", counted)
    for _ in range(3):
        for task in tasks:
            task.predict(["好"])
    assert traced == [task.model for task in tasks]
