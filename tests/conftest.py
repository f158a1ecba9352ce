"""What the tests share: tiny checkpoints, a trained classifier, and where the real data are."""

import dataclasses
import gc
import os
from pathlib import Path

import hypothesis
import pytest

import kbert_tasks as kb
from kbert_tasks.encoder import precision
from kbert_tasks.explanation import mistakes
from kbert_tasks.tasks.hooks import Hooks

from . import tiny

# A busy machine is slow, not wrong: no limit of time for an example.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")

precision.CPU = Path("a processor without AMX")  # the tests' numbers are float32 on every machine

# Adversarial training, which small checkpoints use by default, would double the time of many tests.
Hooks.recipe = dataclasses.replace(Hooks.recipe, fgm_epsilon=0.0)

mistakes.SECONDS = 0  # each report would take ten seconds more; tests that need explanations set it back

SHARED = Path(os.environ.get("KBERT_SHARED", Path(__file__).parents[2] / "shared"))


def pytest_collection_finish():
    """Exempts all modules imported so far from garbage collection: each training runs a full one, a sixth of its time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Path of a tiny checkpoint in the real format, of one layer: a second one makes each training a third slower."""
    return tiny.checkpoint(tmp_path_factory.mktemp("checkpoints") / "uncased_tiny", num_hidden_layers=1)


@pytest.fixture(scope="session")
def two_layers(tmp_path_factory):
    """Path of a tiny checkpoint of two layers, for tests in which layers differ or the encoder itself is tested."""
    return tiny.checkpoint(tmp_path_factory.mktemp("two_layers") / "uncased_tiny")


@pytest.fixture(scope="session")
def hotel(checkpoint, tmp_path_factory):
    """(task, its saved folder): a classifier of the labels 好 and 坏. Shared by many files: copy the folder to change it."""
    texts, labels = ["房间很干净", "太吵", "好", "坏"], ["好", "坏", "好", "坏"]
    task = kb.TextClassifier(checkpoint, epochs=1, max_length=32, validation_split=0.0).fit(texts, labels)
    folder = tmp_path_factory.mktemp("hotel") / "run"
    task.save(folder)
    return task, folder


@pytest.fixture
def shared():
    """The folder of real data and weights; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent")
    return SHARED
