"""Whole-word masking needs a corpus that was prepared with whole words."""

import logging

import pytest

from kbert_tasks.errors import InputError
from kbert_tasks.pretraining import training
from kbert_tasks.pretraining.corpus import Corpus

from .small import QUICK


def test_corpus_prepared_without_whole_words_is_rejected(corpus, config, tmp_path):
    with pytest.raises(InputError, match="prepare the text again with --whole-word-mask"):
        training.train(corpus, tmp_path / "run", config, **QUICK, whole_word_mask=True)
    assert not (tmp_path / "run").exists()


def test_unused_whole_words_are_reported(corpus, config, tmp_path, caplog):
    corpus_with_words = Corpus(corpus.folder, corpus.manifest | {"whole_word_mask": True}, corpus.vocabulary)
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        training.train(corpus_with_words, tmp_path / "run", config, **QUICK | {"steps": 1})
    assert caplog.text.count("masked only with --whole-word-mask") == 1
