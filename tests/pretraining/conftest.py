"""Fixtures: a corpus, a config, a finished pretraining and a stopped one."""

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
def finished_run(corpus, config, tmp_path_factory):
    """(folder, report) of an uninterrupted pretraining."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, training.train(corpus, folder, config, **QUICK)


def make_kill_at_step(patches):
    """Returns a function: the following trainings stop at that step, as if killed."""
    original = training.Saves.on_train_batch_end

    def kill_at(step):
        def stop(self, batch, logs=None):
            original(self, batch, logs)
            if self.step + batch + 1 == step:
                raise KeyboardInterrupt

        patches.setattr(training.Saves, "on_train_batch_end", stop)

    return kill_at


@pytest.fixture
def kill_at_step(monkeypatch):
    return make_kill_at_step(monkeypatch)


@pytest.fixture(scope="session")
def original_stopped_run(corpus, config, tmp_path_factory):
    """The folder of a run that was killed at step 17. Its only save is that of step 10."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patches, pytest.raises(KeyboardInterrupt):
        make_kill_at_step(patches)(17)
        training.train(corpus, folder, config, **QUICK)
    return folder


@pytest.fixture
def stopped_run(original_stopped_run, tmp_path):
    """A copy of the folder of the stopped run."""
    return shutil.copytree(original_stopped_run, tmp_path / "run")
