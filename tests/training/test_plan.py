"""The plan that is logged before a training, and what happens if there is too little memory."""

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
def no_dropout_checkpoint(tmp_path_factory):
    """A checkpoint without dropout: its results do not depend on the number of micro-batches."""
    folder = tmp_path_factory.mktemp("no_dropout") / "uncased"
    return tiny.checkpoint(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_hidden_layers=1)


@pytest.fixture
def set_memory(monkeypatch):
    """Returns a function that sets the available memory, as a limit or as free memory."""

    def make(bytes_, limit=True):
        found = memory.Available(bytes_, 0, "the limit of ulimit -v" if limit else "this machine", limit)
        monkeypatch.setattr(memory, "available", lambda: found)

    return make


@pytest.fixture
def out_of_memory_below(monkeypatch):
    """Returns a function: steps with fewer micro-batches than `below` run out of memory. It returns the attempts."""
    original, attempts = training_step.Stepped.train_step, []

    def make(below):
        def step(self, data):
            attempts.append(self.parts)
            if self.parts < below:
                raise tensorflow().errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            return original(self, data)

        monkeypatch.setattr(training_step.Stepped, "train_step", step)
        return attempts

    return make


USED = {"epochs": 3, "ema_decay": 0.0, "fgm_epsilon": 0.0}  # the estimate is made after "auto" is resolved


def memory_demand(**changes):
    defaults = {
        "rows": 500,
        "settings": Settings(**USED),
        "computed_in": "float32",
        "size": 32,
        "length": 128,
        "scores": 1,
    }
    return Demand(**{"config": tiny.config(), "first_only": True, "judged": False} | defaults | changes)


# The plan ---------------------------------------------------------------------------------------------------------


