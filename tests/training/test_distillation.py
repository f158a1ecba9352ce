"""Learning from a teacher: losses, targets of each task, trainings, and errors."""

import json

import numpy as np
import pytest
from scipy.special import expit, log_softmax, logit, softmax

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.data import tables
from kbert_tasks.metrics.formatting import run_text
from kbert_tasks.reporting.report import html
from kbert_tasks.samples import path
from kbert_tasks.tasks import find
from kbert_tasks.tasks.entity.entities import Entity
from kbert_tasks.tasks.relation.triples import Triple
from kbert_tasks.tasks.subject.subjects import Subject
from kbert_tasks.text.spans import Span
from kbert_tasks.training import backup, distillation

from .. import tiny

SETTINGS = {"epochs": 2, "max_length": 24, "learning_rate": 1e-3, "ema_decay": 0.0, "batch_size": 16}
LONG = {"epochs": 40, "learning_rate": 1e-2, "validation_split": 0.0}
TEXTS = ["房间很干净", "太吵", "好", "坏", "服务很好", "早餐不好", "又吵又坏", "干净"]
LABELS = ["好", "坏", "好", "坏", "好", "坏", "坏", "好"]


def rows(name, number, part="train"):
    return tables.read(path(name, "zh", part)).head(number)


@pytest.fixture(scope="module")
def teacher(checkpoint):
    return kb.TextClassifier(checkpoint, **SETTINGS | LONG).fit(TEXTS, LABELS)


def student(checkpoint, **settings):
    return kb.TextClassifier(checkpoint, **SETTINGS | {"baseline": False} | settings)


# Losses -----------------------------------------------------------------------------------------------------------


def test_loss_with_one_label_mixes_gold_and_teacher():
    from kbert_tasks.tasks.classify.losses import loss

    draw = np.random.default_rng(0)
    scores, teacher = draw.normal(size=(3, 4)).astype("float32"), softmax(draw.normal(size=(3, 4)), -1)
    gold = np.eye(4)[[2, 0, 1]]
    gold[2] = -1  # not known
    target = np.stack([gold, teacher], 1).astype("float32")
    hard, soft = -log_softmax(scores, -1)[[0, 1], [2, 0]], -(teacher * log_softmax(scores / 3, -1)).sum(-1)
    wanted = [0.75 * hard[0] + 0.25 * 9 * soft[0], 0.75 * hard[1] + 0.25 * 9 * soft[1], 9 * soft[2]]
    found = loss(False, teaching=(0.25, 3.0)).call(target, scores).numpy()
    assert found == pytest.approx(wanted, rel=1e-5)
    only_gold = loss(False, teaching=(0.0, 3.0)).call(target[:2], scores[:2]).numpy()
    assert only_gold == pytest.approx(loss(False).call(np.array([2, 0]), scores[:2]).numpy(), rel=1e-5)


def test_loss_with_several_labels_mixes_gold_and_teacher():
    from kbert_tasks.tasks.classify.losses import loss

    draw = np.random.default_rng(0)
    scores, teacher = draw.normal(size=(2, 3)).astype("float32"), expit(draw.normal(size=(2, 3)))
    gold = np.array([[1, 0, 1], [-1, -1, -1]])
    target = np.stack([gold, teacher], 1).astype("float32")
    entropy = -(teacher * np.log(expit(scores / 2)) + (1 - teacher) * np.log(expit(-scores / 2))).mean(-1)
    hard = loss(True, focal=1.0).call(np.array([[1, 0, 1]]), scores[:1]).numpy()
    found = loss(True, focal=1.0, teaching=(0.5, 2.0)).call(target, scores).numpy()
    assert found == pytest.approx([0.5 * hard[0] + 0.5 * 4 * entropy[0], 4 * entropy[1]], rel=1e-5)


