import logging

import numpy as np
import pandas as pd
import pytest

import kbert_tasks as kb
from kbert_tasks import metrics

GOOD = ["房间很干净", "服务态度不错", "早餐很好吃", "the room was very clean", "good food", "环境很好"]
BAD = ["房间很差", "服务态度差", "早餐不好吃", "the room was not clean", "terrible food", "环境很差"]
FEW = {"epochs": 3, "learning_rate": 3e-3, "max_length": 32, "batch_size": 4, "dev_share": 0.0}


def fitted(checkpoint, texts, labels, dev=None, **settings):
    return kb.TextClassifier(checkpoint, **FEW | settings).fit(texts, labels, dev=dev)


@pytest.mark.parametrize(
    "encoder, pooling",
    [*(("fast", p) for p in ("cls", "pooler", "mean", "max")), ("keras-bert", "cls"), ("keras-bert", "mean")],
)
def test_learns_two_classes_with_every_pooling_and_encoder(checkpoint, pooling, encoder):
    task = fitted(checkpoint, GOOD + BAD, [1] * 6 + [0] * 6, pooling=pooling, encoder=encoder, epochs=100)
    assert task.labels_ == ["0", "1"]
    assert [p.label for p in task.predict(GOOD + BAD)] == ["1"] * 6 + ["0"] * 6


def test_the_pooler_starts_from_the_checkpoint(checkpoint):
    kernel, _ = kb.Checkpoint.find(checkpoint).pooler()
    task = fitted(checkpoint, GOOD + BAD, [1] * 6 + [0] * 6, pooling="pooler", epochs=1, learning_rate=1e-9)
    assert np.allclose(task.model.get_layer("Pooler").get_weights()[0], kernel, atol=1e-6)


def test_pairs_of_texts(checkpoint):
    frame = pd.DataFrame({"text": GOOD + BAD, "text_b": BAD + BAD, "label": ["other"] * 6 + ["same"] * 6})
    task = kb.TextClassifier(checkpoint, **FEW | {"epochs": 40}).fit(frame, dev=frame)
    assert task.pairs_
    assert [p.label for p in task.predict(list(zip(GOOD, BAD, strict=True)))] == ["other"] * 6
    with pytest.raises(kb.InputError, match="is trained on pairs of texts: give the second text, as column 'text_b'"):
        task.predict(GOOD)
    with pytest.raises(kb.InputError, match="is trained on pairs of texts"):
        kb.TextClassifier(checkpoint, **FEW).fit(frame, dev=frame[["text", "label"]])
    with pytest.raises(kb.InputError, match="no column 'second'.*--text-b-column"):
        kb.TextClassifier(checkpoint, **FEW, text_b_column="second").fit(frame)
    answers = task.predict([("好", "差"), ("好", None)])
    assert answers[0] is not None and answers[1] is None


def test_a_second_column_that_training_did_not_have_is_not_read(checkpoint):
    task = fitted(checkpoint, GOOD + BAD, [1] * 6 + [0] * 6)
    frame = pd.DataFrame({"text": GOOD, "text_b": BAD})
    assert task.predict(frame) == task.predict(GOOD)


def test_several_labels_at_once(checkpoint, tmp_path):
    rows = [{"text": t, "label": ["food"] if "吃" in t or "food" in t else []} for t in GOOD + BAD]
    for row in rows:
        row["label"] = row["label"] + (["good"] if row["text"] in GOOD else [])
    task = kb.TextClassifier(checkpoint, **FEW | {"epochs": 60}).fit(rows)
    assert task.multi_label_ and task.labels_ == ["food", "good"]
    answers = task.predict(["good food", "房间很差"])
    assert [a.label for a in answers] == [("food", "good"), ()]
    assert task.row(answers[0])["label"] == "food|good"
    assert all(score >= 0.5 for score in answers[0].score)
    report = task.evaluate(rows)
    assert {"accuracy", "micro_f1", "macro_f1", "per_class"} == report.scores.keys()
    task.save(tmp_path / "run")
    again = kb.load(tmp_path / "run")
    assert again.predict(["good food", "房间很差"]) == answers
    # In one cell, as a file has them; an empty cell says that none applies.
    cells = [
        {"text": "good food", "label": "good| food"},
        {"text": "房间很差", "label": ""},
        {"text": "差", "label": None},
    ]
    counted = again.evaluate(pd.DataFrame(cells, dtype=object))
    assert counted["accuracy"] == 1.0
    assert counted.examples["skipped"] == {"no label": 1}


