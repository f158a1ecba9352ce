"""Training on only the embeddings of the tokens in the texts gives the same weights as training on all embeddings."""

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
def subset_task(checkpoint):
    return trained(checkpoint)


def test_weights_equal_training_on_all_embeddings(subset_task, checkpoint, monkeypatch):
    monkeypatch.setattr(
        embedding_subset, "numbers", lambda texts: np.arange(len(subset_task.tokenizer.vocabulary), dtype=np.int32)
    )
    full_task = trained(checkpoint)
    assert subset_task.report_["history"][-1]["loss"] == full_task.report_["history"][-1]["loss"]
    for one, other in zip(subset_task.model.get_weights(), full_task.model.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_only_embeddings_of_used_tokens_change(subset_task, checkpoint):
    task = subset_task
    before = kb.Checkpoint.open(checkpoint).tensors()["bert/embeddings/word_embeddings"]
    after = task.model.get_layer(embedding_subset.TABLE).get_weights()[0]
    used = {int(i) for row in ROWS for i in task.tokenizer.encode(row["text"]).ids}
    changed = set(np.flatnonzero((before != after).any(1)))
    assert changed == used
    assert task.model.count_params() == len(np.concatenate([w.ravel() for w in task.model.get_weights()]))


def test_token_only_in_development_texts_is_read_correctly(checkpoint):
    dev = [{"text": "环境 quiet terrible", "label": "bad"}]
    task = kb.TextClassifier(checkpoint, epochs=1, max_length=16).fit(ROWS, dev=dev)
    (answer,) = task.predict([dev[0]["text"]])
    assert task.report_["scores"]["dev"]["accuracy"] == float(answer.label == "bad")


def test_numbers_are_sorted_and_renumbered():
    used = embedding_subset.numbers([np.int32([7, 3]), np.int32([3, 9, 2])])
    assert used.tolist() == [0, 2, 3, 7, 9] and used.dtype == np.int32
    assert embedding_subset.renumbered(np.int32([9, 0, 3]), used).tolist() == [4, 0, 2]
