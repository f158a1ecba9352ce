"""A corpus, a config and a whole pretraining, made once for all tests; and what stops one in the middle."""

import pytest

from kbert_tasks.pretraining import training

from . import small
from .small import QUICK


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    return small.corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def config(tmp_path_factory):
    return small.config(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="session")
def run(corpus, config, tmp_path_factory):
    """(folder, report) of a whole, uninterrupted pretraining."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, training.train(corpus, folder, config, **QUICK)


@pytest.fixture
def killed_at(monkeypatch):
    """A function: the next trainings stop as if killed, after a number of steps."""
    before = training.Saves.on_train_batch_end

    def at(step):
        def stop(self, batch, logs=None):
            before(self, batch, logs)
            if self.step + batch + 1 == step:
                raise KeyboardInterrupt

        monkeypatch.setattr(training.Saves, "on_train_batch_end", stop)

    return at


@pytest.fixture
def stopped(corpus, config, tmp_path, killed_at, monkeypatch):
    """The folder of a run that was killed after its first save."""
    killed_at(12)
    with pytest.raises(KeyboardInterrupt):
        training.train(corpus, tmp_path / "run", config, **QUICK)
    monkeypatch.undo()
    return tmp_path / "run"
