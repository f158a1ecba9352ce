"""What the tests share: the tiny checkpoint, a trained task, and where the real data lie (if they do)."""

import os
from pathlib import Path

import hypothesis
import pytest

from kbert_tasks import precision
from kbert_tasks.explaining import mistakes

from . import tiny

# A busy machine is slow, not wrong: no limit of time for an example.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")

precision.CPU = Path("a processor without AMX")  # the tests' numbers are float32 on every machine

mistakes.SECONDS = 0  # each saved folder would take ten more; tests/test_explain_mistakes.py gives them back

SHARED = Path(os.environ.get("KBERT_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Path of a tiny checkpoint in the real format."""
    return tiny.checkpoint(tmp_path_factory.mktemp("checkpoints") / "uncased_tiny")


@pytest.fixture
def shared():
    """The folder of real data and weights; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent")
    return SHARED