def test_span_losses_of_certain_probabilities_are_those_of_gold_targets():
    from kbert_tasks.tasks.heads import ChoiceLoss, SetLoss

    draw = np.random.default_rng(0)
    scores = draw.normal(size=(4, 2, 5, 5)).astype("float32")
    gold = draw.integers(-1, 2, scores.shape).astype("int8")
    for kind in (SetLoss, ChoiceLoss):
        one, other = (kind(reduction="none")(target, scores).numpy() for target in (gold, gold.astype("float32")))
        assert np.isfinite(one).all() and one == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize("p", [0.001, 0.06, 0.5, 0.8, 0.999])
def test_span_loss_is_smallest_at_the_log_odds(p):
    import tensorflow as tf

    from kbert_tasks.tasks.heads import SetLoss

    score = tf.Variable([[[logit(p)]]], dtype=tf.float32)
    target = np.array([[[p]]], "float32")
    with tf.GradientTape() as tape:
        loss = SetLoss(reduction="none")(target, score)
    assert float(tape.gradient(loss, score)[0, 0, 0]) == pytest.approx(0, abs=1e-4)
    for other in (-0.5, 0.5):
        assert SetLoss(reduction="none")(target, score + other) > loss
    target = np.array([[[p, -1, 0, 1]]], "float32")  # with others, which are padding, wrong and right
    with tf.GradientTape() as tape:
        scores = tf.concat([score, [[[1e9, -9.0, 9.0]]]], -1)
        loss = SetLoss(reduction="none")(target, scores)
    assert np.isfinite(tape.gradient(loss, score).numpy()).all()


# Targets of tasks whose answers are parts of a text ---------------------------------------------------------------


def prepared(name, examples, **settings):
    task = find(name)(**settings)
    task.tokenizer = task.new_tokenizer(tiny.vocabulary(), False)
    task.prepare(task.examples(examples).rows)
    task.teacher_ = task  # any task: the targets are probabilities
    return task


def targets(task, example, answers, share):
    (window,) = task.encode(example)
    lesson = task.taught(example, answers, share)
    x = {"Input-Token": window.ids, "Input-Segment": window.segments}
    x, y = task.sample_target(x, task.target(lesson, window), np.random.default_rng(0))
    assert {each.dtype for each in y.values()} == {np.dtype("float32")}
    return window, x, y


def test_entities_of_the_teacher_are_probabilities_of_spans():
    rows = [{"text": "周山去了北京", "entities": [[0, 2, "人物"], [4, 6, "地点"]]}]
    task = prepared("entity", rows)
    answers = [Entity("周山", "人物", 0, 2, 0.8), Entity("京", "地点", 5, 6, 0.3)]
    (unlabelled,) = task.examples(["周山去了北京"], gold=False).rows
    window, _, y = targets(task, unlabelled, answers, 1.0)
    p = np.clip(y["spans"], 1e-9, 1 - 1e-9)
    found = task.decode(unlabelled, [window], [{"spans": logit(p)}])
    assert {each.key: round(each.probability, 4) for each in found} == {each.key: each.probability for each in answers}
    (labelled,) = task.examples(rows).rows
    _, _, y = targets(task, labelled, answers, 0.25)
    wanted = {"周山": 0.75 + 0.25 * 0.8, "北京": 0.75, "京": 0.25 * 0.3}
    kinds, tokens = {"周山": 0, "北京": 1, "京": 1}, {"周山": (1, 2), "北京": (5, 6), "京": (6, 6)}
    for string, p in wanted.items():
        assert y["spans"][(kinds[string], *tokens[string])] == pytest.approx(p)
    assert (y["spans"] > 0).sum() == 3


def test_subjects_of_the_teacher_leave_the_rest_to_no_subject():
    rows = [{"text": "酒店很干净，房间吵", "subject": "酒店"}, {"text": "环境一般", "subject": ""}]
    task = prepared("subject", rows)
    (example, _) = task.examples(["酒店很干净，房间吵", "环境一般"], gold=False).rows
    answers = [Subject("酒店", Span(0, 2), 0.7), Subject("房间", Span(6, 8), 0.2)]
    _, _, y = targets(task, example, answers, 1.0)
    for output in ("spans", "choice"):
        assert y[output][0, 1, 2] == pytest.approx(0.7) and y[output][0, 7, 8] == pytest.approx(0.2)
        assert y[output][0, 0, 0] == pytest.approx(0.3)
    _, _, y = targets(task, example, [], 1.0)
    assert y["spans"][0, 0, 0] == 1 and (y["spans"] > 0).sum() == 1