def test_the_multi_label_option_reads_cells(checkpoint):
    settings = FEW | {"multi_label": True, "label_separator": ","}
    task = kb.TextClassifier(checkpoint, **settings).fit(["好", "坏", "吃"], ["a,b", "b", ""])
    assert task.labels_ == ["a", "b"]


def test_rows_without_text_or_label_are_counted(checkpoint):
    frame = pd.DataFrame({"text": [*GOOD, *BAD, "", None, "好"], "label": ["g"] * 6 + ["b"] * 6 + ["g", "g", None]})
    task = kb.TextClassifier(checkpoint, **FEW).fit(frame)
    assert task.report_["examples"]["train"] == {
        "read": 15, "used": 12, "skipped": {"empty text": 2, "no label": 1}, "notes": {}
    }  # fmt: skip


def test_what_is_odd_is_noted(checkpoint):
    long = "好" * 100
    task = fitted(checkpoint, [*GOOD, *BAD, GOOD[0], long], ["g"] * 6 + ["b"] * 6 + ["b", "g"])
    notes = task.report_["examples"]["train"]["notes"]
    assert notes == {"the same text again": 1, "cut to max_length": 1}
    report = task.evaluate(["房间", GOOD[0]], ["never seen", "g"])
    assert report.examples["notes"] == {
        "a label that training never saw: counted as wrong": 1,
        "the same text is among the training texts": 1,
    }
    assert report["accuracy"] <= 0.5
    assert "never seen" in str(report)


