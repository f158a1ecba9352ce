"""Prediction of the words for [MASK]."""

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks.checkpoint import google_format
from kbert_tasks.checkpoint.checkpoint import Checkpoint
from kbert_tasks.encoder.loading import load_trained_model_from_checkpoint
from kbert_tasks.errors import InputError
from kbert_tasks.text.tokenizer import SPECIAL, Tokenizer

from .. import tiny


def test_words_equal_those_of_keras_bert(checkpoint):
    found = Checkpoint.open(checkpoint)
    answers = kb.fill_mask(checkpoint, "房[MASK]很干净，the room[MASK] clean", top=4)
    number = {token: i for i, token in enumerate(found.vocabulary)}
    words = "[CLS] 房 [MASK] 很 干 净 ， the room [MASK] clean [SEP]".split()
    ids = np.array([[number[word] for word in words]])
    network = load_trained_model_from_checkpoint(found.config_file, found.checkpoint_file, training=True)
    probabilities = network([ids, np.zeros_like(ids), np.ones_like(ids)], training=False)[0].numpy()[0]
    assert len(answers) == 2
    for place, answer in zip((2, 9), answers, strict=True):
        ranked = [i for i in np.argsort(-probabilities[place]) if not tiny.vocabulary()[i].startswith("[")]
        assert [token for token, _ in answer] == [found.vocabulary[i] for i in ranked[:4]]
        np.testing.assert_allclose(
            [probability for _, probability in answer], probabilities[place][ranked[:4]], rtol=1e-4
        )


def test_only_the_mask_is_special(checkpoint):
    tokenizer = Tokenizer(tiny.vocabulary(), False)
    from kbert_tasks.pretraining.fill import _inputs

    ids = _inputs(tokenizer, "[SEP][MASK]a[CLS]")["Input-Token"][0]
    tokens = tokenizer.tokens(ids)
    assert tokens[0] == "[CLS]" and tokens[-1] == "[SEP]" and tokens.count("[MASK]") == 1
    assert not set(tokens[1:-1]) & {"[CLS]", "[SEP]"}
    assert kb.fill_mask(checkpoint, "[MASK]", top=1)[0][0][0] in tiny.vocabulary()


def test_special_tokens_are_not_predicted(checkpoint):
    (answer,) = kb.fill_mask(checkpoint, "a [MASK]", top=10_000)
    words = [token for token, _ in answer]
    assert set(words) == set(tiny.vocabulary()) - {*SPECIAL, "[unused1]"}
    probabilities = [probability for _, probability in answer]
    assert probabilities == sorted(probabilities, reverse=True) and 0.5 < sum(probabilities) < 1


def test_new_weights_in_the_same_folder_are_loaded(tmp_path):
    folder = tiny.checkpoint(tmp_path / "uncased_one", seed=1)
    before = kb.fill_mask(folder, "a [MASK]")
    assert kb.fill_mask(Checkpoint.open(folder), "a [MASK]") == before
    tiny.checkpoint(tmp_path / "uncased_one", seed=2)
    assert kb.fill_mask(folder, "a [MASK]") != before


@pytest.mark.parametrize(
    "text, top, message",
    [
        ("no mask", 5, "should contain .MASK. in place of the word to predict, found 'no mask'"),
        (None, 5, "should contain .MASK."),
        ("[MASK]", 0, "top should be a whole number of at least 1"),
        ("a " * 70 + "[MASK]", 5, "has 73 tokens, .CLS. and .SEP. included, and uncased_tiny reads 64 at most"),
    ],
)
def test_text_that_cannot_be_filled_is_reported(checkpoint, text, top, message):
    with pytest.raises(InputError, match=message):
        kb.fill_mask(checkpoint, text, top)


def test_checkpoint_without_the_head_is_rejected(tmp_path):
    folder = tmp_path / "uncased_bare"
    google_format.write(folder, tiny.config(), tiny.vocabulary(), tiny.tensors(tiny.config(), heads=False))
    with pytest.raises(InputError, match="has no masked-word head .cls/predictions/.* is missing."):
        kb.fill_mask(folder, "[MASK]")
    only_words = {n: a for n, a in tiny.tensors(tiny.config()).items() if not n.startswith(("cls/seq", "bert/pooler"))}
    google_format.write(tmp_path / "uncased_words", tiny.config(), tiny.vocabulary(), only_words)
    assert len(kb.fill_mask(tmp_path / "uncased_words", "[MASK]")) == 1