def test_product_of_the_targets_of_a_triple_is_its_probability():
    rows = [
        {"text": "the room is clean and the food is bad", "spo_list": [["room", "is", "clean"], ["food", "has", "bad"]]}
    ]
    task = prepared("relation", rows)
    (example,) = task.examples([rows[0]["text"]], gold=False).rows
    answers = [
        Triple("room", "is", "clean", Span(4, 8), Span(12, 17), 0.9),
        Triple("room", "has", "clean", Span(4, 8), Span(12, 17), 0.1),
        Triple("food", "has", "clean", Span(26, 30), Span(12, 17), 0.4),
    ]
    window, x, y = targets(task, example, answers, 1.0)
    outputs = {"spans": y["spans"], "subjects": x["Subjects"], "objects": x["Objects"], "pairs": y["pairs"]}
    found = {each.strings: each.probability for each in task.decode(example, [window], [outputs])}
    assert found == pytest.approx({each.strings: each.probability for each in answers}, rel=1e-5)
    assert (y["spans"] <= 1).all() and (y["pairs"] <= 1).all()


# Trainings --------------------------------------------------------------------------------------------------------


def test_student_learns_from_the_teacher_alone(checkpoint, teacher):
    """Without gold answers (weight 1), the student gives the teacher's answers, also if the labels are exchanged."""
    wrong = [{"好": "坏", "坏": "好"}[label] for label in LABELS]
    task = student(checkpoint, distillation_weight=1.0, **LONG)
    task.fit(TEXTS, wrong, teacher=teacher, unlabelled=["很干净，很好", "太吵，不好"])
    assert [each.label for each in task.predict(TEXTS)] == [each.label for each in teacher.predict(TEXTS)] == LABELS


def test_report_and_saved_task_name_the_teacher(checkpoint, teacher, tmp_path):
    train = rows("classify", 30).assign(label=["好", "坏"] * 15)
    dev = rows("classify", 20, "test").assign(label=["好", "坏"] * 10)
    unlabelled = [*TEXTS, train["text"][0], dev["text"][1], " ", "很好"]
    task = student(checkpoint).fit(train, dev=dev, teacher=teacher, unlabelled=unlabelled)
    report = json.loads(json.dumps(task.report_))
    counts = report["examples"]["unlabelled"]
    assert counts["skipped"] == {distillation.KNOWN: 2, "empty text": 1} and counts["used"] == len(TEXTS) + 1
    assert report["plan"]["texts"] == 30 + len(TEXTS) + 1 == report["plan"]["windows"]
    assert any("9 of the training texts are unlabelled" in line for line in report["plan"]["lines"])
    found = report["teacher"]
    assert set(report["run"]["in_memory"]) >= {"teacher", "unlabelled"}
    assert (found["layers"], found["hidden"], found["seen"]) == (1, 16, {"dev": 0})
    assert found["scores"]["dev"]["accuracy"] == teacher.evaluate(dev)["accuracy"]
    task.add_test(task.evaluate(TEXTS, LABELS), 0.1, task.examples(TEXTS, LABELS).rows)
    text = run_text(task.report_)
    assert f"teacher {teacher.evaluate(TEXTS, LABELS)['accuracy']:.4f})" in text
    assert "it was trained on 8 of the test texts" in text
    assert task.evaluate(TEXTS, LABELS).examples["notes"]["the same text is in the training data"] == 8
    page = html(task.report_, task.answers_)
    assert "test, teacher" in page and "Teacher" in page
    task.save(tmp_path / "run")
    assert "larger model, `uncased_tiny` (1 layers of 16)" in (tmp_path / "run" / "README.md").read_text("utf-8")
    loaded = kb.load(tmp_path / "run")
    assert loaded.teacher_ is None and [each.label for each in loaded.predict(TEXTS)] == [
        each.label for each in task.predict(TEXTS)
    ]


