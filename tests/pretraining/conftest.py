"""A corpus, a config and a whole pretraining, made once for all tests; and what stops one in the middle."""

import shutil

import pytest

from kbert_tasks.pretraining import training

from . import small
from .small import QUICK


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    return small.corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def config(tmp_path_factory):
    return small.config(tmp_path_factory.mktemp("config"), num_hidden_layers=1)


@pytest.fixture(scope="session")
def run(corpus, config, tmp_path_factory):
    """(folder, report) of a whole, uninterrupted pretraining."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, training.train(corpus, folder, config, **QUICK)


def stopping_at(patches):
    """A function: the next trainings stop as if killed, after a number of steps."""
    before = training.Saves.on_train_batch_end

    def at(step):
        def stop(self, batch, logs=None):
            before(self, batch, logs)
            if self.step + batch + 1 == step:
                raise KeyboardInterrupt

        patches.setattr(training.Saves, "on_train_batch_end", stop)

    return at


@pytest.fixture
def killed_at(monkeypatch):
    return stopping_at(monkeypatch)


@pytest.fixture(scope="session")
def stopped_once(corpus, config, tmp_path_factory):
    """The folder of a run that was killed at step 17, after its first save, of step 10."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patches, pytest.raises(KeyboardInterrupt):
        stopping_at(patches)(17)
        training.train(corpus, folder, config, **QUICK)
    return folder


@pytest.fixture
def stopped(stopped_once, tmp_path):
    """A copy of it."""
    return shutil.copytree(stopped_once, tmp_path / "run")
