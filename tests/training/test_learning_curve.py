"""Training with growing shares of the training texts."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks.cli import train
from kbert_tasks.data.split import shares_of
from kbert_tasks.metrics.formatting import learning_curve_lines, run_text
from kbert_tasks.reporting.report import html
from kbert_tasks.training.learning_curve import checked_shares

from ..reporting import made
from ..reporting.reading import Page

SETTINGS = {"epochs": 1, "max_length": 16, "learning_rate": 1e-3, "precision": "float32", "baseline": False}
ROWS = [{"text": f"{'房间很干净' if n % 2 else '太吵了'}{n}", "label": "坏好"[n % 2]} for n in range(24)]


@given(
    st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), st.sampled_from("xyz")), min_size=4, max_size=60),
    st.lists(st.floats(0.01, 1), min_size=2, max_size=4, unique=True).map(sorted),
)
def test_shares_are_nested_stratified_and_keep_equal_texts_together(pairs, shares):
    task = kb.TextClassifier()
    examples = task.examples([{"text": text, "label": label} for text, label in pairs])
    kinds = {}
    for text, label in pairs:
        kinds.setdefault(text, label)
    parts = shares_of(task, examples, [*shares, 1.0])
    assert parts[-1].sources == examples.sources
    before = set()
    for share, part in zip(shares, parts, strict=False):
        texts = {example.text for example in part.rows}
        assert before <= texts and len(texts) == max(1, round(share * len(kinds)))
        assert len(part.rows) == sum(text in texts for text, _ in pairs)
        found, all_kinds = Counter(kinds[text] for text in texts), Counter(kinds.values())
        # Each kind alone differs from its share by less than a text, and all of them together by half a text.
        assert all(abs(found[kind] - len(texts) / len(kinds) * all_kinds[kind]) < 2 for kind in all_kinds)
        before = texts


def test_kinds_with_one_text_are_spread_over_the_shares():
    task = kb.TextClassifier()
    examples = task.examples([{"text": f"t{n}", "label": str(n)} for n in range(400)])
    (part,) = shares_of(task, examples, [0.25])
    places = np.array([source[0] for source in part.sources])
    assert len(places) == 100 and 150 < places.mean() < 250


def test_largest_share_is_the_same_training_as_without_a_curve(checkpoint, tmp_path, monkeypatch):
    dev, original = [], kb.TextClassifier.tune
    monkeypatch.setattr(
        kb.TextClassifier, "tune", lambda self, rows, *rest: (dev.append([*rows]), original(self, rows, *rest))[1]
    )
    task = kb.TextClassifier(checkpoint, **SETTINGS, validation_split=0.25)
    best = kb.fit_learning_curve(task, ROWS, shares=[1, 0.5], test=ROWS[:6], resume_dir=tmp_path / "progress")
    alone = kb.TextClassifier(checkpoint, **SETTINGS, validation_split=0.25).fit(ROWS)
    assert task.model is None and dev[0] == dev[1] == dev[2] and len(dev[0]) == 6
    assert all(map(np.array_equal, best.model.get_weights(), alone.model.get_weights()))
    curve = best.report_["learning_curve"]
    assert [(each["share"], each["texts"]) for each in curve["each"]] == [(0.5, 9), (1.0, 18)]
    assert curve["each"][1]["dev"]["accuracy"] == alone.report_["scores"]["dev"]["accuracy"]
    assert curve["each"][1]["test"]["accuracy"] == alone.evaluate(ROWS[:6])["accuracy"]
    difference = curve["each"][1]["test"]["accuracy"] - curve["each"][0]["test"]["accuracy"]
    assert curve["gain"] == {"part": "test", "from": 9, "to": 18, "difference": difference, "per_doubling": difference}
    assert {each.name for each in (tmp_path / "progress").iterdir()} == {"share-0.5", "share-1"}
    assert best.report_["run"]["options"]["learning_curve"] == [0.5, 1.0]
    assert "\nlearning curve: scores with shares" in run_text(best.report_)


def test_command_trains_each_share_with_each_seed(checkpoint, tmp_path, capsys):
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"{r['text']},{r['label']}\n" for r in ROWS))
    words = ["--checkpoint", checkpoint, "--train", tmp_path / "train.csv", "--output", tmp_path / "run"]
    words += ["--epochs", "1", "--max-length", "16", "--no-baseline", "--seeds", "2", "--learning-curve", "0.5", "1"]
    assert train([*map(str, words)]) == 0
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert [each["texts"] for each in report["learning_curve"]["each"]] == [11, 22]  # a tenth is held out
    assert report["learning_curve"]["each"][1]["dev"] == report["seeds"]["mean"]["dev"]
    assert report["run"]["options"]["seeds"] == 2 and report["run"]["options"]["learning_curve"] == [0.5, 1.0]
    assert "learning_curve: [0.5, 1.0]\n" in (tmp_path / "run" / "run.yaml").read_text(encoding="utf-8")
    assert "  0.5        11 texts, dev accuracy " in capsys.readouterr().out
    assert "learning-curve" in Page((tmp_path / "run" / "report.html").read_text(encoding="utf-8")).sections
    assert train([*map(str, words[:-5]), "--folds", "2", "--learning-curve", "0.5", "1"]) == 2
    assert "--folds cannot be combined with --learning-curve" in capsys.readouterr().err


@pytest.mark.parametrize("shares", [[1], [], [0.1, 0.1], [0, 1], [0.5, 1.1], [float("nan"), 1], ["0.1", 1]])
def test_invalid_shares_are_an_error(shares):
    with pytest.raises(kb.InputError, match="learning_curve should be at least two different shares above 0"):
        checked_shares(shares)


def test_insufficient_data_is_reported_before_the_first_training(checkpoint, monkeypatch):
    monkeypatch.setattr(kb.TextClassifier, "fit", lambda *_, **__: pytest.fail("trained"))
    task = kb.TextClassifier(checkpoint, **SETTINGS, validation_split=0.0)
    with pytest.raises(
        kb.InputError, match=r"the share 0.1 of the training rows \(1\) is not sufficient: .* 1 different"
    ):
        kb.fit_learning_curve(task, ROWS[:10], shares=[0.1, 1], dev=ROWS[10:])
    with pytest.raises(kb.InputError, match="a learning curve needs development or test rows"):
        kb.fit_learning_curve(task, ROWS, shares=[0.5, 1])


def test_page_shows_the_curve_with_deviations_and_baseline():
    report, answers = made.classify(learning_curve=made.curve(sd={"test": {"accuracy": 0.0123}}))
    page = Page(html(report, answers))
    assert page.sections[3] == "learning-curve"
    for words in ("test accuracy, standard deviation", "test accuracy, baseline", "0.0123", "changed by +0.1000"):
        assert words in page.words
    report, answers = made.classify(learning_curve=made.curve() | {"gain": None})
    assert "twice as many" not in Page(html(report, answers)).words


def test_summary_of_a_curve():
    assert learning_curve_lines(made.curve())[1:3] == [
        "  0.1     1,000 texts, dev accuracy 0.6200, test accuracy 0.5200 (baseline 0.5500)",
        "  0.5     5,000 texts, dev accuracy 0.7000, test accuracy 0.6000 (baseline 0.5500)",
    ]
    assert learning_curve_lines(made.curve())[-1] == (
        "  from 5,000 to 10,000 texts, test accuracy changed by +0.1000, which is +0.1000 per doubling"
    )
