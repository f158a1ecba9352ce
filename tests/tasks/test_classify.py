import json
import logging

import numpy as np
import pandas as pd
import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.metrics import calibration, classification
from kbert_tasks.reporting.report import html

GOOD = ["房间很干净", "服务态度不错", "早餐很好吃", "the room was very clean", "good food", "环境很好"]
BAD = ["房间很差", "服务态度差", "早餐不好吃", "the room was not clean", "terrible food", "环境很差"]
CALIBRATION = "ece", "ece_uncalibrated", "temperature"
FEW = {"epochs": 3, "learning_rate": 3e-3, "max_length": 32, "batch_size": 4, "validation_split": 0.0}


def fitted(checkpoint, texts, labels, dev=None, **settings):
    return kb.TextClassifier(checkpoint, **FEW | settings).fit(texts, labels, dev=dev)


@pytest.fixture(scope="module")
def plain(checkpoint):
    """A classifier trained without development texts, with one label per text; no test changes it."""
    return fitted(checkpoint, GOOD + BAD, ["g"] * 6 + ["b"] * 6)


@pytest.mark.parametrize(
    "encoder, pooling",
    [
        *(("fast", p) for p in ("cls", "pooler", "mean")),
        ("keras-bert", "cls"),
        pytest.param("fast", "max", marks=pytest.mark.slow),
        pytest.param("keras-bert", "mean", marks=pytest.mark.slow),
    ],
)
def test_two_classes_are_learned_with_every_pooling_and_encoder(checkpoint, pooling, encoder):
    task = fitted(checkpoint, GOOD + BAD, [1] * 6 + [0] * 6, pooling=pooling, encoder=encoder, epochs=100)
    assert task.labels_ == ["0", "1"]
    assert [p.label for p in task.predict(GOOD + BAD)] == ["1"] * 6 + ["0"] * 6


def test_pooler_weights_are_loaded_from_the_checkpoint(checkpoint):
    kernel, _ = kb.Checkpoint.open(checkpoint).pooler()
    task = fitted(checkpoint, GOOD + BAD, [1] * 6 + [0] * 6, pooling="pooler", epochs=1, learning_rate=1e-9)
    assert np.allclose(task.model.get_layer("Pooler").get_weights()[0], kernel, atol=1e-6)


def test_pairs_of_texts_are_learned_and_predicted(checkpoint):
    frame = pd.DataFrame({"text": GOOD + BAD, "text_b": BAD + BAD, "label": ["other"] * 6 + ["same"] * 6})
    task = kb.TextClassifier(checkpoint, **FEW | {"epochs": 40}).fit(frame, dev=frame)
    assert task.pairs_
    assert [p.label for p in task.predict(list(zip(GOOD, BAD, strict=True)))] == ["other"] * 6
    with pytest.raises(kb.InputError, match="was trained on pairs of texts: give the second text, as column 'text_b'"):
        task.predict(GOOD)
    with pytest.raises(kb.InputError, match="was trained on pairs of texts"):
        kb.TextClassifier(checkpoint, **FEW).fit(frame, dev=frame[["text", "label"]])
    with pytest.raises(kb.InputError, match="no column 'second'.*--text-b-column"):
        kb.TextClassifier(checkpoint, **FEW, text_b_column="second").fit(frame)
    answers = task.predict([("好", "差"), ("好", None)])
    assert answers[0] is not None and answers[1] is None


def test_second_text_column_is_ignored_by_a_model_of_single_texts(plain, caplog):
    frame = pd.DataFrame({"text": GOOD, "text_b": BAD})
    assert plain.predict(frame) == plain.predict(GOOD)
    assert caplog.messages == ["the table: column 'text_b' is not read, as this model reads single texts"]


