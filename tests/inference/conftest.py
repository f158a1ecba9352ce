"""Saved tasks of every kind, and a classifier that is exported for OpenVINO."""

import shutil
from pathlib import Path

import pytest

import kbert_tasks as kb
from kbert_tasks import tasks
from kbert_tasks.samples import path

QUICK = {"epochs": 2, "max_length": 32, "learning_rate": 5e-3, "ema_decay": 0.0, "head_lr_multiplier": 1.0}
KINDS = [
    ("classify", {}),
    ("classify", {"pooling": "mean", "encoder": "keras-bert"}),
    ("relation", {"threshold": 0.05, "epochs": 1, "learning_rate": 1e-4}),  # little training, so that it gives answers
    ("subject", {}),
    ("subject", {"find_types": True}),
    ("entity", {"threshold": 0.05}),  # little training, so that it gives answers
]


@pytest.fixture(
    scope="module", params=KINDS, ids=["classify", "keras-bert", "relation", "subject", "find-types", "entity"]
)
def trained(request, checkpoint, tmp_path_factory):
    """(folder of a saved task, test rows)."""
    name, more = request.param
    train, test = (kb.read(path(name, "zh", part)).head(40) for part in ("train", "test"))
    folder = tmp_path_factory.mktemp("runs") / "run"
    tasks.find(name)(checkpoint, **QUICK | more).fit(train).save(folder)
    return folder, test


@pytest.fixture
def run(hotel, tmp_path):
    """The folder of a saved classifier without an export."""
    return Path(shutil.copytree(hotel[1], tmp_path / "run"))


@pytest.fixture(scope="module")
def exported(hotel, tmp_path_factory):
    """The folder of a saved classifier with an export."""
    folder = Path(shutil.copytree(hotel[1], tmp_path_factory.mktemp("runs") / "exported"))
    kb.load(folder, engine="openvino")
    return folder
