"""Pretraining that continues from a checkpoint, with or without new tokens in the vocabulary."""

import numpy as np
import pytest

from kbert_tasks.checkpoint import google_format
from kbert_tasks.checkpoint.checkpoint import Checkpoint
from kbert_tasks.errors import InputError
from kbert_tasks.pretraining import training
from kbert_tasks.pretraining.start import BIAS, WORDS, new_tokens, starting
from kbert_tasks.text.tokenizer import Tokenizer

from .. import tiny
from . import small
from .small import QUICK


def test_training_continues_from_a_checkpoint_with_heads(checkpoint, corpus, tmp_path):
    found = Checkpoint.open(checkpoint)
    _, arrays, about = starting(corpus, None, found, 1)
    assert about == {"checkpoint": "uncased_tiny", "new_tokens": [], "drawn": []}
    assert all(np.array_equal(arrays[name], array) for name, array in found.tensors().items())
    report = training.train(corpus, tmp_path / "run", checkpoint=checkpoint, **QUICK | {"steps": 5})
    assert report["start"]["checkpoint"] == "uncased_tiny" and report["config"]["do_lower_case"]
    # With small random weights, all tokens would be equally probable. The weights of tests/tiny.py are large.
    assert report["history"][0]["held_out_mlm_loss"] > np.log(len(tiny.vocabulary())) + 0.2


def test_checkpoint_without_heads_gets_new_ones(corpus, tmp_path, caplog):
    config = tiny.config()
    google_format.write(tmp_path / "uncased_bare", config, tiny.vocabulary(), tiny.tensors(config, heads=False))
    _, arrays, about = starting(corpus, None, tmp_path / "uncased_bare", 1)
    assert "cls/predictions/output_bias" in about["drawn"] and "bert/pooler/dense/kernel" not in about["drawn"]
    assert arrays.keys() == google_format.variables(config, heads=True).keys()
    assert "these are initialised randomly" in caplog.text
    report = training.train(corpus, tmp_path / "run", checkpoint=tmp_path / "uncased_bare", **QUICK | {"steps": 2})
    assert report["step"] == 2


def test_new_token_starts_as_the_mean_of_its_pieces(checkpoint, tmp_path):
    found = Checkpoint.open(checkpoint)
    slot = found.vocabulary.index("[unused1]")
    grown = [*found.vocabulary]
    grown[slot] = "roomed"
    corpus = small.corpus(tmp_path, grown)
    config, arrays, about = starting(corpus, None, found, 1)
    pieces = Tokenizer(found.vocabulary, False).encode("roomed").ids[1:-1]
    assert len(pieces) == 2 and about["new_tokens"] == ["roomed"]
    before = found.tensors()
    for name in (WORDS, BIAS):
        np.testing.assert_array_equal(arrays[name][slot], before[name][pieces].mean(0))
        rest = np.arange(len(grown)) != slot
        assert np.array_equal(arrays[name][rest], before[name][rest])
    report = training.train(corpus, tmp_path / "run", checkpoint=found, **QUICK | {"steps": 2})
    assert report["start"]["new_tokens"] == ["roomed"] and Checkpoint.open(tmp_path / "run").vocabulary == grown


def test_new_word_continuation_starts_from_word_continuations(checkpoint):
    from kbert_tasks.pretraining.start import _grown

    found = Checkpoint.open(checkpoint)
    grown = _grown(found.tensors(), found, [(1, "##ab")])
    expected = found.tensors()[WORDS][[found.vocabulary.index("##a"), found.vocabulary.index("##b")]].mean(0)
    np.testing.assert_array_equal(grown[WORDS][1], expected)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda v: [*v, "more"],
            f"has {len(tiny.vocabulary()) + 1} tokens, that of uncased_tiny {len(tiny.vocabulary())}",
        ),
        (lambda v: [*v[:40], "other", *v[41:]], "line 41 of the corpus's vocabulary is 'other'"),
        (lambda v: [v[0], "[unused9]", *v[2:]], "is '\\[unused9\\]'"),
    ],
)
def test_other_differences_of_the_vocabularies_are_rejected(checkpoint, change, message):
    with pytest.raises(InputError, match=message) as error:
        new_tokens(Checkpoint.open(checkpoint), change(tiny.vocabulary()))
    assert "--extend" in str(error.value)


def test_text_of_the_other_casing_is_rejected(checkpoint, tmp_path):
    with pytest.raises(InputError, match="the corpus is cased, but the checkpoint uncased_tiny is uncased"):
        starting(small.corpus(tmp_path, cased=True), None, checkpoint, 1)
