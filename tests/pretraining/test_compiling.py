"""The setting `compile` of pretraining: when it compiles, and that compiled runs train, evaluate and resume."""

import json

import numpy as np
import pytest

from kbert_tasks.encoder import compiled, ops
from kbert_tasks.errors import InputError
from kbert_tasks.pretraining import stream, training
from kbert_tasks.pretraining.settings import TrainingSettings

from .. import tiny
from .small import QUICK, curve, files

BASE = tiny.config(hidden_size=768, intermediate_size=3072, num_hidden_layers=12)


def resolved(corpus, computed_in="bfloat16", **changes):
    settings = TrainingSettings.of(QUICK | {"steps": 10_000} | changes)
    return training._compiles(corpus, settings, BASE, computed_in)


def test_auto_compiles_in_bfloat16_if_it_saves_time(corpus):
    short, long = resolved(corpus, steps=1), resolved(corpus)
    assert (short.value, long.value) == ("off", "on")
    assert "s of CPU time and saves about" in long.reason and "in 10,000 steps" in long.reason
    assert (resolved(corpus, "float32").value, resolved(corpus, "float32").reason) == ("off", "it needs bfloat16")
    assert resolved(corpus, compile="off").value == "off"
    assert resolved(corpus, "float32", compile="on").value == "on"


def test_several_processors_do_not_compile(corpus, monkeypatch):
    monkeypatch.setattr(training.compiling, "is_on_cpu", lambda: False)
    assert resolved(corpus).reason == "it needs training on one processor"
    with pytest.raises(InputError, match="compile cannot be on: it needs training on one processor"):
        resolved(corpus, compile="on")


def test_sampled_sizes_equal_the_batches_and_nothing_is_logged(corpus, caplog):
    with caplog.at_level("INFO", "kbert_tasks"):
        found = stream.sizes(corpus, 32, 8, 1, 40)  # more than one epoch
    assert not caplog.records
    batches = stream.batches(corpus, "train", 32, 8, 1)
    assert found == [next(batches)[0]["Input-Token"].size for _ in range(40)]


def test_resolved_compile_is_logged_and_saved(finished_run, corpus, config, tmp_path, caplog, monkeypatch):
    folder, _ = finished_run
    written = json.loads((folder / "pretraining.json").read_text(encoding="utf-8"))
    assert written["settings"]["compile"] == "off"
    assert written["resolved"]["compile"] == {"value": "off", "reason": "it needs bfloat16"}
    monkeypatch.setattr(training, "_fit", lambda network, *_: None)
    with caplog.at_level("INFO", "kbert_tasks"):
        training.train(corpus, tmp_path / "run", config, **QUICK | {"precision": "bfloat16", "steps": 1})
    assert any(record.getMessage().startswith("compile = off (it takes about ") for record in caplog.records)


@pytest.mark.parametrize("value", ["on", "off"])
def test_only_on_compiles_and_only_training_steps(corpus, config, tmp_path, monkeypatch, value):
    """Records the calls of the compiled operations in the graphs of training and of held-out evaluation."""
    calls, plain = [], {
        "sum_norm": lambda x, y, gamma, beta, rate: ops.normalised(x + y, gamma, beta),
        "feed_forward": ops.feed_forward,
    }  # fmt: skip

    def recorded(name):
        return lambda *tensors: calls.append((name, evaluating[-1])) or plain[name](*tensors)

    for name in plain:
        monkeypatch.setattr(compiled, name, recorded(name))
    evaluating = [False]
    test_step = training.model.Pretraining.test_step

    def test(self, data):
        evaluating.append(True)
        try:
            return test_step(self, data)
        finally:
            evaluating.pop()

    monkeypatch.setattr(training.model.Pretraining, "test_step", test)
    quick = QUICK | {"steps": 2, "compile": value}
    report = training.train(corpus, tmp_path / "run", config, **quick)
    assert {name for name, _ in calls} == (set(plain) if value == "on" else set())
    assert not any(each for _, each in calls)
    assert np.isfinite(report["history"][-1]["held_out_loss"])


@pytest.mark.slow
def test_compiled_steps_equal_plain_steps_up_to_rounding(corpus, config, tmp_path):
    quick = QUICK | {"steps": 6, "save_every": 3, "dropout": 0.0}
    plain, compiled_report = (
        training.train(corpus, tmp_path / value, config, **quick | {"compile": value}) for value in ("off", "on")
    )
    assert [row["tokens"] for row in compiled_report["history"]] == [row["tokens"] for row in plain["history"]]
    for name in ("loss", "held_out_loss"):
        one, other = ([row[name] for row in report["history"] if name in row] for report in (compiled_report, plain))
        np.testing.assert_allclose(one, other, rtol=1e-4)


@pytest.mark.parametrize("before", ["auto", pytest.param("on", marks=pytest.mark.slow)])
def test_other_compile_value_does_not_resume_and_auto_equals_its_choice(
    corpus, config, tmp_path, kill_at_step, monkeypatch, before
):
    class Enough(Exception):
        pass

    def resumed(self):
        found(self)
        raise Enough

    quick = QUICK | {"steps": 8, "save_every": 2}
    kill_at_step(3)
    with pytest.raises(KeyboardInterrupt):
        training.train(corpus, tmp_path / "run", config, **quick | {"compile": before})
    monkeypatch.undo()
    found = training.Saves.restore
    monkeypatch.setattr(training.Saves, "restore", resumed)
    same, other = ("off", "on") if before == "auto" else ("on", "auto")
    with pytest.raises(InputError, match="settings compile .*, this run uses .*: use the same value, or delete"):
        training.train(corpus, tmp_path / "run", config, **quick | {"compile": other})
    with pytest.raises(Enough):
        training.train(corpus, tmp_path / "run", config, **quick | {"compile": same})


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_compiled_run_resumes_bit_for_bit(corpus, config, tmp_path, kill_at_step, monkeypatch, precision):
    quick = QUICK | {"steps": 8, "save_every": 4, "precision": precision, "compile": "on"}
    whole = training.train(corpus, tmp_path / "whole", config, **quick)
    kill_at_step(6)
    with pytest.raises(KeyboardInterrupt):
        training.train(corpus, tmp_path / "run", config, **quick)
    monkeypatch.undo()
    again = training.train(corpus, tmp_path / "run", config, **quick)
    assert curve(again["history"]) == curve(whole["history"])
    assert files(tmp_path / "run") == files(tmp_path / "whole")
