"""Pretraining frees its memory."""

from kbert_tasks.pretraining import training

from ..test_memory_leaks import assert_none_are_left
from . import small


def test_pretraining_leaves_no_variables_in_memory(corpus, config, tmp_path):
    settings = small.QUICK | {"steps": 4, "save_every": 2}
    assert_none_are_left(lambda: training.train(corpus, tmp_path / "out", config, **settings))
