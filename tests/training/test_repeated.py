"""Training with several seeds and with folds."""

import copy
import json
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks.cli import train
from kbert_tasks.data import tables as data
from kbert_tasks.data.split import folds_of, hold_out
from kbert_tasks.metrics.formatting import run_text
from kbert_tasks.reporting import tables
from kbert_tasks.samples import path

SETTINGS = {"epochs": 1, "max_length": 16, "learning_rate": 1e-3, "precision": "float32", "validation_split": 0.1}


def rows(part="train", number=40):
    return data.read(path("classify", "zh", part)).head(number)


def test_each_seed_equals_its_own_training_and_the_best_is_kept(checkpoint, tmp_path):
    task = kb.TextClassifier(checkpoint, **SETTINGS, seed=3)
    best = kb.fit_seeds(
        task, rows(), seeds=2, dev=rows("test", 20), test=rows("test", 30), resume_dir=str(tmp_path / "progress")
    )
    report = best.report_["seeds"]
    assert [each["seed"] for each in report["each"]] == [3, 4] and task.model is None
    for each in report["each"][1:]:  # the first seed trains as without seeds
        alone = kb.TextClassifier(checkpoint, **SETTINGS, seed=each["seed"]).fit(rows(), dev=rows("test", 20))
        assert each["dev"] == {n: v for n, v in alone.report_["scores"]["dev"].items() if isinstance(v, int | float)}
        assert each["test"]["accuracy"] == alone.evaluate(rows("test", 30))["accuracy"]
    dev = [each["dev"]["accuracy"] for each in report["each"]]
    assert report["kept"] == best.settings.seed == 3 + dev.index(max(dev))
    test = [each["test"]["accuracy"] for each in report["each"]]
    assert report["mean"]["test"]["accuracy"] == pytest.approx(statistics.mean(test))
    assert report["sd"]["test"]["accuracy"] == pytest.approx(statistics.stdev(test))
    assert {each.name for each in (tmp_path / "progress").iterdir()} == {"seed-3", "seed-4"}


def test_all_seeds_hold_out_the_same_rows(checkpoint, monkeypatch):
    seen, original = [], kb.TextClassifier.tune
    monkeypatch.setattr(
        kb.TextClassifier, "tune", lambda self, rows, *rest: (seen.append([*rows]), original(self, rows, *rest))[1]
    )
    kb.fit_seeds(kb.TextClassifier(checkpoint, **SETTINGS), rows(), seeds=2)
    assert len(seen) == 2 and seen[0] == seen[1] and seen[0]


def test_folds_predict_each_row_once_with_a_model_not_trained_on_it(checkpoint, monkeypatch):
    tested, original = [], kb.TextClassifier.evaluate

    def evaluate(self, examples):
        tested.append([example.text for example in examples.rows])
        report = original(self, examples)
        assert "the same text is in the training data" not in report.examples["notes"]
        return report

    monkeypatch.setattr(kb.TextClassifier, "evaluate", evaluate)
    whole = kb.fit_folds(kb.TextClassifier(checkpoint, **SETTINGS), rows(), folds=2)
    assert sorted(text for each in tested for text in each) == sorted(rows().text)
    assert [each["fold"] for each in whole.report_["folds"]["each"]] == [1, 2]
    baseline = whole.report_["folds"]["baseline"]
    assert baseline["mean"]["test"].keys() == baseline["sd"]["test"].keys() == {"accuracy", "macro_f1"}
    assert f"test accuracy     {baseline['mean']['test']['accuracy']:.4f} ± " in run_text(whole.report_)
    assert "baseline: mean" in [row[0] for row in tables.runs(whole.report_["folds"], "fold").rows]
    assert whole.report_["examples"]["train"]["used"] + whole.report_["examples"]["dev"]["used"] == 40


def test_seeds_accept_development_texts_with_labels(checkpoint):
    dev = (["好", "坏", "还行"], ["x", "y", "x"])
    best = kb.fit_seeds(kb.TextClassifier(checkpoint, **SETTINGS), ["好", "坏"] * 3, ["x", "y"] * 3, seeds=2, dev=dev)
    assert best.report_["examples"]["dev"]["used"] == 3 and len(best.report_["seeds"]["each"]) == 2


