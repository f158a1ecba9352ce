"""Shared fixtures: tiny checkpoints, a trained classifier, and the folder of real data."""

import dataclasses
import gc
import os
from pathlib import Path

import hypothesis
import pytest

import kbert_tasks as kb
from kbert_tasks._keras import tensorflow
from kbert_tasks.encoder import precision
from kbert_tasks.explanation import mistakes
from kbert_tasks.tasks.hooks import Hooks
from kbert_tasks.training import halves

from . import tiny

# No time limit for an example, because tests should not fail on a busy machine.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")

# As the first training of a process does, so that all trainings of the tests compute halves of batches.
tensorflow().config.threading.set_intra_op_parallelism_threads(max(1, halves.cores() // 2))

precision.CPU = Path("a processor without AMX")  # so that the tests compute in float32 on every machine

# Adversarial training, which small checkpoints use by default, would double the time of many tests.
Hooks.recipe = dataclasses.replace(Hooks.recipe, fgm_epsilon=0.0)

mistakes.SECONDS = 0  # explanations would add ten seconds to each report; tests that need them raise this limit

SHARED = Path(os.environ.get("KBERT_SHARED", Path(__file__).parents[2] / "shared"))


def pytest_collection_finish():
    """Exempt the modules imported so far from garbage collection, which takes a sixth of the time of each training."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Path of a tiny checkpoint in the real format. It has one layer: with two, each training is a third slower."""
    return tiny.checkpoint(tmp_path_factory.mktemp("checkpoints") / "uncased_tiny", num_hidden_layers=1)


@pytest.fixture(scope="session")
def two_layers(tmp_path_factory):
    """Path of a tiny checkpoint with two layers, for tests of the encoder and tests in which layers differ."""
    return tiny.checkpoint(tmp_path_factory.mktemp("two_layers") / "uncased_tiny")


@pytest.fixture(scope="session")
def hotel(checkpoint, tmp_path_factory):
    """(task, its saved folder) of a classifier with the labels 好 and 坏. Many files use it: copy the folder to change it."""
    texts, labels = ["房间很干净", "太吵", "好", "坏"], ["好", "坏", "好", "坏"]
    task = kb.TextClassifier(checkpoint, epochs=1, max_length=32, validation_split=0.0).fit(texts, labels)
    folder = tmp_path_factory.mktemp("hotel") / "run"
    task.save(folder)
    return task, folder


@pytest.fixture
def shared():
    """Folder of real data and weights; the test is skipped if the folder is missing."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent")
    return SHARED