@pytest.mark.parametrize("pairs", [list(zip(GOOD, BAD, strict=True)), np.array([GOOD, BAD]).T])
def test_list_of_pairs_is_rejected_by_a_model_of_single_texts(plain, pairs):
    with pytest.raises(kb.InputError, match="a list of pairs needs a model that was trained on pairs"):
        plain.predict(pairs)
    with pytest.raises(kb.InputError, match="a list of pairs needs a model that was trained on pairs"):
        plain.evaluate(pairs, ["good"] * len(pairs))
    with pytest.raises(kb.InputError, match="a list of pairs needs a model that was trained on pairs"):
        kb.RelationExtractor().fit(pairs, [[["a", "is", "b"]]] * len(pairs))
    task = kb.SubjectExtractor()
    task.typed_ = False
    with pytest.raises(kb.InputError, match="a list of pairs needs a model that was trained on pairs"):
        task.examples(pairs, gold=False)


def test_several_labels_per_text_are_learned_and_predicted(checkpoint, tmp_path):
    rows = [{"text": t, "label": ["food"] if "吃" in t or "food" in t else []} for t in GOOD + BAD]
    for row in rows:
        row["label"] = row["label"] + (["good"] if row["text"] in GOOD else [])
    task = kb.TextClassifier(checkpoint, **FEW | {"epochs": 60}).fit(rows)
    assert task.multi_label_ and task.labels_ == ["food", "good"]
    answers = task.predict(["good food", "房间很差"])
    assert [a.label for a in answers] == [("food", "good"), ()]
    assert task.to_dict(answers[0])["label"] == "food|good"
    assert all(score >= 0.5 for score in answers[0].probability)
    report = task.evaluate(rows)
    assert report.scores.keys() == {"accuracy", "micro_f1", "macro_f1", "per_class", "thresholds", *CALIBRATION}
    assert report["thresholds"] == {"food": 0.5, "good": 0.5}  # without development texts
    task.save(tmp_path / "run")
    loaded = kb.load(tmp_path / "run")
    assert loaded.predict(["good food", "房间很差"]) == answers
    # Several labels in one cell, as in a file; an empty cell means that the text has none.
    cells = [
        {"text": "good food", "label": "good| food"},
        {"text": "房间很差", "label": ""},
        {"text": "差", "label": None},
    ]
    report_of_cells = loaded.evaluate(pd.DataFrame(cells, dtype=object))
    assert report_of_cells["accuracy"] == 1.0
    assert report_of_cells.examples["skipped"] == {"no label": 1}


def test_gold_with_multi_label_is_compared_as_tuples(checkpoint):
    """A number is one label, and so is a text if other labels are lists."""
    settings = {"max_length": 32, "epochs": 40, "learning_rate": 3e-3, "batch_size": 4, "validation_split": 0.0}
    task = kb.TextClassifier(checkpoint, multi_label=True, **settings).fit(GOOD + BAD, [1] * 6 + [0] * 6)
    report = task.evaluate(GOOD + BAD, [1] * 6 + [0] * 6)
    assert {answer["gold"] for answer in report.answers} == {("1",), ("0",)}
    assert [answer["right"] for answer in report.answers] == [
        answer["predicted"] == answer["gold"] for answer in report.answers
    ]
    assert report["accuracy"] == np.mean([answer["right"] for answer in report.answers]) > 0
    lists = kb.TextClassifier(checkpoint, **settings).fit(GOOD + BAD, [["good", "x"]] + ["good"] * 5 + ["bad"] * 6)
    assert all(
        isinstance(answer["gold"], tuple) for answer in lists.evaluate(GOOD + BAD, ["good"] * 6 + ["bad"] * 6).answers
    )


def test_multi_label_option_splits_cells(checkpoint):
    settings = FEW | {"multi_label": True, "label_separator": ","}
    task = kb.TextClassifier(checkpoint, **settings).fit(["好", "坏", "吃"], ["a,b", "b", ""])
    assert task.labels_ == ["a", "b"]