def test_teacher_reads_its_own_vocabulary(teacher, tmp_path):
    """The tokens of the student differ from those of the teacher, which matters for neither."""
    other = tiny.checkpoint(tmp_path / "other_uncased", num_hidden_layers=1, tokens=[*tiny.vocabulary(), "干净"])
    task = student(other, validation_split=0.0).fit(TEXTS, LABELS, teacher=teacher)
    assert task.predict(["好"])


@pytest.mark.parametrize("name", ["entity", "subject", "relation"])
def test_tasks_with_spans_learn_from_a_teacher(name, checkpoint):
    settings = SETTINGS | {"epochs": 1, "validation_split": 0.0}
    train = rows(name, 24)
    teacher = find(name)(checkpoint, **settings).fit(train)
    texts = train.drop(columns=[teacher.settings.label_column]).assign(text="在" + train["text"])
    task = find(name)(checkpoint, **settings).fit(train, teacher=teacher, unlabelled=texts)
    assert np.isfinite(task.report_["history"][0]["loss"])
    assert task.report_["examples"]["unlabelled"]["used"] > 10
    assert task.predict(texts)


def test_several_labels_and_seeds(checkpoint):
    labels = [("a", "b"), ("b",), (), ("a",)] * 2
    settings = {"multi_label": True, "validation_split": 0.0, "epochs": 1}
    teacher = student(checkpoint, **settings).fit(TEXTS, labels)
    task = kb.fit_seeds(
        student(checkpoint, **settings),
        TEXTS,
        labels,
        seeds=2,
        dev=(TEXTS, labels),
        teacher=teacher,
        unlabelled=["很好"],
    )
    assert len(task.report_["seeds"]["each"]) == 2 and "teacher" in task.report_


def test_teacher_answers_once_for_all_seeds(teacher, monkeypatch):
    from kbert_tasks.inference import predict

    calls, original = [], predict.decoded
    monkeypatch.setattr(predict, "decoded", lambda *a, **k: (calls.append(len(a[1])), original(*a, **k))[1])
    monkeypatch.setattr(distillation, "SLICE", 3)
    examples = teacher.examples(TEXTS, gold=False).rows
    first = distillation.answered(teacher, examples)
    again = distillation.answered(teacher, examples)
    assert calls == [3, 3, 2] and again is first and len(first) == 8
    np.testing.assert_allclose(
        first, original(teacher, examples, [teacher.encode(each) for each in examples]), atol=1e-6
    )


