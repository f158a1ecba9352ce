"""The requirements for every task, tested for each task with its own sample data."""

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
from kbert_tasks.inference.predict import decoded
from kbert_tasks.samples import path
from kbert_tasks.saving import folder
from kbert_tasks.tasks.span_task import SpanTask

FEW = {"epochs": 2, "max_length": 32, "learning_rate": 1e-3, "precision": "float32", "validation_split": 0.1}


CASES = {name: (name, {}) for name in tasks.names()} | {"subject-find-types": ("subject", {"find_types": True})}


@pytest.fixture(scope="module", params=CASES)
def trained(request, two_layers):
    """(task, training rows, test rows): a task trained for two epochs on a part of its sample."""
    name, settings = CASES[request.param]
    train, test = (kb.read(path(name, "zh", part)).head(60) for part in ("train", "test"))
    return tasks.find(name)(two_layers, **FEW, **settings).fit(train), train, test


def like(task, **changes):
    """An untrained task with the same checkpoint and settings, except for `changes`."""
    return type(task)(**task.get_params() | changes)


@pytest.fixture(scope="module")
def other(trained):
    """The task trained with another seed and with the test rows as development rows."""
    task, train, test = trained
    return like(task, seed=2).fit(train, dev=test)


def same_predictions(one, other):
    return [dataclasses.asdict(p) for p in one] == [dataclasses.asdict(p) for p in other]


