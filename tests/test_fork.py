"""A process forked after TensorFlow was started raises an error instead of hanging."""

import os
import time

import pytest

import kbert_tasks as kb
from kbert_tasks import _keras
from kbert_tasks.explanation import models

TEXTS = ["房间很干净", "太吵"]
SECONDS = 60  # time limit of the child process


def functions(task, folder, checkpoint):
    """{name: function} of everything that computes."""
    return {
        "predict": lambda: task.predict(TEXTS),
        "evaluate": lambda: task.evaluate(TEXTS, ["好", "坏"]),
        "load": lambda: kb.load(folder),
        "fit": lambda: kb.TextClassifier(checkpoint, epochs=1).fit(TEXTS, ["好", "坏"]),
        "explain": lambda: kb.explain(task, TEXTS[0]),
        "a copy for explaining": lambda: models.whole(task),
        "fill_mask": lambda: kb.fill_mask(checkpoint, "房间[MASK]干净"),
    }


def test_everything_that_computes_raises_an_error_in_another_process(hotel, checkpoint, monkeypatch):
    task, folder = hotel
    task.predict(TEXTS)
    monkeypatch.setattr(_keras, "_process", os.getpid() + 1)
    for name, function in functions(task, folder, checkpoint).items():
        with pytest.raises(kb.InputError, match="was forked from process .* after TensorFlow was started"):
            function()
            pytest.fail(name)


def test_first_process_that_computes_is_remembered(monkeypatch):
    monkeypatch.setattr(_keras, "_process", None)
    _keras.computes_here()
    assert _keras._process == os.getpid()
    _keras.computes_here()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_process_raises_an_error_immediately(hotel):
    task, _ = hotel
    task.predict(TEXTS)
    child = os.fork()
    if not child:
        try:
            task.predict(TEXTS)
        except kb.InputError:
            os._exit(7)
        os._exit(0)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 7
            return
        time.sleep(0.1)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the forked process hangs")