def test_too_large_seed_is_reported_before_the_first_training(checkpoint, monkeypatch):
    monkeypatch.setattr(kb.TextClassifier, "fit", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(kb.InputError, match="seed should be at most 2147483647, not 2147483648"):
        kb.fit_seeds(kb.TextClassifier(checkpoint, **SETTINGS | {"seed": 2**31 - 1}), rows(), seeds=2)


def test_folds_without_a_label_are_reported_before_the_first_training(checkpoint, monkeypatch):
    monkeypatch.setattr(kb.TextClassifier, "fit", lambda *_, **__: pytest.fail("trained"))
    texts = [f"text {n}" for n in range(31)]
    with pytest.raises(
        kb.InputError, match=r"without fold \d of 5, the training rows are not sufficient: .* 1 different labels"
    ):
        kb.fit_folds(kb.TextClassifier(checkpoint, **SETTINGS), texts, ["A"] * 30 + ["B"], folds=5)


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_last_text_of_a_label_is_not_held_out(seed, share):
    task = kb.TextClassifier(seed=seed, validation_split=share)
    labels = ["A"] * 97 + ["B", "C", "C"]
    examples = task.examples([{"text": f"text {n}", "label": label} for n, label in enumerate(labels)])
    train, dev = hold_out(task, examples, task.settings.validation_split)
    assert {example.label for example in train.rows} == {"A", "B", "C"}
    assert 100 * share - 1 <= len(dev.rows) <= 100 * share


@given(
    st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("xy")), min_size=8, max_size=40),
    st.integers(2, 4),
)
def test_folds_share_no_text_and_contain_all_texts(pairs, number):
    task = kb.TextClassifier()
    examples = task.examples([{"text": text, "label": label} for text, label in pairs])
    if len({text for text, _ in pairs}) < number:
        with pytest.raises(kb.InputError, match=f"{number} folds need at least"):
            [*folds_of(task, examples, number)]
        return
    parts = [[*map(examples.part, places)] for places in folds_of(task, examples, number)]
    assert len(parts) == number
    for rest, part in parts:
        assert not {e.text for e in rest.rows} & {e.text for e in part.rows}
        assert len(rest.rows) + len(part.rows) == len(pairs) == rest.read + part.read
    assert sorted(source for _, part in parts for source in part.sources) == sorted(examples.sources)


def test_folds_of_labels_with_fewer_texts_than_folds():
    task = kb.TextClassifier()
    examples = task.examples([{"text": f"text {n}", "label": "abc"[n % 3]} for n in range(12)])
    parts = [[*map(examples.part, places)] for places in folds_of(task, examples, 5)]
    assert sorted(source for _, part in parts for source in part.sources) == sorted(examples.sources)
    assert min(len(part.rows) for _, part in parts) >= 2


def test_command_prints_each_seed_and_the_mean(checkpoint, tmp_path, capsys):
    rows().to_csv(tmp_path / "train.csv", index=False)
    arguments = [
        "--checkpoint",
        str(checkpoint),
        "--train",
        str(tmp_path / "train.csv"),
        "--output",
        str(tmp_path / "run"),
    ]
    arguments += ["--test", str(tmp_path / "train.csv"), "--epochs", "1", "--max-length", "16"]
    assert train([*arguments, "--seeds", "2"]) == 0
    out = capsys.readouterr().out
    assert "2 seeds, mean, standard deviation and each (seed 1, 2)" in out and "test accuracy" in out
    assert "is kept because it has the best development score" in out
    assert {"each", "mean", "sd", "kept"} == json.loads((tmp_path / "run" / "report.json").read_text())["seeds"].keys()
    assert train([*arguments, "--folds", "1"]) == 2
    assert "folds should be a whole number of at least 2, not 1" in capsys.readouterr().err
    assert train([*arguments, "--folds", "2", "--seeds", "2"]) == 2
    assert train([*arguments, "--folds", "2", "--dev", str(tmp_path / "train.csv")]) == 2
    assert "--folds takes the development texts from the training texts" in capsys.readouterr().err


def test_rows_are_read_by_a_new_task(checkpoint, monkeypatch):
    task = kb.SubjectExtractor(checkpoint, **SETTINGS).fit(data.read(path("subject", "zh", "train")).head(20))
    readers, original = [], kb.SubjectExtractor.examples
    monkeypatch.setattr(
        kb.SubjectExtractor, "examples", lambda self, *rest: (readers.append(self), original(self, *rest))[1]
    )
    before = dict(task.__dict__)

    def fit(self, *_, **__):  # sets the attributes that a training sets
        vars(self).update(before | {"settings": self.settings, "report_": copy.deepcopy(before["report_"])})
        return self

    monkeypatch.setattr(kb.SubjectExtractor, "fit", fit)
    kb.fit_seeds(task, data.read(path("subject", "zh", "train")).head(20), seeds=2)
    kb.fit_folds(task, data.read(path("subject", "zh", "train")).head(20), folds=2)
    assert task not in readers and {
        name: task.__dict__[name] is value for name, value in before.items()
    } == dict.fromkeys(before, True)
