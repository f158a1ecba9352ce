"""What is told before a training, and what becomes of one that does not fit in memory."""

import logging
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks import memory
from kbert_tasks._keras import tensorflow
from kbert_tasks.settings import Settings
from kbert_tasks.training import plan
from kbert_tasks.training import step as training_step
from kbert_tasks.training.memory_estimate import Demand

from .. import tiny

SETTINGS = {
    "epochs": 2,
    "max_length": 16,
    "batch_size": 8,
    "validation_split": 0.0,
    "dropout": 0.0,
    "learning_rate": 1e-3,
}
ROWS = [{"text": f"the room was {word} {'很' * n}", "label": n % 2} for n in range(10) for word in ("good", "bad")]


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """A checkpoint without dropout: its training is the same in any parts."""
    folder = tmp_path_factory.mktemp("still") / "uncased"
    return tiny.checkpoint(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_hidden_layers=1)


@pytest.fixture
def room(monkeypatch):
    """Makes the memory that there is so large; `limit`: as a limit, not as what is free."""

    def make(bytes_, limit=True):
        found = memory.Available(bytes_, 0, "the limit of ulimit -v" if limit else "this machine", limit)
        monkeypatch.setattr(memory, "available", lambda: found)

    return make


@pytest.fixture
def runs_out(monkeypatch):
    """Makes steps run out of memory that are in fewer parts; gives the parts that were tried."""
    usual, tried = training_step.Stepped.train_step, []

    def make(below):
        def step(self, data):
            tried.append(self.parts)
            if self.parts < below:
                raise tensorflow().errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            return usual(self, data)

        monkeypatch.setattr(training_step.Stepped, "train_step", step)
        return tried

    return make


USED = {"epochs": 3, "ema_decay": 0.0}  # the estimate comes after "auto" has got its values


def demand(**changes):
    made = {"rows": 500, "settings": Settings(**USED), "computed_in": "float32", "size": 32, "length": 128, "scores": 1}
    return Demand(**{"config": tiny.config(), "first_only": True, "judged": False} | made | changes)


# What is told ----------------------------------------------------------------------------------------------------


