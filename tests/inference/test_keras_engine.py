"""Prediction with constants: the same answers, only for many texts, and never with weights that have changed."""

import copy
import pickle

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import tasks
from kbert_tasks.inference import keras_engine, predict
from kbert_tasks.samples import path

TEXTS = ["好", "早餐很好", "房间太坏了", "the food is good", "?" * 40]
QUICK = {"epochs": 1, "max_length": 32, "learning_rate": 5e-3, "ema_decay": 0.0, "head_lr_multiplier": 1.0}


@pytest.fixture
def task(hotel):
    return kb.load(hotel[1])


@pytest.fixture
def eager(monkeypatch):
    """Makes constants pay from the first batch."""
    monkeypatch.setattr(keras_engine, "ENOUGH", 1)


def outputs(task, texts=TEXTS):
    """The outputs of the model for all texts, one array."""
    encoded = [window for text in texts for window in task.encode(task.examples([text], gold=False).rows[0])]
    return {name: value for name, value in predict.by_keras(task)(predict.inputs(encoded)).items()}


@pytest.mark.parametrize(("precision", "difference"), [("float32", 1e-5), ("bfloat16", 1e-2)])
@pytest.mark.parametrize("name", ["classify", "relation", "subject"])
def test_constants_give_the_same_outputs(name, precision, difference, checkpoint, eager):
    rows = kb.read(path(name, "zh", "train")).head(40)
    task = tasks.find(name)(checkpoint, precision=precision, **QUICK).fit(rows)
    texts = rows.text.unique()[:20]
    engine = predict.by_keras(task)
    if name == "classify":
        before = outputs(task, texts)
        engine.prepare(1)
        after = outputs(task, texts)
        spread = max(np.abs(value.astype("float32")).max() for value in before.values())
        assert max(np.abs(before[key] - after[key]).max() for key in before) <= difference * max(1, spread)
    before = task.evaluate(rows).numbers()
    assert predict.by_keras(task).constant is not None
    assert task.evaluate(rows).numbers() == before


def test_few_texts_are_read_with_variables(task):
    task.predict(TEXTS)
    assert predict.by_keras(task).constant is None
    task.predict(TEXTS * (keras_engine.ENOUGH * predict.BATCH // len(TEXTS) + 1))
    assert predict.by_keras(task).constant is not None


def test_changed_weights_count_at_once(task, eager):
    before = task.predict(TEXTS)
    model = task.model
    model.set_weights([each * 1.5 for each in model.get_weights()])
    changed = [each.probability for each in task.predict(TEXTS)]
    fresh = copy.deepcopy(task).predict(TEXTS)
    assert np.allclose(changed, [each.probability for each in fresh], atol=1e-5)
    assert not np.allclose(changed, [each.probability for each in before], atol=1e-5)


def test_fewer_texts_after_a_change_are_read_with_variables(task, monkeypatch):
    monkeypatch.setattr(keras_engine, "ENOUGH", 2)
    engine = predict.by_keras(task)
    engine.prepare(2)
    assert engine.constant is not None
    engine.prepare(1)
    assert engine.constant is not None
    task.model.set_weights([each + 1 for each in task.model.get_weights()])
    engine.prepare(1)
    assert engine.constant is None


def test_the_model_keeps_its_variables(task, eager, tmp_path):
    names = [each.name for each in task.model.trainable_weights]
    weights = task.model.get_weights()
    task.predict(TEXTS)
    assert [each.name for each in task.model.trainable_weights] == names
    task.save(tmp_path / "run")
    for one, other, again in zip(
        weights, task.model.get_weights(), kb.load(tmp_path / "run").model.get_weights(), strict=True
    ):
        assert np.array_equal(one, other) and np.array_equal(one, again)
    assert pickle.loads(pickle.dumps(task)).predict(TEXTS) == task.predict(TEXTS)


def test_a_model_that_fails_while_it_is_traced_keeps_its_variables(task, monkeypatch):
    engine = predict.by_keras(task)

    def fails(model):
        raise MemoryError

    monkeypatch.setattr(keras_engine, "_traced", fails)
    with pytest.raises(MemoryError):
        engine.prepare(keras_engine.ENOUGH)
    monkeypatch.undo()
    assert engine.constant is None and len(task.predict(TEXTS)) == len(TEXTS)


def test_large_models_are_read_with_variables(task, monkeypatch):
    monkeypatch.setattr(keras_engine, "LIMIT", 1000)
    engine = predict.by_keras(task)
    engine.prepare(100)
    assert engine.constant is None


def test_training_scores_its_own_weights(checkpoint, eager):
    rows = kb.read(path("classify", "zh", "train")).head(40)
    task = tasks.find("classify")(checkpoint, **QUICK | {"epochs": 3})
    task.fit(rows, dev=rows)
    best = task.report_["history"][task.report_["best_epoch"] - 1]["dev"]["accuracy"]
    assert task.evaluate(rows).numbers()["accuracy"] == pytest.approx(best, abs=0.026)
