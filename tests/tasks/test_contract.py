"""What every task must do, run on every task there is, with its own sample data."""

import contextlib
import copy
import dataclasses
import json
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import tasks
from kbert_tasks.samples import path
from kbert_tasks.saving import folder

FEW = {"epochs": 2, "max_length": 32, "learning_rate": 1e-3, "precision": "float32", "validation_split": 0.1}


@pytest.fixture(scope="module", params=tasks.names())
def trained(request, two_layers):
    """(task, its training rows, its test rows): trained for two epochs on a part of its sample."""
    train, test = (kb.read(path(request.param, "zh", part)).head(60) for part in ("train", "test"))
    return tasks.find(request.param)(two_layers, **FEW).fit(train), train, test


@pytest.fixture(scope="module")
def other(trained, two_layers):
    """Another seed, with the test rows as development rows."""
    task, train, test = trained
    return type(task)(two_layers, **FEW, seed=2).fit(train, dev=test)


def same(one, other):
    return [dataclasses.asdict(p) for p in one] == [dataclasses.asdict(p) for p in other]


def alike(one, other):
    """Equal, but for the rounding of floats."""
    if isinstance(one, float):
        return one == pytest.approx(other, abs=1e-5)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other


@pytest.mark.parametrize("name", tasks.names())
@pytest.mark.parametrize("module", ["__main__", "my_task", "my_package.my_task"])
def test_a_subclass_in_any_module_has_the_name_of_its_task(name, module):
    assert type("Mine", (tasks.find(name),), {"__module__": module})().name == name


def test_fit_returns_self_and_counts_every_row(trained):
    task, train, _ = trained
    counts = task.report_["examples"]
    assert counts["train"]["read"] + counts["dev"]["read"] == len(train)
    for part in counts.values():
        assert part["read"] == part["used"] + part.get("joined", 0) + sum(part["skipped"].values())


def test_the_report_has_the_names_that_others_script_against(trained):
    task, train, test = trained
    report = json.loads(json.dumps(task.report_))
    assert {"task", "settings", "versions", "checkpoint", "scores", "examples", "history", "seconds"} <= report.keys()
    assert {"load", "tokenize", "train", "evaluate"} <= report["seconds"].keys()
    assert [epoch["epoch"] for epoch in report["history"]] == [1, 2]
    for epoch in report["history"]:
        assert epoch["loss"] > 0 and epoch["seconds"] > 0
        assert task.MAIN_SCORE in epoch["dev"]
    assert report["scores"]["dev"][task.MAIN_SCORE] == max(e["dev"][task.MAIN_SCORE] for e in report["history"])
    assert report["settings"] == task.settings.as_dict()
    lengths = report["lengths"]["train"]
    assert lengths == sorted(lengths) and lengths[0] > 2 and len(lengths) == 201


def test_every_weight_of_the_encoder_has_learnt(trained, two_layers):
    task, checkpoint = trained[0], two_layers
    start = kb.load_trained_model_from_checkpoint(f"{checkpoint}/bert_config.json", f"{checkpoint}/bert_model.ckpt")
    for layer in start.layers:
        for before, after in zip(layer.get_weights(), task.model.get_layer(layer.name).get_weights(), strict=True):
            assert not np.array_equal(before, after), layer.name


def test_one_prediction_for_each_text_in_order_whatever_the_batches(trained):
    task, _, test = trained
    whole = task.predict(test)
    assert len(whole) == len(test)
    backwards = task.predict(test[::-1])[::-1]
    singly = [task.predict(test.iloc[i : i + 1])[0] for i in range(5)]
    assert {tuple(task.to_dict(p)) for p in whole} == {task.ANSWER}
    for one, other in (*zip(whole, backwards, strict=True), *zip(whole, singly, strict=False)):
        assert alike(dataclasses.asdict(one), dataclasses.asdict(other))


def test_an_empty_text_has_no_prediction_and_no_effect(trained):
    task, _, test = trained
    rows = test.head(3).copy()
    rows.iloc[1, rows.columns.get_loc(task.settings.text_column)] = " "
    answers = task.predict(rows)
    assert answers[1] is None and answers[0] is not None and answers[2] is not None
    report = task.evaluate(rows)
    assert report.examples["skipped"] == {"empty text": 1}
    assert (report.examples["read"], report.examples["used"]) == (3, 2)