def almost_equal(one, other):
    """Whether two values are equal except for the rounding of floats."""
    if isinstance(one, float):
        return one == pytest.approx(other, abs=1e-5)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(almost_equal(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(almost_equal, one, other))
    return one == other


@pytest.mark.parametrize("name", tasks.names())
@pytest.mark.parametrize("module", ["__main__", "my_task", "my_package.my_task"])
def test_a_subclass_in_any_module_has_the_name_of_its_task(name, module):
    assert type("Mine", (tasks.find(name),), {"__module__": module})().name == name


def test_every_gold_answer_has_a_probability(trained):
    task, train, _ = trained
    if not isinstance(task, SpanTask):
        pytest.skip("its answers are not parts of the text")
    rows = task.examples(train).rows
    encoded = [task.encode(example) for example in rows]
    evidence = decoded(task, rows, encoded, decode=task.judging().evidence)
    seen = total = 0
    for example, each in zip(rows, evidence, strict=True):
        candidates = task.keyed(each.candidates)
        assert each.gold.keys() <= task.keyed(example).keys()
        total += len(task.keyed(example))
        for key, p in each.gold.items():
            assert 0 <= p <= 1 and (key not in candidates or candidates[key].probability == pytest.approx(p, abs=1e-6))
            seen += p > 0
    assert seen > 0.9 * total > 0  # some triples are not in one window


def test_fit_returns_self_and_counts_every_row(trained):
    task, train, _ = trained
    counts = task.report_["examples"]
    assert counts["train"]["read"] + counts["dev"]["read"] == len(train)
    for part in counts.values():
        assert part["read"] == part["used"] + part.get("joined", 0) + sum(part["skipped"].values())


def test_report_has_the_documented_names(trained):
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


def test_every_weight_of_the_encoder_changes_in_training(trained, two_layers):
    task, checkpoint = trained[0], two_layers
    start = kb.load_trained_model_from_checkpoint(f"{checkpoint}/bert_config.json", f"{checkpoint}/bert_model.ckpt")
    for layer in start.layers:
        for before, after in zip(layer.get_weights(), task.model.get_layer(layer.name).get_weights(), strict=True):
            assert not np.array_equal(before, after), layer.name


def test_predictions_are_in_order_and_independent_of_the_batches(trained):
    task, _, test = trained
    in_one_call = task.predict(test)
    assert len(in_one_call) == len(test)
    reversed_order = task.predict(test[::-1])[::-1]
    singly = [task.predict(test.iloc[i : i + 1])[0] for i in range(5)]
    assert {tuple(task.to_dict(p)) for p in in_one_call} == {task.ANSWER}
    for one, other in (*zip(in_one_call, reversed_order, strict=True), *zip(in_one_call, singly, strict=False)):
        assert almost_equal(dataclasses.asdict(one), dataclasses.asdict(other))


def test_empty_text_has_no_prediction_and_no_effect_on_others(trained):
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
    for answer in report.answers:
        assert answer.keys() >= {"row", "text", "gold", "predicted", "right", "loss", "tokens"}
        assert answer["loss"] >= 0 and answer["tokens"] > 2
    wrong = [answer["text"] for answer in report.answers if not answer["right"]]
    assert wrong == [answer["text"] for answer in report.errors]
    task.save(tmp_path / "run")
    lines = (tmp_path / "run" / "answers.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == [answer["text"] for answer in task.answers_]
    assert json.loads(json.dumps(kb.load(tmp_path / "run").answers_)) == json.loads(json.dumps(task.answers_))


def test_answers_and_errors_have_the_right_row_numbers(trained):
    task, train, test = trained
    rows = test.copy()
    rows.iloc[1, rows.columns.get_loc("text")] = " "  # a skipped row is counted
    report = task.evaluate(rows)
    # Without a development file, the answers after training belong to rows of the training file.
    for table, found in ((rows, report.answers), (rows, report.errors), (train, task.answers_), (train, task.errors_)):
        texts = list(table["text"])
        assert [texts[each["row"] - 1] for each in found] == [each["text"] for each in found]
        for each in found:
            all_rows = each.get("rows", [each["row"]])
            assert all_rows[0] == each["row"] and {texts[row - 1] for row in all_rows} == {each["text"]}
    assert report.answers[1]["row"] > 2
    assert sum(len(each.get("rows", [0])) for each in report.answers) == len(rows) - 1


def test_empty_list_has_no_predictions(trained):
    task, _, _ = trained
    assert task.predict([]) == []


def test_evaluate_gives_the_development_scores(trained, other):
    _, _, test = trained
    assert other.evaluate(test).scores == other.report_["scores"]["dev"]


def test_texts_in_the_training_data_are_counted(trained):
    task, train, _ = trained
    notes = task.evaluate(train).examples["notes"]
    assert notes["the same text is in the training data"] == task.report_["examples"]["train"]["used"]


def test_same_seed_repeats_training(trained):
    task, train, test = trained
    repeated = like(task).fit(train)
    assert [e["loss"] for e in repeated.report_["history"]] == [e["loss"] for e in task.report_["history"]]
    assert same_predictions(repeated.predict(test), task.predict(test))


@pytest.mark.slow
def test_another_seed_changes_training(trained, other):
    task, train, test = trained
    first = like(task).fit(train, dev=test)
    assert [e["loss"] for e in other.report_["history"]] != [e["loss"] for e in first.report_["history"]]


@pytest.mark.slow  # one process per task; test_loaded_task_equals_the_saved_one needs none
def test_saved_task_predicts_the_same_in_a_new_process_without_checkpoint(trained, tmp_path):
    task, _, test = trained
    task.save(tmp_path / "run")
    moved = shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    texts = test.to_dict("records")
    if getattr(
        task.settings, "find_types", False
    ):  # its texts have no other column: a message would say that it is not read
        texts = [{"text": each["text"]} for each in texts]
    program = (
        "import json, sys, kbert_tasks as kb; task = kb.load(sys.argv[1]);"
        "print(json.dumps([task.to_dict(p) for p in task.predict(json.load(sys.stdin))]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, moved], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout) == json.loads(json.dumps([task.to_dict(p) for p in task.predict(texts)]))
    assert result.stderr == ""


def test_loaded_task_equals_the_saved_one(trained, tmp_path):
    task, _, test = trained
    task.save(tmp_path / "somewhere")
    shutil.move(tmp_path / "somewhere", tmp_path / "run")
    loaded = kb.load(tmp_path / "run")
    assert loaded.checkpoint is None
    assert same_predictions(loaded.predict(test), task.predict(test))
    assert loaded.settings == task.settings
    assert loaded.report_ == json.loads(json.dumps(task.report_))
    assert loaded.errors_ == json.loads(json.dumps(task.errors_))
    assert loaded.evaluate(test).scores == task.evaluate(test).scores
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == sorted(set(folder.LAYOUT) - {folder.PAGE})


def test_report_comparison_and_explanation_work(trained, tmp_path):
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
    """The Explanation of a gold answer, or None if the task cannot give that answer."""
    text, second = (answer.get(key) for key in task.presentation.question)
    with contextlib.suppress(kb.InputError):
        return kb.explain(task, text, second, gold, steps=2, attention=False)


def test_copy_gives_the_same_answers(trained):
    task, _, test = trained
    untrained = pickle.loads(pickle.dumps(like(task)))
    assert untrained.settings == task.settings and untrained.model is None
    wanted = task.predict(test)  # the first prediction builds a graph, which cannot be copied
    for copied in (pickle.loads(pickle.dumps(task)), copy.deepcopy(task)):
        assert same_predictions(copied.predict(test), wanted) and same_predictions(task.predict(test), wanted)
        assert copied.model is not task.model and copied.report_ == task.report_ and copied.settings == task.settings
        assert copied.evaluate(test).scores == task.evaluate(test).scores


def test_failed_fit_does_not_change_the_task(trained):
    task, train, test = trained
    before = task.predict(test)
    with pytest.raises(kb.InputError):
        task.fit(train.head(0))
    assert same_predictions(task.predict(test), before)


def test_special_tokens_in_a_text_are_ordinary_text(trained):
    task, _, _ = trained
    ids = task.tokenizer.encode("好 [SEP] [MASK] 坏").ids
    special_ids = [task.tokenizer.vocabulary.index(token) for token in ("[SEP]", "[MASK]")]
    assert [int((ids == special_id).sum()) for special_id in special_ids] == [1, 0]


def test_untrained_task_is_reported(trained, checkpoint, tmp_path):
    fresh = type(trained[0])(checkpoint)
    for call in (
        lambda: fresh.predict(["a"]),
        lambda: fresh.evaluate(["a"], ["b"]),
        lambda: fresh.save(tmp_path / "x"),
    ):
        with pytest.raises(kb.InputError, match="is not trained: call fit"):
            call()


def test_saved_folder_cannot_import_other_modules(trained, tmp_path):
    trained[0].save(tmp_path / "run")
    file = tmp_path / "run" / "task.json"
    for name in ("os", "base", "../tasks", "kbert_tasks.cli", "__init__"):
        file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"task": name}), encoding="utf-8")
        with pytest.raises(kb.InputError, match="there is no task"):
            kb.load(tmp_path / "run")