def test_rows_without_text_or_label_are_counted(checkpoint):
    frame = pd.DataFrame({"text": [*GOOD, *BAD, "", None, "好"], "label": ["g"] * 6 + ["b"] * 6 + ["g", "g", None]})
    task = kb.TextClassifier(checkpoint, **FEW).fit(frame)
    assert task.report_["examples"]["train"] == {
        "read": 15, "used": 12, "skipped": {"empty text": 2, "no label": 1}, "notes": {}
    }  # fmt: skip


def test_unusual_examples_are_noted(checkpoint):
    long = "好" * 100
    task = fitted(checkpoint, [*GOOD, *BAD, GOOD[0], long], ["g"] * 6 + ["b"] * 6 + ["b", "g"])
    notes = task.report_["examples"]["train"]["notes"]
    assert notes == {"duplicate text": 1, "cut to max_length": 1}
    report = task.evaluate(["房间", GOOD[0]], ["never seen", "g"])
    assert report.examples["notes"] == {
        "label not in the training data: counted as wrong": 1,
        "the same text is in the training data": 1,
    }
    assert report["accuracy"] <= 0.5
    assert "never seen" in str(report)


def test_validation_split_is_stratified_and_logged(checkpoint, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        task = fitted(
            checkpoint, [f"好 {i}" for i in range(90)], ["g"] * 60 + ["b"] * 30, validation_split=0.2, epochs=1
        )
    assert "18 of 90 training examples are held out" in caplog.text
    support = {label: each["support"] for label, each in task.report_["scores"]["dev"]["per_class"].items()}
    assert support == {"g": 12, "b": 6}


def test_best_epoch_is_kept_and_patience_stops_training(checkpoint):
    # The development labels are swapped, so that learning lowers the score.
    task = fitted(
        checkpoint, GOOD + BAD, ["g"] * 6 + ["b"] * 6, epochs=60, patience=2,
        dev=pd.DataFrame({"text": GOOD + BAD, "label": ["b"] * 6 + ["g"] * 6}),
    )  # fmt: skip
    scores = [epoch["dev"]["accuracy"] for epoch in task.report_["history"]]
    assert len(scores) < 60
    best = task.report_["best_epoch"]
    assert len(scores) == best + 2
    assert scores[best - 1] == max(scores) and scores.index(max(scores)) == best - 1
    assert task.evaluate(GOOD + BAD, ["b"] * 6 + ["g"] * 6)["accuracy"] == max(scores)


@pytest.mark.parametrize(  # NaN is scored too; Keras has no learning rate for a linear schedule
    "dev, schedule", [(None, "constant"), ((GOOD, ["1"] * 6), "linear")]
)
def test_loss_that_is_not_finite_is_reported(checkpoint, dev, schedule):
    from kbert_tasks.tasks.classify.losses import LabelLoss

    class WithInfiniteLoss(kb.TextClassifier):
        def loss(self):
            return {"label": LabelLoss(False, weights=[float("nan"), 1.0])}

    with pytest.raises(kb.InputError, match="not finite: learning_rate 0.003 is too high"):
        WithInfiniteLoss(checkpoint, **FEW, schedule=schedule).fit(GOOD + BAD, [1] * 6 + [0] * 6, dev=dev)


def test_skipped_rows_are_reported_if_the_used_ones_are_not_enough(checkpoint, caplog):
    rows = [{"text": "a", "label": "x"}, {"text": "b", "label": ""}, {"text": "", "label": "y"}]
    with pytest.raises(kb.InputError, match="at least 2 are needed"):
        kb.TextClassifier(checkpoint, **FEW).fit(rows)
    assert "train: 3 rows read, 1 used (no label 1, empty text 1)" in caplog.messages


@pytest.mark.parametrize(
    "texts, labels, settings, message",
    [
        (["a", "b"], ["x", "x"], {}, "1 different labels (x): at least 2 are needed"),
        ([], [], {}, "nothing to train on: 0 rows read"),
        (["", " "], ["x", "y"], {}, "nothing to train on: 2 rows read, none used (empty text 2)"),
        (["a", "b"], ["x", "y"], {"max_length": 65}, "at most the checkpoint's 64 positions, not 65"),
        (["a", "b"], ["x", "y"], {"patience": 1}, "patience needs development examples"),
    ],
)
def test_impossible_training_is_rejected(checkpoint, texts, labels, settings, message):
    with pytest.raises(kb.InputError) as caught:
        fitted(checkpoint, texts, labels, **settings)
    assert message in str(caught.value)


def test_training_without_checkpoint_is_rejected():
    with pytest.raises(kb.InputError, match="a checkpoint is required"):
        kb.TextClassifier().fit(GOOD + BAD, [1] * 6 + [0] * 6)


def test_scores_equal_values_calculated_by_hand():
    gold, predicted = ["a", "a", "a", "b", "c"], ["a", "a", "b", "b", "b"]
    scores = classification.classification(gold, predicted, ["a", "b", "c", "d"])
    assert scores["accuracy"] == 3 / 5
    assert scores["per_class"]["a"] == {"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "support": 3}
    assert scores["per_class"]["b"] == {"precision": 1 / 3, "recall": 1.0, "f1": 0.5, "support": 1}
    assert scores["per_class"]["c"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}
    assert scores["per_class"]["d"] == {"precision": None, "recall": None, "f1": None, "support": 0}
    assert scores["macro_f1"] == pytest.approx((0.8 + 0.5 + 0) / 3)
    assert scores["confusion_matrix"]["rows_gold_columns_predicted"][0] == [2, 1, 0, 0]
    assert "no predictions" in str(classification.Report(scores))


def test_texts_without_an_answer_count_as_wrong():
    gold, predicted = ["a", "a", "b", "b"], ["a", None, None, "a"]
    scores = classification.classification(gold, predicted, ["a", "b"])
    assert scores["accuracy"] == 1 / 4
    assert scores["per_class"]["a"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert scores["per_class"]["b"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 2}
    assert scores["confusion_matrix"] == {"labels": ["a", "b"], "rows_gold_columns_predicted": [[1, 0], [1, 0]]}
    assert classification.answered(gold, predicted) == {"answered": 0.5, "accuracy_answered": 0.5}
    assert classification.answered(["a"], [None]) == {"answered": 0.0, "accuracy_answered": None}
    assert classification.classification(["a"], [None], ["a", "b"])["accuracy"] == 0


def test_single_label_is_scored_as_that_label():
    scores = classification.multi_label([("a",), ("a",), ()], [("a",), (), ()], ["a"])
    assert scores["per_class"] == {"a": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}}
    assert scores["micro_f1"] == scores["macro_f1"] == pytest.approx(2 / 3)


def test_label_without_examples_does_not_lower_the_mean():
    assert classification.multi_label([("a",)], [("a",)], ["a", "b"])["macro_f1"] == 1.0
    assert classification.classification(["a"], ["a"], ["a", "b"])["macro_f1"] == 1.0


@pytest.mark.parametrize("rows_per_label", [1, 4, 5, 14, 15])
def test_validation_split_has_the_right_size_for_small_classes(rows_per_label):
    from kbert_tasks.data.split import hold_out

    task = kb.TextClassifier("nowhere")
    rows = task.examples(
        [f"text {i}" for i in range(150 * rows_per_label)], [i % 150 for i in range(150 * rows_per_label)]
    )
    train, dev = hold_out(task, rows, 0.1)
    # A label with a single example is not held out, because it could not be learned.
    assert len(dev.rows) == (15 * rows_per_label if rows_per_label > 1 else 0)
    assert sorted(train.sources + dev.sources) == [(row,) for row in range(150 * rows_per_label)]
    counts = np.unique([example.label for example in dev.rows], return_counts=True)[1]
    assert all(counts <= -(-rows_per_label // 10))


def test_nothing_is_held_out_from_too_few_rows(checkpoint, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        task = fitted(checkpoint, ["好", "坏", "吃"], ["a", "b", "a"], validation_split=0.1, epochs=2)
    assert "none is held out, so the last epoch is kept" in caplog.text
    assert task.report_["examples"]["dev"] == {"read": 0, "used": 0, "skipped": {}, "notes": {}}
    assert task.report_["best_epoch"] == 2 and task.report_["scores"] == {}


def test_lists_and_cells_of_labels_are_equivalent(checkpoint):
    train = [{"text": t, "label": label} for t, label in [("好", ["a", "b"]), ("坏", ["b", ""]), ("吃", [])]]
    dev = pd.DataFrame({"text": ["好", "坏"], "label": ["a|b", ""]})
    task = kb.TextClassifier(checkpoint, **FEW).fit(train, dev=dev)
    assert task.labels_ == ["a", "b"]
    assert not any("not in the training data" in note for note in task.report_["examples"]["dev"]["notes"])


def test_example_with_several_labels_is_skipped_by_a_model_of_one_label(plain):
    report = plain.evaluate([{"text": "好", "label": ["g"]}, {"text": "坏", "label": ["g", "b"]}])
    assert report.examples["used"] == 1
    assert report.examples["skipped"] == {"several labels or none, but the model predicts one": 1}


def test_multi_label_scores_equal_values_calculated_by_hand():
    scores = classification.multi_label([("a", "b"), (), ("a",)], [("a",), (), ("b",)], ["a", "b"])
    assert scores["accuracy"] == 1 / 3
    assert scores["micro_f1"] == pytest.approx(2 * 1 / (2 + 3))
    assert scores["per_class"]["a"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}


# Long texts ---------------------------------------------------------------------------------------------------------

FILLER = "房间在酒店" * 8  # 40 tokens; a window has 30


@pytest.mark.parametrize(
    "options, end_is_read",
    [({}, False), ({"truncation": "head-tail"}, True), ({"truncation": "windows", "window_pooling": "max"}, True)],
)
def test_end_of_a_long_text_is_read_with_head_tail_and_windows(checkpoint, options, end_is_read, tmp_path):
    texts, labels = [FILLER + each for each in GOOD + BAD], ["g"] * 6 + ["b"] * 6
    task = fitted(checkpoint, texts, labels, epochs=60, schedule="constant", **options)
    found = [p.label for p in task.predict(texts)]
    assert (found == labels) == end_is_read
    notes = task.report_["examples"]["train"]["notes"]
    note = "longer than max_length: read in windows" if "windows" in options.values() else "cut to max_length"
    assert notes == {note: 12}
    if end_is_read:
        task.save(tmp_path / "run")
        assert kb.load(tmp_path / "run").predict(texts) == task.predict(texts)


def test_windows_of_pairs_read_the_whole_second_text(checkpoint):
    rows = [{"text": "早餐", "text_b": FILLER + t, "label": "bg"[t in GOOD]} for t in GOOD + BAD]
    rows[0]["text"] = FILLER
    task = kb.TextClassifier(checkpoint, **FEW | {"epochs": 2, "truncation": "windows"}).fit(rows)
    assert task.report_["examples"]["train"]["notes"] == {
        "longer than max_length: read in windows": 12,
        "first text of a pair truncated, to leave space in the windows": 1,
    }
    assert len(task.predict(rows)) == 12


def classifier_with(labels, several=False, **settings):
    """A classifier with these labels and without a model."""
    task = kb.TextClassifier(multi_label=several, **settings)
    task.prepare(task.examples(["x"] * len(labels), [[each] if several else each for each in labels]).rows)
    return task


def logits(*p):
    return {"label": np.log(np.array(p, "float32"))}


@pytest.mark.parametrize("merge, expected", [("mean", [0.5, 0.35, 0.15]), ("max", [0.8, 0.6, 0.2])])
def test_probabilities_of_windows_are_merged(merge, expected):
    task = classifier_with("abc", truncation="windows", window_pooling=merge)
    p = task.decode(None, [None, None], [logits(0.8, 0.1, 0.1), logits(0.2, 0.6, 0.2)])
    np.testing.assert_allclose(p, np.array(expected) / sum(expected), rtol=1e-6)
    task = classifier_with("abc", several=True, truncation="windows", window_pooling=merge)
    p = task.decode(None, [None], [{"label": np.array([0.0, 3.0, -3.0], "float32")}])
    np.testing.assert_allclose(p, [0.5, 0.952574, 0.047426], atol=1e-6)


# Probabilities ------------------------------------------------------------------------------------------------------


def test_temperature_is_fitted_and_saved_and_does_not_change_labels(checkpoint, tmp_path):
    train, labels = GOOD + BAD, ["g"] * 6 + ["b"] * 6
    dev = pd.DataFrame(
        {"text": train, "label": ["g"] * 5 + ["b"] * 6 + ["g"]}
    )  # two labels are wrong, so the model is too confident
    options = {"epochs": 40, "schedule": "constant", "ema_decay": 0.0}
    assert fitted(checkpoint, train, labels, dev=dev, calibrate=False, epochs=1).temperature_ == 1
    task = fitted(checkpoint, train, labels, dev=dev, **options)
    temperature, calibrated, after = task.temperature_, task.predict(train), task.report_["scores"]["dev"]
    assert temperature > 1
    task.temperature_ = 1.0
    uncalibrated, plain = task.predict(train), task.evaluate(dev)
    task.temperature_ = temperature
    assert [p.label for p in uncalibrated] == [p.label for p in calibrated]
    assert all(b.probability < a.probability for a, b in zip(uncalibrated, calibrated, strict=True))
    assert all(sum(p.probabilities.values()) == pytest.approx(1) for p in calibrated)
    before = plain.scores
    assert before["ece"] == before["ece_uncalibrated"] == pytest.approx(after["ece_uncalibrated"])
    assert np.mean([a["loss"] for a in task.evaluate(dev).answers]) < np.mean([a["loss"] for a in plain.answers])
    assert before["accuracy"] == after["accuracy"]
    assert after["temperature"] == task.temperature_
    task.save(tmp_path / "run")
    loaded = kb.load(tmp_path / "run")
    assert loaded.temperature_ == task.temperature_ and loaded.predict(train) == calibrated
    assert loaded.evaluate(dev).scores == after


def test_without_development_texts_the_temperature_is_1(plain):
    assert plain.temperature_ == 1
    scores = plain.evaluate(GOOD, ["g"] * 6).scores
    assert scores["ece"] == scores["ece_uncalibrated"]


def test_temperature_at_its_limit_is_not_used_and_the_reason_is_logged_once(checkpoint, monkeypatch, caplog):
    train, labels = GOOD + BAD, ["g"] * 6 + ["b"] * 6
    dev = pd.DataFrame({"text": train, "label": labels})
    monkeypatch.setattr(calibration, "best_temperature", lambda *_: calibration.HOTTEST)
    task = fitted(checkpoint, train, labels, dev=dev, epochs=3)
    reason = "the best temperature for the 12 development texts is at the limit of 0.1 to 10"
    assert task.temperature_ == task.report_["scores"]["dev"]["temperature"] == 1
    assert task.report_["scores"]["dev"]["temperature_note"] == reason
    assert task.evaluate(dev)["temperature_note"] == reason
    messages = [record.message for record in caplog.records if "not calibrated" in record.message]
    assert messages == [f"probabilities are not calibrated (temperature 1): {reason}"]
    assert reason in html(task.report_, task.answers_)


def test_temperature_of_30_uncertain_predictions_is_not_used():
    task = classifier_with("ab")
    rows = task.examples([f"x{i}" for i in range(30)], ["a"] * 29 + ["b"]).rows
    task.tune(rows, [np.array([0.51, 0.49])] * 30)
    assert task.temperature_ == 1 and "at the limit" in task.temperature_note_
    assert task.decide(rows[0], np.array([0.51, 0.49])).probability == 0.51


def test_model_abstains_below_min_confidence(plain, tmp_path):
    task = plain
    without_limit = task.predict(GOOD + BAD)
    min_confidence = float(np.median([p.probability for p in without_limit]))
    task.save(tmp_path / "run")
    loaded = kb.load(tmp_path / "run")
    loaded.settings = type(loaded.settings).of(loaded.settings.as_dict() | {"min_confidence": min_confidence})
    found = loaded.predict(GOOD + BAD)
    for one, other in zip(without_limit, found, strict=True):
        assert other.label == (one.label if one.probability >= min_confidence else None)
        assert (other.probability, other.probabilities) == (one.probability, one.probabilities)
    rows = [loaded.to_dict(p) for p in found]
    assert [row["label"] for row in rows] == [p.label for p in found]
    assert all(isinstance(row["probability"], float) for row in rows)
    report = loaded.evaluate(GOOD + BAD, ["g"] * 6 + ["b"] * 6)
    answered = [p.label is not None for p in found]
    right = [p.label == label for p, label in zip(found, ["g"] * 6 + ["b"] * 6, strict=True)]
    assert report["answered"] == sum(answered) / 12 and 0 < report["answered"] < 1
    assert report["accuracy"] == sum(right) / 12
    assert report["accuracy_answered"] == sum(right) / sum(answered)
    assert len(report.errors) == 12 - sum(right)
    assert {e["predicted"] for e in report.errors} >= {None}
    assert "answered" in str(report)
    assert "answered" not in task.evaluate(GOOD, ["g"] * 6).scores
    (tmp_path / "in.csv").write_text("text\n好\n", encoding="utf-8")
    for kind, label in (("csv", ""), ("jsonl", None)):
        output = tmp_path / f"out.{kind}"
        arguments = [str(tmp_path / "run"), str(tmp_path / "in.csv"), "--min-confidence", "1", "--output", str(output)]
        assert cli.predict(arguments) == 0
        (row,) = (
            pd.read_csv(output, keep_default_na=False).to_dict("records")
            if kind == "csv"
            else [json.loads(output.read_text(encoding="utf-8"))]
        )
        assert row["label"] == label and 0.5 <= row["probability"] < 1


def test_min_confidence_is_rejected_with_multi_label(checkpoint):
    with pytest.raises(kb.InputError, match="min_confidence cannot be used with multi_label"):
        classifier_with("ab", several=True, min_confidence=0.5)
    task = classifier_with("ab", several=True)
    task.settings = type(task.settings).of({"multi_label": True, "min_confidence": 0.5})
    with pytest.raises(kb.InputError, match="min_confidence cannot be used with multi_label"):
        task.examples(["x"], gold=False)


def test_thresholds_of_labels_are_tuned_on_the_development_texts(monkeypatch):
    task = classifier_with("abc", several=True, calibrate=False)
    rows = task.examples(["x"] * 4, [["a"], ["a", "b"], ["b"], []]).rows
    p = np.array([[0.4, 0.2, 0.6], [0.3, 0.9, 0.4], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]])
    assert task.thresholds_ == {"a": 0.5, "b": 0.5, "c": 0.5}
    task.tune(rows, list(p))
    assert task.thresholds_ == pytest.approx({"a": 0.25, "b": 0.75, "c": 0.5})
    found = [task.decide(*each) for each in zip(rows, p, strict=True)]
    assert [each.label for each in found] == [("a", "c"), ("a", "b"), ("b",), ()]
    assert found[1].probability == (0.3, 0.9)
    scores = task.measure(rows, found).scores
    assert scores["thresholds"] == task.thresholds_ and scores["accuracy"] == 3 / 4
    calibrated = classifier_with("abc", several=True)
    monkeypatch.setattr(
        calibration, "reliable_temperature", lambda *_: (2.0, None)
    )  # four texts are too few for a temperature
    calibrated.tune(rows, list(p))
    assert calibrated.temperature_ == 2
    assert [calibrated.decide(*each).label for each in zip(rows, p, strict=True)] == [each.label for each in found]


def test_record_of_an_answer_has_all_fields():
    task = classifier_with("abc", calibrate=False)
    (example,) = task.examples(["x"], ["b"]).rows
    p = np.array([0.7, 0.2, 0.1])
    answer = task.decide(example, p)
    assert task.record(example, p, answer) == {
        "text": "x", "gold": "b", "predicted": "a", "probability": 0.7, "gold_probability": 0.2,
        "probabilities": {"a": 0.7, "b": 0.2, "c": 0.1},
        "loss": pytest.approx(-np.log(0.2), abs=1e-6), "right": False,
    }  # fmt: skip
    task.temperature_ = 2.0
    calibrated = task.record(example, p, task.decide(example, p))
    softened = np.sqrt(p) / np.sqrt(p).sum()
    assert calibrated["probabilities"] == pytest.approx(dict(zip("abc", softened, strict=True)), abs=1e-6)
    assert calibrated["loss"] == pytest.approx(-np.log(softened[1]), abs=1e-6)
    (unknown,) = task.examples([{"text": "x", "label": "never seen"}]).rows
    assert task.record(unknown, p, answer)["loss"] is None
    assert task.error(unknown, answer)["gold_probability"] is None
    assert task.error(example, answer) == {
        "text": "x", "gold": "b", "predicted": "a", "probability": 0.7, "gold_probability": 0.2,
    }  # fmt: skip
    task.settings = type(task.settings).of({"min_confidence": 0.9})
    abstained = task.error(example, task.decide(example, p))
    assert (abstained["predicted"], abstained["probability"]) == (None, pytest.approx(softened[0], abs=1e-6))

    task = classifier_with("ab", several=True)
    task.pairs_ = None
    (example,) = task.examples([{"text": "x", "text_b": "y", "label": ["b"]}]).rows
    p = np.array([0.6, 0.9])
    assert task.record(example, p, task.decide(example, p)) == {
        "text": "x", "text_b": "y", "gold": ("b",), "predicted": ("a", "b"), "probability": [0.6, 0.9],
        "gold_probability": [0.9], "probabilities": {"a": 0.6, "b": 0.9},
        "loss": pytest.approx(-np.log(0.4) - np.log(0.9), abs=1e-6), "right": False,
    }  # fmt: skip


# Losses -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("several", [False, True])
def test_training_works_with_weighted_focal_smoothed_loss(checkpoint, several, tmp_path):
    texts, labels = GOOD + BAD[:2], ["g"] * 6 + ["b"] * 2
    rows = [{"text": t, "label": [y] if several else y} for t, y in zip(texts, labels, strict=True)]
    options = FEW | {"epochs": 60, "class_weight": "balanced", "focal_gamma": 1.0, "label_smoothing": 0.05}
    task = kb.TextClassifier(checkpoint, **options).fit(rows)
    assert [p.label for p in task.predict(texts)] == [(y,) if several else y for y in labels]
    wanted = [8 / (2 * 2), 8 / (2 * 6)]  # b, g
    np.testing.assert_allclose(task.weights_, [wanted[::-1], wanted] if several else wanted)
    loss = task.loss()["label"]
    assert (loss.several, loss.weights, loss.focal, loss.smoothing) == (several, task.weights_, 1.0, 0.05)
    task.save(tmp_path / "run")
    assert kb.load(tmp_path / "run").predict(texts) == task.predict(texts)