def test_the_held_out_share_is_stratified_and_named(checkpoint, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        task = fitted(checkpoint, [f"好 {i}" for i in range(90)], ["g"] * 60 + ["b"] * 30, dev_share=0.2, epochs=1)
    assert "18 of 90 training examples are held out" in caplog.text
    support = {label: each["support"] for label, each in task.report_["scores"]["dev"]["per_class"].items()}
    assert support == {"g": 12, "b": 6}


def test_the_best_epoch_is_kept_and_patience_stops(checkpoint):
    # Development gold is turned round, so that learning makes the score worse.
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


def test_a_loss_that_is_not_a_number_is_told(checkpoint):
    class Spoilt(kb.TextClassifier):
        def losses(self):
            return {"label": lambda gold, scores: scores[:, 0] * float("nan")}

    with pytest.raises(kb.InputError, match="no longer a number: learning_rate 0.003 is too high"):
        Spoilt(checkpoint, **FEW).fit(GOOD + BAD, [1] * 6 + [0] * 6)


@pytest.mark.parametrize(
    "texts, labels, settings, words",
    [
        (["a", "b"], ["x", "x"], {}, "1 different labels (x): at least 2 are needed"),
        ([], [], {}, "nothing to train on: 0 rows read"),
        (["", " "], ["x", "y"], {}, "nothing to train on: 2 rows read, none used (empty text 2)"),
        (["a", "b"], ["x", "y"], {"max_length": 65}, "at most the checkpoint's 64 positions, not 65"),
        (["a", "b"], ["x", "y"], {"patience": 1}, "patience needs development examples"),
    ],
)
def test_training_that_cannot_work(checkpoint, texts, labels, settings, words):
    with pytest.raises(kb.InputError) as caught:
        fitted(checkpoint, texts, labels, **settings)
    assert words in str(caught.value)


def test_no_checkpoint():
    with pytest.raises(kb.InputError, match="a checkpoint is needed"):
        kb.TextClassifier().fit(GOOD + BAD, [1] * 6 + [0] * 6)


def test_scores_against_numbers_worked_out_by_hand():
    gold, predicted = ["a", "a", "a", "b", "c"], ["a", "a", "b", "b", "b"]
    scores = metrics.classification(gold, predicted, ["a", "b", "c", "d"])
    assert scores["accuracy"] == 3 / 5
    assert scores["per_class"]["a"] == {"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "support": 3}
    assert scores["per_class"]["b"] == {"precision": 1 / 3, "recall": 1.0, "f1": 0.5, "support": 1}
    assert scores["per_class"]["c"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}
    assert scores["per_class"]["d"] == {"precision": None, "recall": None, "f1": None, "support": 0}
    assert scores["macro_f1"] == pytest.approx((0.8 + 0.5 + 0) / 3)
    assert scores["confusion_matrix"]["rows_gold_columns_predicted"][0] == [2, 1, 0, 0]
    assert "no predictions" in str(metrics.Report(scores))


def test_one_label_alone_is_scored_as_that_label():
    scores = metrics.multi_label([("a",), ("a",), ()], [("a",), (), ()], ["a"])
    assert scores["per_class"] == {"a": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}}
    assert scores["micro_f1"] == scores["macro_f1"] == pytest.approx(2 / 3)


def test_a_label_that_is_nowhere_does_not_lower_the_mean():
    assert metrics.multi_label([("a",)], [("a",)], ["a", "b"])["macro_f1"] == 1.0
    assert metrics.classification(["a"], ["a"], ["a", "b"])["macro_f1"] == 1.0


@pytest.mark.parametrize("each", [1, 4, 5, 14, 15])
def test_the_held_out_share_is_right_where_classes_are_small(each):
    from kbert_tasks.training import hold_out

    task = kb.TextClassifier("nowhere")
    rows = task.examples([f"text {i}" for i in range(150 * each)], [i % 150 for i in range(150 * each)])
    train, dev = hold_out(task, rows)
    assert len(dev.rows) == 15 * each
    assert sorted(train.positions + dev.positions) == list(range(150 * each))
    counts = np.unique([example.label for example in dev.rows], return_counts=True)[1]
    assert counts.max() <= -(-each // 10)


def test_too_few_rows_to_hold_any_out(checkpoint, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        task = fitted(checkpoint, ["好", "坏", "吃"], ["a", "b", "a"], dev_share=0.1, epochs=2)
    assert "none is held out, the last epoch is kept" in caplog.text
    assert task.report_["examples"]["dev"] == {"read": 0, "used": 0, "skipped": {}, "notes": {}}
    assert task.report_["best_epoch"] == 2 and task.report_["scores"] == {}


def test_lists_and_cells_of_labels_mean_the_same(checkpoint):
    train = [{"text": t, "label": label} for t, label in [("好", ["a", "b"]), ("坏", ["b", ""]), ("吃", [])]]
    dev = pd.DataFrame({"text": ["好", "坏"], "label": ["a|b", ""]})
    task = kb.TextClassifier(checkpoint, **FEW).fit(train, dev=dev)
    assert task.labels_ == ["a", "b"]
    assert not any("never saw" in note for note in task.report_["examples"]["dev"]["notes"])


def test_a_list_as_label_of_a_model_that_gives_one(checkpoint):
    task = fitted(checkpoint, GOOD + BAD, ["g"] * 6 + ["b"] * 6)
    report = task.evaluate([{"text": "好", "label": ["g"]}, {"text": "坏", "label": ["g", "b"]}])
    assert report.examples["used"] == 1
    assert report.examples["skipped"] == {"several labels or none, and the model gives one": 1}


def test_multi_label_scores_worked_out_by_hand():
    scores = metrics.multi_label([("a", "b"), (), ("a",)], [("a",), (), ("b",)], ["a", "b"])
    assert scores["accuracy"] == 1 / 3
    assert scores["micro_f1"] == pytest.approx(2 * 1 / (2 + 3))
    assert scores["per_class"]["a"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