def test_interrupted_training_resumes_and_another_teacher_is_refused(checkpoint, teacher, tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    original = backup.Backup.on_train_batch_end

    def stopping(self, batch, logs=None):
        original(self, batch, logs)
        if self.step == 1:
            raise Stopped

    def fit(teacher, unlabelled=("很好",)):
        task = student(checkpoint, save_minutes=1e-6, validation_split=0.0, batch_size=4)
        return task.fit(TEXTS, LABELS, teacher=teacher, unlabelled=[*unlabelled], resume_dir=tmp_path / "progress")

    monkeypatch.setattr(backup.Backup, "on_train_batch_end", stopping)
    with pytest.raises(Stopped):
        fit(teacher)
    monkeypatch.setattr(backup.Backup, "on_train_batch_end", original)
    for other in (
        lambda: fit(teacher, ("不好",)),
        lambda: fit(student(checkpoint, epochs=1, validation_split=0.0).fit(TEXTS, LABELS)),
    ):
        with pytest.raises(kb.InputError, match="the saved progress used distillation"):
            other()
    resumed = fit(teacher)
    whole = student(checkpoint, save_minutes=1e-6, validation_split=0.0, batch_size=4).fit(
        TEXTS, LABELS, teacher=teacher, unlabelled=["很好"]
    )
    for one, other in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# Errors -----------------------------------------------------------------------------------------------------------


def error(task, *arguments, **options):
    with pytest.raises(kb.InputError) as found:
        task.fit(*arguments, **options)
    return str(found.value)


def test_errors_are_one_sentence(checkpoint, teacher, tmp_path):
    task = student(checkpoint)
    assert "does not exist" in error(task, TEXTS, LABELS, teacher=tmp_path / "nowhere")
    assert "is not trained" in error(task, TEXTS, LABELS, teacher=student(checkpoint))
    message = error(task, TEXTS, [*LABELS[:-1], "一般"], teacher=teacher)
    assert "different labels: only the training rows have 一般; train the teacher" in message
    assert "only the teacher has 坏" in error(task, TEXTS, ["好", "差"] * 4, teacher=teacher)
    pairs = [(text, "好") for text in TEXTS]
    assert "the teacher reads single texts, and the training rows are pairs" in error(
        task, pairs, LABELS, teacher=teacher
    )
    several = student(checkpoint, multi_label=True, validation_split=0.0)
    assert "have several labels per text, not both" in error(several, TEXTS, LABELS, teacher=teacher)
    assert "unlabelled texts need a teacher" in error(task, TEXTS, LABELS, unlabelled=["好"])
    message = error(task, TEXTS, LABELS, teacher=teacher, unlabelled=[" ", TEXTS[0]])
    assert "no unlabelled texts to learn from: 2 rows read, none used (empty text 1, also a training" in message
    other = kb.EntityRecognizer(checkpoint)
    entities = [{"text": "周山去了北京", "entities": [[0, 2, "人物"]]}]
    assert "a model for the task classify, not entity" in error(other, entities, teacher=teacher)


def test_task_without_the_method_is_an_error(checkpoint, teacher, monkeypatch):
    from kbert_tasks.tasks.hooks import Hooks

    monkeypatch.setattr(kb.TextClassifier, "taught", Hooks.taught)
    assert "does not define taught" in error(student(checkpoint), TEXTS, LABELS, teacher=teacher)


# The command ------------------------------------------------------------------------------------------------------


def test_command_trains_with_a_teacher_and_several_files(checkpoint, teacher, tmp_path, capsys):
    teacher.save(tmp_path / "teacher")
    (tmp_path / "train.csv").write_text(
        "text,label\n" + "".join(f"{t},{a}\n" for t, a in zip(TEXTS, LABELS, strict=True))
    )
    (tmp_path / "one.txt").write_text("很好\n不好\n")
    (tmp_path / "two.csv").write_text("text,label\n服务很好，房间很好,好\n")
    given = ["--train", f"{tmp_path}/train.csv", "--dev", f"{tmp_path}/train.csv", "--test", f"{tmp_path}/train.csv"]
    given += ["--checkpoint", str(checkpoint), "--epochs", "1", "--output", f"{tmp_path}/run", "--max-length", "16"]
    teaching = ["--teacher", f"{tmp_path}/teacher"]
    files = ["--unlabelled", f"{tmp_path}/one.txt", f"{tmp_path}/two.csv"]
    assert cli.train([*given, *teaching, *files]) == 0
    assert "teacher: uncased_tiny, 1 layers of 16" in capsys.readouterr().out
    report = json.loads((tmp_path / "run" / "report.json").read_text("utf-8"))
    assert report["examples"]["unlabelled"]["used"] == 3
    assert report["run"]["options"]["unlabelled"] == files[1:]
    assert report["run"]["checksums"].keys() == {"checkpoint", "train", "dev", "test", "teacher", "unlabelled"}
    assert report["teacher"]["scores"].keys() == {"dev", "test"} and report["teacher"]["seen"] == {"dev": 8, "test": 8}
    again = ["--config", f"{tmp_path}/run/run.yaml", "--output", f"{tmp_path}/again"]
    assert cli.train(again) == 0
    capsys.readouterr()
    one, other = (kb.load(tmp_path / name) for name in ("run", "again"))
    for before, after in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert other.report_["run"]["options"]["teacher"] == f"{tmp_path}/teacher"
    for wrong, message in (
        (files, "--unlabelled needs the model that answers these texts"),
        ([*teaching, "--folds", "2"], "--folds"),
        (["--teacher", f"{tmp_path}/nowhere"], "does not exist"),
    ):
        assert cli.train([*given, *wrong]) == 2
        assert message in capsys.readouterr().err
