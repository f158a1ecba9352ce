"""Whether a training computes the two halves of its batches at the same time, and with how many threads."""

import logging
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from kbert_tasks._keras import tensorflow
from kbert_tasks.settings import Settings
from kbert_tasks.training import halves

SMALL, ONE = {"hidden_size": 256}, SimpleNamespace(num_replicas_in_sync=1)


@pytest.fixture
def threads(monkeypatch):
    """A processor of four cores, and TensorFlow's number of threads, which can still be set."""
    state = SimpleNamespace(number=0, started=False)

    def change(number):
        if state.started:
            raise RuntimeError("Intra op parallelism cannot be modified after initialization.")
        state.number = number

    threading = tensorflow().config.threading
    monkeypatch.setattr(threading, "get_intra_op_parallelism_threads", lambda: state.number)
    monkeypatch.setattr(threading, "set_intra_op_parallelism_threads", change)
    monkeypatch.setattr(halves, "cores", lambda: 4)
    monkeypatch.delenv(halves.BY_USER, raising=False)
    return state


def test_each_half_has_half_of_the_cores(threads, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        assert halves.pays(Settings(), SMALL, ONE)
    assert threads.number == 2
    assert "computing the two halves of each batch at the same time, with 2 of 4 cores each" in caplog.messages
    threads.started = True
    assert halves.pays(Settings(), SMALL, ONE)  # a second training of the process


def test_a_started_tensorflow_keeps_its_threads(threads):
    threads.started = True
    assert not halves.pays(Settings(), SMALL, ONE)
    assert threads.number == 0


@pytest.mark.parametrize(
    ("settings", "hidden", "devices"),
    [({"micro_batches": 2}, 256, 1), ({"auto_micro_batches": True}, 256, 1), ({}, 768, 1), ({}, 256, 2)],
)
def test_other_trainings_compute_whole_batches(threads, settings, hidden, devices):
    strategy = SimpleNamespace(num_replicas_in_sync=devices)
    assert not halves.pays(Settings(**settings), {"hidden_size": hidden}, strategy)
    assert threads.number == 0


def test_a_large_encoder_computes_halves_with_the_threads_of_an_earlier_training(threads):
    assert halves.pays(Settings(), SMALL, ONE)
    threads.started = True
    assert halves.pays(Settings(), {"hidden_size": 768}, ONE)


def test_one_core_computes_whole_batches(threads, monkeypatch):
    monkeypatch.setattr(halves, "cores", lambda: 1)
    assert not halves.pays(Settings(), SMALL, ONE)


def test_the_threads_of_the_user_stay(threads, monkeypatch):
    monkeypatch.setenv(halves.BY_USER, "2")
    assert not halves.pays(Settings(), SMALL, ONE)
    assert threads.number == 0


PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(message)s")
import kbert_tasks as kb
from kbert_tasks.training import halves
halves.cores = lambda: 2
texts = ["the room was clean", "bad food", "good", "too loud", "very good"]
kb.TextClassifier(sys.argv[1], epochs=3, max_length=16, validation_split=0.0, baseline=False).fit(texts, list("10101"))
"""


@pytest.mark.slow
def test_halves_give_the_same_losses_again(checkpoint):
    def losses():
        done = subprocess.run([sys.executable, "-c", PROGRAM, checkpoint], capture_output=True, text=True, check=True)
        assert "computing the two halves of each batch at the same time, with 1 of 2 cores each" in done.stderr
        return re.findall(r"epoch \d: loss ([\d.]+)", done.stderr)

    once = losses()
    assert len(once) == 3 and losses() == once
