"""Whole words must be found in the text before they can be masked."""

import logging

import pytest

from kbert_tasks.errors import InputError
from kbert_tasks.pretraining import training
from kbert_tasks.pretraining.corpus import Corpus

from .small import QUICK


def test_text_that_was_prepared_without_them_is_refused(corpus, config, tmp_path):
    with pytest.raises(InputError, match="prepare the text again with --whole-word-mask"):
        training.train(corpus, tmp_path / "run", config, **QUICK, whole_word_mask=True)
    assert not (tmp_path / "run").exists()


def test_words_that_are_known_and_not_masked_are_reported(corpus, config, tmp_path, caplog):
    known = Corpus(corpus.folder, corpus.manifest | {"whole_word_mask": True}, corpus.vocabulary)
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        training.train(known, tmp_path / "run", config, **QUICK | {"steps": 1})
    assert caplog.text.count("masked only with --whole-word-mask") == 1
