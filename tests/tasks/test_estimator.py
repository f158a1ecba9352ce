"""Tasks with scikit-learn and pickle. test_contract.py tests for all tasks that a copy gives the same answers."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, ShuffleSplit, cross_val_score
from sklearn.utils.validation import check_is_fitted

import kbert_tasks as kb
from kbert_tasks import tasks

FEW = {"epochs": 1, "max_length": 16, "validation_split": 0.0, "precision": "float32"}
TEXTS = [f"房间{'很干净' if i % 2 else '太吵'}{i}" for i in range(12)]
LABELS = ["好" if i % 2 else "坏" for i in range(12)]


@pytest.mark.parametrize("name", tasks.names())
def test_get_params_returns_the_checkpoint_and_all_settings(name):
    task = tasks.find(name)("somewhere", epochs=3)
    params = task.get_params()
    assert params == {"checkpoint": "somewhere"} | task.settings.as_dict() and params["epochs"] == 3
    other = clone(task)
    assert type(other) is type(task) and other is not task and other.get_params() == params
    assert task.set_params(learning_rate=np.float64(1e-3), checkpoint="elsewhere") is task
    assert (task.settings.learning_rate, task.checkpoint, task.settings.epochs) == (1e-3, "elsewhere", 3)
    assert clone(task).get_params() == task.get_params() and other.get_params() == params


def test_invalid_parameter_changes_nothing():
    task = kb.TextClassifier("somewhere")
    before = task.get_params()
    for invalid, message in (
        ({"learning_rat": 1}, "did you mean 'learning_rate'"),
        ({"epochs": 0}, "at least 1, not 0"),
    ):
        with pytest.raises(kb.InputError, match=message):
            task.set_params(checkpoint="elsewhere", **invalid)
    assert task.get_params() == before


def test_trained_task_uses_the_settings_of_its_model_until_the_next_training(hotel):
    task = copy.copy(hotel[0])
    wanted = task.predict(["好"])
    task.set_params(pooling="max", epochs=2, text_column="review")
    assert task.get_params()["pooling"] == "max" and task.settings.pooling != "max"
    assert task.settings.text_column == "review" and task.predict(["好"]) == wanted
    copied = pickle.loads(pickle.dumps(task))
    assert copied.predict(["好"]) == wanted and copied.get_params() == task.get_params()
    assert clone(task).settings.pooling == "max"
    task.set_params(max_length=16).fit(["好", "坏"] * 4, ["好", "坏"] * 4)
    assert (task.settings.pooling, task.settings.epochs, task.settings.max_length) == ("max", 2, 16)
    assert task.get_params() == {"checkpoint": task.checkpoint} | task.settings.as_dict()


def test_task_meets_the_requirements_of_scikit_learn(hotel):
    task, fresh = hotel[0], clone(hotel[0])
    assert is_classifier(task) and not is_classifier(kb.RelationExtractor("x"))
    assert not is_classifier(kb.TextClassifier("x", multi_label=True))  # lists of labels cannot be stratified
    check_is_fitted(task)
    with pytest.raises(NotFittedError):
        check_is_fitted(fresh)
    assert task.classes_.tolist() == ["坏", "好"] and not hasattr(fresh, "classes_")
    assert task.score(["好", "坏"], ["好", "好"]) == task.evaluate(["好", "坏"], ["好", "好"])["accuracy"]


def test_cross_validation_works(checkpoint):
    task = kb.TextClassifier(checkpoint, **FEW)
    scores = cross_val_score(task, pd.Series(TEXTS), np.array(LABELS), cv=2, error_score="raise")
    assert len(scores) == 2 and ((scores >= 0) & (scores <= 1)).all() and task.model is None


def test_grid_search_over_learning_rates_works(checkpoint):
    search = GridSearchCV(
        kb.TextClassifier(checkpoint, **FEW),
        {"learning_rate": np.array([1e-4, 1e-3])},
        cv=ShuffleSplit(1, test_size=0.25, random_state=0),
        error_score="raise",
    ).fit(TEXTS, LABELS)
    assert search.best_params_["learning_rate"] in (1e-4, 1e-3)
    assert search.best_estimator_.settings.learning_rate == search.best_params_["learning_rate"]
    assert [each.label in LABELS for each in search.predict(TEXTS)] == [True] * len(TEXTS)
    assert 0 <= search.score(TEXTS, LABELS) <= 1 and search.classes_.tolist() == ["坏", "好"]


@pytest.mark.slow  # scikit-learn splits these rows in the same way as those of a classifier
@pytest.mark.parametrize("kind", ["multi-label", "relation", "entity", "subject"])
def test_cross_validation_works_for_answers_that_are_lists(kind, checkpoint):
    if kind == "multi-label":
        task, texts, gold = (
            kb.TextClassifier(checkpoint, multi_label=True, **FEW),
            TEXTS,
            [["甲", "乙"], ["乙"], []] * 4,
        )
    elif kind == "relation":
        task, texts = kb.RelationExtractor(checkpoint, **FEW), TEXTS
        gold = [[{"subject": "房间", "predicate": "是", "object": text[2:4]}] for text in texts]
    elif kind == "entity":
        task, texts = kb.EntityRecognizer(checkpoint, **FEW), TEXTS
        gold = [[{"start": 0, "end": 2, "type": "地点"}, [2, 4, "评价"]] for _ in texts]
    else:
        task, texts, gold = kb.SubjectExtractor(checkpoint, **FEW), [(text, "评价") for text in TEXTS], ["房间"] * 12
    scores = cross_val_score(task, texts, gold, cv=2, error_score="raise")
    assert len(scores) == 2 and ((scores >= 0) & (scores <= 1)).all()