def test_plan_contains_lengths_cuts_and_steps(no_dropout_checkpoint, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        task = kb.TextClassifier(no_dropout_checkpoint, **SETTINGS | {"max_length": 12}).fit(ROWS)
    logged_plan = task.report_["plan"]
    tokens = [2 + 4 + n for n in range(10) for _ in range(2)]
    assert logged_plan["lengths"] == {name: int(np.percentile(tokens, p)) for name, p in plan.LENGTHS.items()}
    assert (
        logged_plan["texts"],
        logged_plan["windows"],
        logged_plan["steps"],
        logged_plan["batch_size"],
        logged_plan["micro_batches"],
    ) == (
        20,
        20,
        6,
        8,
        1,
    )
    assert logged_plan["notes"]["training"]["cut to max_length"] == sum(n > 12 for n in tokens)
    assert "6 cut to max_length" in " ".join(logged_plan["lines"])
    assert 0 < logged_plan["memory"]["needed"]
    assert [f"plan: {line}" for line in logged_plan["lines"]] == [m for m in caplog.messages if m.startswith("plan: ")]


def test_triples_not_in_the_text_are_reported(no_dropout_checkpoint):
    gold = {"subject": "room", "predicate": "is", "object": "good"}
    rows = [{"text": "the room was good", "spo_list": [gold, gold | {"object": "hotel"}]}]
    logged_plan = (
        kb.RelationExtractor(no_dropout_checkpoint, **SETTINGS | {"max_length": 16})
        .fit(rows * 3, dev=rows)
        .report_["plan"]
    )
    reason = "triples that cannot be found: object is not in the text"
    assert f"3 {reason}" in logged_plan["lines"][1] and f"1 {reason}" in logged_plan["lines"][2]
    assert logged_plan["notes"]["training"][reason] == 3 and logged_plan["notes"]["development"][reason] == 1


def test_windows_and_texts_are_counted_separately(no_dropout_checkpoint):
    rows = [{"text": "the room was good " * 8, "label": n % 2} for n in range(4)]
    logged_plan = kb.TextClassifier(no_dropout_checkpoint, **SETTINGS, truncation="windows").fit(rows).report_["plan"]
    assert logged_plan["texts"] == 4 and logged_plan["windows"] > 4 and logged_plan["lengths"]["longest"] == 34
    assert f"4 training texts in {logged_plan['windows']} windows" in logged_plan["lines"][0]


# The estimate ----------------------------------------------------------------------------------------------------


@given(st.integers(1, 512), st.integers(1, 512), st.integers(1, 64), st.booleans())
def test_more_micro_batches_or_shorter_texts_never_need_more_memory(length, shorter, parts, judged):
    one = memory_demand(length=length, judged=judged, scores=2 * length**2)
    # Two or more micro-batches need a second copy of the gradients.
    assert one.bytes(parts + 2) <= one.bytes(parts + 1)
    assert one.bytes(parts, min(shorter, length)) <= one.bytes(parts)


@pytest.mark.parametrize(
    "more, less",
    [
        ({}, {"settings": Settings(**USED, freeze_layers=1)}),
        ({"settings": Settings(**USED, encoder="keras-bert")}, {}),
        ({"settings": Settings(**USED | {"ema_decay": 0.9})}, {}),
        ({"settings": Settings(**USED | {"fgm_epsilon": 0.5})}, {}),
        ({"size": 4096}, {"size": 4096, "computed_in": "bfloat16"}),
        ({"first_only": False}, {}),
        ({"judged": True}, {}),
        ({"rows": 600}, {}),
    ],
)
def test_settings_that_need_more_memory(more, less):
    assert memory_demand(**more).bytes(1) > memory_demand(**less).bytes(1)


# Too little memory -----------------------------------------------------------------------------------------------


def test_too_small_memory_limit_is_reported_with_settings_that_fit(
    no_dropout_checkpoint, set_memory, tmp_path, monkeypatch
):
    monkeypatch.setattr(plan, "SPARE", 1.0)
    monkeypatch.setattr(
        "kbert_tasks.training.memory_estimate.GRAPH", 0
    )  # the memory of this tiny model is negligible next to it
    settings = SETTINGS | {"max_length": 64, "epochs": 1}
    rows = [{"text": "the room was good " * 15, "label": n % 2} for n in range(16)]
    set_memory(2**40)
    needed = kb.TextClassifier(no_dropout_checkpoint, **settings).fit(rows).report_["plan"]["memory"]["needed"]
    set_memory(needed - 1)
    task = kb.TextClassifier(no_dropout_checkpoint, **settings)
    message = r"needs about 0.0 GiB of memory, and the limit of ulimit -v leaves 0.0 GiB: --micro-batches 2 \(same "
    message += r"result\) or --max-length 48 would fit; --auto-micro-batches chooses automatically"
    with pytest.raises(kb.InputError, match=message):
        task.fit(rows, resume_dir=tmp_path / "progress")
    assert not (tmp_path / "progress").exists() and task.model is None


def test_error_says_when_no_batch_fits(no_dropout_checkpoint, set_memory):
    set_memory(1000)
    with pytest.raises(kb.InputError, match="no smaller batch would fit, use a smaller checkpoint"):
        kb.TextClassifier(no_dropout_checkpoint, **SETTINGS).fit(ROWS)


def test_too_little_free_memory_is_a_warning(no_dropout_checkpoint, set_memory, caplog):
    set_memory(1000, limit=False)
    assert kb.TextClassifier(no_dropout_checkpoint, **SETTINGS).fit(ROWS).report_["plan"]["micro_batches"] == 1
    assert any("and this machine leaves 0.0 GiB" in message for message in caplog.messages)


def test_auto_micro_batches_gives_the_same_weights(no_dropout_checkpoint, set_memory):
    whole_batches = kb.TextClassifier(no_dropout_checkpoint, **SETTINGS).fit(ROWS)
    set_memory(1000)
    micro_batches = kb.TextClassifier(no_dropout_checkpoint, **SETTINGS, auto_micro_batches=True).fit(ROWS)
    assert micro_batches.report_["plan"]["micro_batches"] == 8 and micro_batches.settings.micro_batches == 1
    assert any("in 8 micro-batches" in line for line in micro_batches.report_["plan"]["lines"])
    for one, other in zip(micro_batches.model.get_weights(), whole_batches.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_auto_micro_batches_does_not_split_a_batch_that_fits(no_dropout_checkpoint, set_memory):
    set_memory(2**40)
    assert (
        kb.TextClassifier(no_dropout_checkpoint, **SETTINGS, auto_micro_batches=True)
        .fit(ROWS)
        .report_["plan"]["micro_batches"]
        == 1
    )


def test_out_of_memory_in_a_step_increases_micro_batches(no_dropout_checkpoint, out_of_memory_below, tmp_path):
    attempts = out_of_memory_below(4)
    task = kb.TextClassifier(no_dropout_checkpoint, **SETTINGS, auto_micro_batches=True).fit(
        ROWS, resume_dir=tmp_path / "progress"
    )
    assert list(dict.fromkeys(attempts)) == [1, 2, 4]
    logged_plan = task.report_["plan"]
    assert logged_plan["micro_batches"] == 4 and logged_plan["lines"][-1].startswith(
        "memory ran out: from then on, each batch was computed in 4"
    )
    assert len(task.report_["history"]) == 2


def test_out_of_memory_in_a_step_gives_advice(no_dropout_checkpoint, out_of_memory_below):
    out_of_memory_below(4)
    with pytest.raises(
        kb.InputError, match="out of memory: use --micro-batches 2 .* --auto-micro-batches .* smaller --max-length"
    ):
        kb.TextClassifier(no_dropout_checkpoint, **SETTINGS).fit(ROWS)


def test_micro_batches_increase_until_one_text_each(no_dropout_checkpoint, out_of_memory_below):
    attempts = out_of_memory_below(99)
    with pytest.raises(kb.InputError, match="out of memory with one text at a time: use a smaller --max-length"):
        kb.TextClassifier(no_dropout_checkpoint, **SETTINGS, auto_micro_batches=True).fit(ROWS)
    assert attempts == [1, 2, 4, 8]


# A run that was killed -------------------------------------------------------------------------------------------


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def original_killed_progress(no_dropout_checkpoint, tmp_path_factory):
    """The progress folder of a run that was killed after its first epoch."""
    from kbert_tasks.training import backup

    folder = tmp_path_factory.mktemp("killed") / "progress"
    original, unlink = backup.Backup.on_epoch_end, type(folder).unlink

    def stop(self, epoch, logs=None):
        original(self, epoch, logs)
        raise Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backup.Backup, "on_epoch_end", stop)
        # A killed process deletes nothing.
        patched.setattr(type(folder), "unlink", lambda p, **k: None if p.name == plan.NOTE else unlink(p, **k))
        with pytest.raises(Killed):
            kb.TextClassifier(no_dropout_checkpoint, **SETTINGS).fit(ROWS, resume_dir=folder)
    assert (folder / plan.NOTE).read_text() == "1"
    return folder


@pytest.fixture
def killed_progress(original_killed_progress, tmp_path):
    """A copy of the progress folder of the killed run."""
    return shutil.copytree(original_killed_progress, tmp_path / "progress")


def test_killed_run_is_reported_and_resumed(no_dropout_checkpoint, killed_progress, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        kb.TextClassifier(no_dropout_checkpoint, **SETTINGS).fit(ROWS, resume_dir=killed_progress)
    messages = " ".join(caplog.messages)
    assert (
        "the last run was killed" in messages
        and "--auto-micro-batches" in messages
        and "resuming after step 3" in messages
    )
    assert not (killed_progress / plan.NOTE).exists() and list(killed_progress.glob("step-*"))


def test_killed_run_resumes_with_more_micro_batches(no_dropout_checkpoint, killed_progress, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        task = kb.TextClassifier(no_dropout_checkpoint, **SETTINGS, auto_micro_batches=True).fit(
            ROWS, resume_dir=killed_progress
        )
    assert task.report_["plan"]["micro_batches"] == 2
    assert any("resuming after step 3" in message for message in caplog.messages)


# Prediction ------------------------------------------------------------------------------------------------------


def test_prediction_halves_batches_and_then_gives_advice(no_dropout_checkpoint, monkeypatch):
    task = kb.TextClassifier(no_dropout_checkpoint, **SETTINGS).fit(ROWS)
    texts = [row["text"] for row in ROWS]
    before, original = task.predict(texts), type(task).run_model

    def with_limit(max_texts):
        def limited(self, encoded):
            if len(encoded) > max_texts:
                raise MemoryError
            return original(self, encoded)

        return limited

    monkeypatch.setattr(type(task), "run_model", with_limit(3))
    for one, other in zip(task.predict(texts), before, strict=True):
        assert one.label == other.label and one.probability == pytest.approx(other.probability, abs=1e-5)
    monkeypatch.setattr(type(task), "run_model", with_limit(0))
    with pytest.raises(kb.InputError, match="out of memory with one text of 15 tokens"):
        task.predict(texts)


# A real limit ----------------------------------------------------------------------------------------------------

COMMAND = """
import resource, sys
from kbert_tasks import memory
from kbert_tasks.training import plan
from kbert_tasks.cli import train

def planned(*args, usual=plan.make_plan, **more):
    # Like `ulimit -v`: allows 600 MiB more than the libraries of this machine use.
    with open("/proc/self/statm") as file:
        limit = int(file.read().split()[0]) * resource.getpagesize() + int(memory.ADDRESSES) + 600 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return usual(*args, **more)

plan.make_plan = planned
sys.exit(train(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ulimit -v needs Linux")
def test_batch_beyond_ulimit_gives_advice_or_uses_micro_batches(tmp_path):
    folder = tiny.checkpoint(tmp_path / "uncased", hidden_size=64, num_attention_heads=16, intermediate_size=256)
    arguments = ["--checkpoint", folder, "--output", str(tmp_path / "run"), "--epochs", "1", "--batch-size", "700"]
    table = tmp_path / "rows.csv"
    table.write_text("text,label\n" + "".join(f"{'很好 ' * 40},{n % 2}\n" for n in range(800)), encoding="utf-8")
    arguments += ["--train", str(table), "--max-length", "64"]
    refused, trained = (
        subprocess.run([sys.executable, "-c", COMMAND, *arguments, *options], capture_output=True, text=True)
        for options in ([], ["--auto-micro-batches"])
    )
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert "the limit of ulimit -v leaves" in refused.stderr and "--micro-batches" in refused.stderr
    assert trained.returncode == 0, trained.stderr
    assert "micro-batches" in trained.stderr and (tmp_path / "run" / "model.safetensors").is_file()
