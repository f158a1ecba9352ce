"""Prediction with constants: the same answers, only for many texts, and never with weights that have changed."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import tasks
from kbert_tasks.inference import keras_engine, predict
from kbert_tasks.memory import Available
from kbert_tasks.samples import path

TEXTS = ["好", "早餐很好", "房间太坏了", "the food is good", "?" * 40]
QUICK = {"epochs": 1, "max_length": 32, "learning_rate": 5e-3, "ema_decay": 0.0, "head_lr_multiplier": 1.0}


@pytest.fixture
def task(hotel):
    return kb.load(hotel[1])


@pytest.fixture
def eager(monkeypatch):
    """Makes constants pay from the first token."""
    monkeypatch.setattr(keras_engine, "ENOUGH", 1)


def outputs(task, texts=TEXTS):
    """The outputs of the model for all texts, a dict of arrays."""
    encoded = [window for text in texts for window in task.encode(task.examples([text], gold=False).rows[0])]
    return predict.by_keras(task)(predict.inputs(encoded))


def probabilities(predictions):
    """The probability of 好 for each prediction."""
    return np.array([p.probability if p.label == "好" else 1 - p.probability for p in predictions])


@pytest.mark.parametrize(("precision", "difference"), [("float32", 1e-5), ("bfloat16", 1e-2)])
@pytest.mark.parametrize("name", tasks.names())
def test_constants_give_the_same_outputs(name, precision, difference, checkpoint, monkeypatch):
    rows = kb.read(path(name, "zh", "train")).head(40)
    task = tasks.find(name)(checkpoint, precision=precision, **QUICK).fit(rows)
    engine = predict.by_keras(task)
    encoded = [window for example in task.examples(rows).rows for window in task.encode(example)]
    before, scores = engine(predict.inputs(encoded)), task.evaluate(rows).numbers()
    assert engine.constant is None
    monkeypatch.setattr(keras_engine, "ENOUGH", 1)
    with engine.prepared(1):
        after = engine(predict.inputs(encoded))
    assert engine.constant is not None
    for key, value in before.items():
        spread = max(1, np.abs(value.astype("float32")).max())
        assert np.abs(value.astype("float32") - after[key].astype("float32")).max() <= difference * spread
    if precision == "float32":
        assert task.evaluate(rows).numbers() == pytest.approx(scores, abs=1e-3)


def test_few_texts_are_read_with_variables(task, monkeypatch):
    monkeypatch.setattr(keras_engine, "ENOUGH", 1000)
    task.predict(TEXTS)
    assert predict.by_keras(task).constant is None
    task.predict(TEXTS * 20)
    assert predict.by_keras(task).constant is not None


@pytest.mark.parametrize(
    ("precision", "processor", "tokens"),
    [
        ("bfloat16", "AMX", keras_engine.ENOUGH_AMX),
        ("float32", "AMX", keras_engine.ENOUGH),
        ("bfloat16", "", keras_engine.ENOUGH),
    ],
)
def test_constants_pay_earlier_with_amx(checkpoint, precision, processor, tokens, monkeypatch):
    task = kb.TextClassifier(checkpoint, precision=precision, **QUICK).fit(["好", "坏"] * 4, ["a", "b"] * 4)
    monkeypatch.setattr(keras_engine, "fast_bfloat16", lambda: processor)
    engine = predict.by_keras(task)
    for number, made in ((tokens - 1, False), (tokens, True)):
        with engine.prepared(number):
            assert (engine.constant is not None) == made


CHANGES = {  # layer to a change of one of its weights
    "all": lambda value: value * 1.5,
    "a late row": lambda value: value * np.where(np.arange(len(value)) == 9, 20, 1)[:, None],
    "one element": lambda value: value + 9 * (np.arange(value.size) == value.size - 3).reshape(value.shape),
    "the order of rows": lambda value: np.concatenate([value[:4], value[:3:-1]]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_weights_count_at_once(name, task, eager):
    before = probabilities(task.predict(TEXTS))
    weight = task.model.get_layer("Encoder-1-FeedForward").W1
    weight.assign(CHANGES[name](weight.numpy()))
    changed = probabilities(task.predict(TEXTS))
    assert np.allclose(changed, probabilities(copy.deepcopy(task).predict(TEXTS)), atol=1e-5)
    assert not np.allclose(changed, before, atol=1e-5)


def test_constants_are_kept_while_only_the_head_changes(task, eager):
    before = probabilities(task.predict(TEXTS))
    constant = predict.by_keras(task).constant
    task.model.layers[-1].set_weights([each * 3 for each in task.model.layers[-1].get_weights()])
    changed = probabilities(task.predict(TEXTS))
    assert predict.by_keras(task).constant is constant
    assert np.allclose(changed, probabilities(copy.deepcopy(task).predict(TEXTS)), atol=1e-5)
    assert not np.allclose(changed, before, atol=1e-5)


def test_few_texts_after_a_change_are_read_with_variables(task, monkeypatch):
    monkeypatch.setattr(keras_engine, "ENOUGH", 2)
    engine = predict.by_keras(task)
    with engine.prepared(2):
        pass
    assert engine.constant is not None
    task.model.set_weights([each + 1 for each in task.model.get_weights()])
    with engine.prepared(1):
        changed = outputs(task)
    for name, value in outputs(copy.deepcopy(task)).items():
        assert np.array_equal(changed[name], value)


def test_other_threads_do_not_see_the_constants(task, monkeypatch):
    engine, seen, make = predict.by_keras(task), [], keras_engine._traced
    layer = next(each for each in engine.model.layers if isinstance(each, keras_engine.FeedForward))

    def read_in_both_threads(model):
        thread = threading.Thread(target=lambda: seen.append(layer.read("W1")[0]))
        thread.start()
        thread.join()
        seen.append(layer.read("W1")[0])
        return make(model)

    monkeypatch.setattr(keras_engine, "_traced", read_in_both_threads)
    with engine.prepared(keras_engine.ENOUGH):
        pass
    assert [isinstance(each, np.ndarray) for each in seen] == [False, True]


def test_threads_make_constants_once(task, eager, monkeypatch):
    made, arrays, start = [], keras_engine._arrays, threading.Barrier(8)
    monkeypatch.setattr(keras_engine, "_arrays", lambda model: made.append(model) or arrays(model))
    expected = probabilities(copy.deepcopy(task).predict(TEXTS))
    made.clear()

    def run(_):
        start.wait()
        return probabilities(task.predict(TEXTS))

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(run, range(8)):
            assert np.allclose(found, expected, atol=1e-5)
    assert len(made) == 1


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
        with engine.prepared(keras_engine.ENOUGH):
            pass
    monkeypatch.undo()
    assert engine.constant is None and len(task.predict(TEXTS)) == len(TEXTS)


def test_large_models_are_read_with_variables(task, monkeypatch):
    monkeypatch.setattr(keras_engine, "LIMIT", 1000)
    engine = predict.by_keras(task)
    with engine.prepared(keras_engine.ENOUGH):
        pass
    assert engine.constant is None


def test_constants_are_not_made_if_the_memory_is_too_small(task, eager, monkeypatch):
    monkeypatch.setattr(keras_engine, "available", lambda: Available(bytes=10_000, held=9_000, of="a small machine"))
    few = task.predict(TEXTS)
    assert predict.by_keras(task).constant is None
    monkeypatch.undo()
    assert few == task.predict(TEXTS)


def test_training_scores_its_own_weights(checkpoint, eager):
    rows = kb.read(path("classify", "zh", "train")).head(40)
    task = tasks.find("classify")(checkpoint, **QUICK | {"epochs": 3})
    task.fit(rows, dev=rows)
    best = task.report_["history"][task.report_["best_epoch"] - 1]["dev"]["accuracy"]
    assert task.evaluate(rows).numbers()["accuracy"] == pytest.approx(best, abs=0.026)


def test_many_loaded_tasks_give_no_retracing_warning(hotel, caplog):
    for _ in range(8):
        kb.load(hotel[1]).predict(["好"])
    assert not [message for message in caplog.messages if "retracing" in message]