def test_the_plan_tells_lengths_cuts_and_steps(still, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        task = kb.TextClassifier(still, **SETTINGS | {"max_length": 12}).fit(ROWS)
    told = task.report_["plan"]
    tokens = [2 + 4 + n for n in range(10) for _ in range(2)]
    assert told["lengths"] == {name: int(np.percentile(tokens, p)) for name, p in plan.LENGTHS.items()}
    assert (told["texts"], told["windows"], told["steps"], told["batch_size"], told["micro_batches"]) == (
        20,
        20,
        6,
        8,
        1,
    )
    assert told["notes"]["training"]["cut to max_length"] == sum(n > 12 for n in tokens)
    assert "6 cut to max_length" in " ".join(told["lines"])
    assert 0 < told["memory"]["needed"]
    assert [f"plan: {line}" for line in told["lines"]] == [m for m in caplog.messages if m.startswith("plan: ")]


def test_gold_that_cannot_be_found_is_reported(still):
    gold = {"subject": "room", "predicate": "is", "object": "good"}
    rows = [{"text": "the room was good", "spo_list": [gold, gold | {"object": "hotel"}]}]
    told = kb.RelationExtractor(still, **SETTINGS | {"max_length": 16}).fit(rows * 3, dev=rows).report_["plan"]
    reason = "triples that cannot be found: object is not in the text"
    assert f"3 {reason}" in told["lines"][1] and f"1 {reason}" in told["lines"][2]
    assert told["notes"]["training"][reason] == 3 and told["notes"]["development"][reason] == 1


def test_windows_are_distinguished_from_texts(still):
    rows = [{"text": "the room was good " * 8, "label": n % 2} for n in range(4)]
    told = kb.TextClassifier(still, **SETTINGS, truncation="windows").fit(rows).report_["plan"]
    assert told["texts"] == 4 and told["windows"] > 4 and told["lengths"]["longest"] == 34
    assert f"4 training texts in {told['windows']} windows" in told["lines"][0]


# The estimate ----------------------------------------------------------------------------------------------------


@given(st.integers(1, 512), st.integers(1, 512), st.integers(1, 64), st.booleans())
def test_more_parts_and_shorter_texts_never_take_more_for_the_batch(length, shorter, parts, judged):
    one = demand(length=length, judged=judged, scores=2 * length**2)
    # A second copy of the gradients comes with the second part.
    assert one.bytes(parts + 2) <= one.bytes(parts + 1)
    assert one.bytes(parts, min(shorter, length)) <= one.bytes(parts)


@pytest.mark.parametrize(
    "more, less",
    [
        ({}, {"settings": Settings(**USED, freeze_layers=1)}),
        ({"settings": Settings(**USED, encoder="keras-bert")}, {}),
        ({"settings": Settings(**USED | {"ema_decay": 0.9})}, {}),
        ({"settings": Settings(**USED, fgm_epsilon=0.5)}, {}),
        ({"size": 4096}, {"size": 4096, "computed_in": "bfloat16"}),
        ({"first_only": False}, {}),
        ({"judged": True}, {}),
        ({"rows": 600}, {}),
    ],
)
def test_what_takes_more(more, less):
    assert demand(**more).bytes(1) > demand(**less).bytes(1)


# Too little of it ------------------------------------------------------------------------------------------------


def test_a_limit_that_is_too_small_is_reported_with_what_would_fit(still, room, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "SPARE", 1.0)
    monkeypatch.setattr(
        "kbert_tasks.training.memory_estimate.GRAPH", 0
    )  # beside it a model as tiny as this takes nothing
    settings = SETTINGS | {"max_length": 64, "epochs": 1}
    rows = [{"text": "the room was good " * 15, "label": n % 2} for n in range(16)]
    room(2**40)
    needed = kb.TextClassifier(still, **settings).fit(rows).report_["plan"]["memory"]["needed"]
    room(needed - 1)
    task = kb.TextClassifier(still, **settings)
    told = r"needs about 0.0 GiB of memory, and the limit of ulimit -v leaves 0.0 GiB: --micro-batches 2 \(same "
    told += r"result\) or --max-length 48 would fit; --auto-micro-batches chooses automatically"
    with pytest.raises(kb.InputError, match=told):
        task.fit(rows, resume_dir=tmp_path / "progress")
    assert not (tmp_path / "progress").exists() and task.model is None


def test_an_error_says_that_nothing_fits(still, room):
    room(1000)
    with pytest.raises(kb.InputError, match="no smaller batch would fit, use a smaller checkpoint"):
        kb.TextClassifier(still, **SETTINGS).fit(ROWS)


def test_free_memory_that_is_too_small_is_a_warning(still, room, caplog):
    room(1000, limit=False)
    assert kb.TextClassifier(still, **SETTINGS).fit(ROWS).report_["plan"]["micro_batches"] == 1
    assert any("and this machine leaves 0.0 GiB" in message for message in caplog.messages)


def test_auto_batch_picks_parts_and_trains_the_same(still, room):
    whole = kb.TextClassifier(still, **SETTINGS).fit(ROWS)
    room(1000)
    parts = kb.TextClassifier(still, **SETTINGS, auto_micro_batches=True).fit(ROWS)
    assert parts.report_["plan"]["micro_batches"] == 8 and parts.settings.micro_batches == 1
    assert any("in 8 micro-batches" in line for line in parts.report_["plan"]["lines"])
    for one, other in zip(parts.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_auto_batch_leaves_a_training_that_fits_as_it_is(still, room):
    room(2**40)
    assert kb.TextClassifier(still, **SETTINGS, auto_micro_batches=True).fit(ROWS).report_["plan"]["micro_batches"] == 1


def test_memory_that_runs_out_in_a_step_is_answered_with_more_parts(still, runs_out, tmp_path):
    tried = runs_out(4)
    task = kb.TextClassifier(still, **SETTINGS, auto_micro_batches=True).fit(ROWS, resume_dir=tmp_path / "progress")
    assert list(dict.fromkeys(tried)) == [1, 2, 4]
    told = task.report_["plan"]
    assert told["micro_batches"] == 4 and told["lines"][-1].startswith(
        "memory ran out: from then on, each batch was computed in 4"
    )
    assert len(task.report_["history"]) == 2


def test_memory_that_runs_out_in_a_step_is_answered_with_advice(still, runs_out):
    runs_out(4)
    with pytest.raises(
        kb.InputError, match="out of memory: use --micro-batches 2 .* --auto-micro-batches .* smaller --max-length"
    ):
        kb.TextClassifier(still, **SETTINGS).fit(ROWS)


def test_it_ends_with_one_text_at_a_time(still, runs_out):
    tried = runs_out(99)
    with pytest.raises(kb.InputError, match="out of memory with one text at a time: use a smaller --max-length"):
        kb.TextClassifier(still, **SETTINGS, auto_micro_batches=True).fit(ROWS)
    assert tried == [1, 2, 4, 8]


# A run that was killed -------------------------------------------------------------------------------------------


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def killed_once(still, tmp_path_factory):
    """The folder of the progress of a run that was killed after its first epoch."""
    from kbert_tasks.training import backup

    folder = tmp_path_factory.mktemp("killed") / "progress"
    usual, unlink = backup.Backup.on_epoch_end, type(folder).unlink

    def stop(self, epoch, logs=None):
        usual(self, epoch, logs)
        raise Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backup.Backup, "on_epoch_end", stop)
        # A process that is killed deletes nothing.
        patched.setattr(type(folder), "unlink", lambda p, **k: None if p.name == plan.NOTE else unlink(p, **k))
        with pytest.raises(Killed):
            kb.TextClassifier(still, **SETTINGS).fit(ROWS, resume_dir=folder)
    assert (folder / plan.NOTE).read_text() == "1"
    return folder


@pytest.fixture
def killed(killed_once, tmp_path):
    """A copy of it."""
    return shutil.copytree(killed_once, tmp_path / "progress")


def test_a_killed_run_is_reported_and_resumes(still, killed, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        kb.TextClassifier(still, **SETTINGS).fit(ROWS, resume_dir=killed)
    told = " ".join(caplog.messages)
    assert "the last run was killed" in told and "--auto-micro-batches" in told and "resuming after step 3" in told
    assert not (killed / plan.NOTE).exists() and list(killed.glob("step-*"))


def test_auto_micro_batches_resumes_a_killed_run_with_more_parts(still, killed, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        task = kb.TextClassifier(still, **SETTINGS, auto_micro_batches=True).fit(ROWS, resume_dir=killed)
    assert task.report_["plan"]["micro_batches"] == 2
    assert any("resuming after step 3" in message for message in caplog.messages)


# Prediction ------------------------------------------------------------------------------------------------------


def test_prediction_continues_in_halves_and_ends_in_advice(still, monkeypatch):
    task = kb.TextClassifier(still, **SETTINGS).fit(ROWS)
    texts = [row["text"] for row in ROWS]
    before, usual = task.predict(texts), type(task).run_model

    def outputs(most):
        def limited(self, encoded):
            if len(encoded) > most:
                raise MemoryError
            return usual(self, encoded)

        return limited

    monkeypatch.setattr(type(task), "run_model", outputs(3))
    for one, other in zip(task.predict(texts), before, strict=True):
        assert one.label == other.label and one.probability == pytest.approx(other.probability, abs=1e-5)
    monkeypatch.setattr(type(task), "run_model", outputs(0))
    with pytest.raises(kb.InputError, match="out of memory with one text of 15 tokens"):
        task.predict(texts)


# A real limit ----------------------------------------------------------------------------------------------------

COMMAND = """
import resource, sys
from kbert_tasks import memory
from kbert_tasks.training import plan
from kbert_tasks.cli import train

def planned(*args, usual=plan.make_plan, **more):
    # As `ulimit -v` would have it, whatever this machine's libraries take: room for 600 MiB.
    with open("/proc/self/statm") as file:
        limit = int(file.read().split()[0]) * resource.getpagesize() + int(memory.ADDRESSES) + 600 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return usual(*args, **more)

plan.make_plan = planned
sys.exit(train(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ulimit -v is of Linux")
def test_a_batch_beyond_ulimit_ends_in_advice_or_in_parts(tmp_path):
    folder = tiny.checkpoint(tmp_path / "uncased", hidden_size=64, num_attention_heads=16, intermediate_size=256)
    words = ["--checkpoint", folder, "--output", str(tmp_path / "run"), "--epochs", "1", "--batch-size", "700"]
    table = tmp_path / "rows.csv"
    table.write_text("text,label\n" + "".join(f"{'很好 ' * 40},{n % 2}\n" for n in range(800)), encoding="utf-8")
    words += ["--train", str(table), "--max-length", "64"]
    refused, trained = (
        subprocess.run([sys.executable, "-c", COMMAND, *words, *more], capture_output=True, text=True)
        for more in ([], ["--auto-micro-batches"])
    )
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert "the limit of ulimit -v leaves" in refused.stderr and "--micro-batches" in refused.stderr
    assert trained.returncode == 0, trained.stderr
    assert "micro-batches" in trained.stderr and (tmp_path / "run" / "model.safetensors").is_file()