def test_every_answer_is_recorded(trained, tmp_path):
    task, _, test = trained
    report = task.evaluate(test)
    assert len(report.answers) == report.examples["used"]
    for each in report.answers:
        assert each.keys() >= {"row", "text", "gold", "predicted", "right", "loss", "tokens"}
        assert each["loss"] >= 0 and each["tokens"] > 2
    wrong = [each["text"] for each in report.answers if not each["right"]]
    assert wrong == [each["text"] for each in report.errors]
    task.save(tmp_path / "run")
    lines = (tmp_path / "run" / "answers.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == [each["text"] for each in task.answers_]
    assert json.loads(json.dumps(kb.load(tmp_path / "run").answers_)) == json.loads(json.dumps(task.answers_))


def test_answers_and_errors_have_the_numbers_of_their_rows(trained):
    task, train, test = trained
    rows = test.copy()
    rows.iloc[1, rows.columns.get_loc("text")] = " "  # a row that is skipped is counted
    report = task.evaluate(rows)
    # Without a development file, the answers after training are to rows of the training file.
    for table, found in ((rows, report.answers), (rows, report.errors), (train, task.answers_), (train, task.errors_)):
        texts = list(table["text"])
        assert [texts[each["row"] - 1] for each in found] == [each["text"] for each in found]
        for each in found:
            all_rows = each.get("rows", [each["row"]])
            assert all_rows[0] == each["row"] and {texts[row - 1] for row in all_rows} == {each["text"]}
    assert report.answers[1]["row"] > 2
    assert sum(len(each.get("rows", [0])) for each in report.answers) == len(rows) - 1


def test_no_texts_no_predictions(trained):
    task, _, _ = trained
    assert task.predict([]) == []


def test_evaluate_agrees_with_the_development_score(trained, other):
    _, _, test = trained
    assert other.evaluate(test).scores == other.report_["scores"]["dev"]


def test_texts_that_were_trained_on_are_noticed(trained):
    task, train, _ = trained
    notes = task.evaluate(train).examples["notes"]
    assert notes["the same text is in the training data"] == task.report_["examples"]["train"]["used"]


def test_the_seed_repeats_everything(trained, two_layers):
    task, train, test = trained
    again = type(task)(two_layers, **FEW).fit(train)
    assert [e["loss"] for e in again.report_["history"]] == [e["loss"] for e in task.report_["history"]]
    assert same(again.predict(test), task.predict(test))


@pytest.mark.slow
def test_another_seed_changes_everything(trained, other, two_layers):
    task, train, test = trained
    first = type(task)(two_layers, **FEW).fit(train, dev=test)
    assert [e["loss"] for e in other.report_["history"]] != [e["loss"] for e in first.report_["history"]]


@pytest.mark.slow  # a process for each task; test_a_loaded_task_knows_all_that_it_knew loads in this one
def test_a_saved_task_predicts_the_same_in_a_new_process_without_the_checkpoint(trained, tmp_path):
    task, _, test = trained
    task.save(tmp_path / "run")
    moved = shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    texts = test.to_dict("records")
    program = (
        "import json, sys, kbert_tasks as kb; task = kb.load(sys.argv[1]);"
        "print(json.dumps([task.to_dict(p) for p in task.predict(json.load(sys.stdin))]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, moved], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == json.loads(json.dumps([task.to_dict(p) for p in task.predict(texts)]))
    assert done.stderr == ""


def test_a_loaded_task_knows_all_that_it_knew(trained, tmp_path):
    task, _, test = trained
    task.save(tmp_path / "somewhere")
    shutil.move(tmp_path / "somewhere", tmp_path / "run")
    again = kb.load(tmp_path / "run")
    assert again.checkpoint is None
    assert same(again.predict(test), task.predict(test))
    assert again.settings == task.settings
    assert again.report_ == json.loads(json.dumps(task.report_))
    assert again.errors_ == json.loads(json.dumps(task.errors_))
    assert again.evaluate(test).scores == task.evaluate(test).scores
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == sorted(set(folder.LAYOUT) - {folder.PAGE})


def test_every_task_has_a_report_a_comparison_and_an_explanation(trained, tmp_path):
    fitted, _, test = trained
    fitted.save(tmp_path / "one")
    task = kb.load(tmp_path / "one")
    report = task.evaluate(test)
    task.add_test(report, 0.1)
    for name in ("one", "two"):
        task.save(tmp_path / name)
    kb.report(task, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<h1>") == 1 and '<ol class="mistakes">' in page
    (difference,) = kb.compare([tmp_path / "one", tmp_path / "two"]).differences
    assert difference.why_not is None and difference.texts == len(report.answers)
    assert all(each.baseline == each.run for each in difference.scores.values()) and difference.scores
    assert any(_explanation(task, answer, gold) for answer in report.answers for gold in _gold(task, answer))


def _gold(task, answer):
    return task.explained_answers(answer["gold"])


def _explanation(task, answer, gold):
    """The Explanation of a gold answer, or None where the task cannot give that answer."""
    text, second = (answer.get(key) for key in task.presentation.question)
    with contextlib.suppress(kb.InputError):
        return kb.explain(task, text, second, gold, steps=2, attention=False)


def test_a_copy_answers_the_same(trained):
    task, _, test = trained
    untrained = pickle.loads(pickle.dumps(type(task)(task.checkpoint, **FEW)))
    assert untrained.settings == task.settings and untrained.model is None
    wanted = task.predict(test)  # after the first prediction there is a graph, which cannot be copied
    for again in (pickle.loads(pickle.dumps(task)), copy.deepcopy(task)):
        assert same(again.predict(test), wanted) and same(task.predict(test), wanted)
        assert again.model is not task.model and again.report_ == task.report_ and again.settings == task.settings
        assert again.evaluate(test).scores == task.evaluate(test).scores


def test_a_failed_fit_leaves_the_task_as_it_was(trained):
    task, train, test = trained
    before = task.predict(test)
    with pytest.raises(kb.InputError):
        task.fit(train.head(0))
    assert same(task.predict(test), before)


def test_special_tokens_in_a_text_are_text(trained):
    task, _, _ = trained
    ids = task.tokenizer.encode("好 [SEP] [MASK] 坏").ids
    marks = [task.tokenizer.vocabulary.index(token) for token in ("[SEP]", "[MASK]")]
    assert [int((ids == mark).sum()) for mark in marks] == [1, 0]


def test_an_untrained_task_says_so(trained, checkpoint, tmp_path):
    fresh = type(trained[0])(checkpoint)
    for call in (
        lambda: fresh.predict(["a"]),
        lambda: fresh.evaluate(["a"], ["b"]),
        lambda: fresh.save(tmp_path / "x"),
    ):
        with pytest.raises(kb.InputError, match="is not trained: call fit"):
            call()


def test_a_stranger_cannot_make_the_program_import_anything(trained, tmp_path):
    trained[0].save(tmp_path / "run")
    file = tmp_path / "run" / "task.json"
    for name in ("os", "base", "../tasks", "kbert_tasks.cli", "__init__"):
        file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"task": name}), encoding="utf-8")
        with pytest.raises(kb.InputError, match="there is no task"):
            kb.load(tmp_path / "run")
