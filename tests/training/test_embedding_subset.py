"""Training on the rows of the table that stand in the texts gives what training on all of it gives."""

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks.training import embedding_subset

GOOD = ["the room was clean", "the food is good", "房间很干净", "very nice service"]
BAD = ["the room was bad", "terrible food", "房间很差", "not nice"]
ROWS = [{"text": text, "label": label} for label, texts in (("good", GOOD), ("bad", BAD)) for text in texts]


def trained(checkpoint, **settings):
    settings = {"epochs": 3, "batch_size": 3, "learning_rate": 1e-3, "max_length": 16} | settings
    return kb.TextClassifier(checkpoint, **settings).fit(ROWS, dev=ROWS[:2])


@pytest.fixture(scope="module")
def few(checkpoint):
    return trained(checkpoint)


def test_the_weights_are_those_of_training_on_all_rows(few, checkpoint, monkeypatch):
    monkeypatch.setattr(
        embedding_subset, "numbers", lambda texts: np.arange(len(few.tokenizer.vocabulary), dtype=np.int32)
    )
    everything = trained(checkpoint)
    assert few.report_["history"][-1]["loss"] == everything.report_["history"][-1]["loss"]
    for one, other in zip(few.model.get_weights(), everything.model.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_tokens_of_no_text_keep_their_vectors_and_the_others_do_not(few, checkpoint):
    task = few
    before = kb.Checkpoint.open(checkpoint).tensors()["bert/embeddings/word_embeddings"]
    after = task.model.get_layer(embedding_subset.TABLE).get_weights()[0]
    used = {int(i) for row in ROWS for i in task.tokenizer.encode(row["text"]).ids}
    moved = set(np.flatnonzero((before != after).any(1)))
    assert moved == used
    assert task.model.count_params() == len(np.concatenate([w.ravel() for w in task.model.get_weights()]))


def test_a_token_of_the_development_texts_alone_is_read_right(checkpoint):
    dev = [{"text": "环境 quiet terrible", "label": "bad"}]
    task = kb.TextClassifier(checkpoint, epochs=1, max_length=16).fit(ROWS, dev=dev)
    (answer,) = task.predict([dev[0]["text"]])
    assert task.report_["scores"]["dev"]["accuracy"] == float(answer.label == "bad")


def test_numbers_and_places():
    used = embedding_subset.numbers([np.int32([7, 3]), np.int32([3, 9, 2])])
    assert used.tolist() == [0, 2, 3, 7, 9] and used.dtype == np.int32
    assert embedding_subset.renumbered(np.int32([9, 0, 3]), used).tolist() == [4, 0, 2]
