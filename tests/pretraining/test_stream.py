import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from kbert_tasks.errors import InputError
from kbert_tasks.pretraining.stream import TOGETHER, batches, dataset

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{i}" for i in range(60_000))]


class MemoryCorpus:
    """A corpus in memory. Every token has a different id, so it can be recognised in the batches."""

    vocabulary = VOCABULARY

    def __init__(self, shards=3, documents=40, held_out=1):
        self.parts, self.read, first = {"train": [], "held-out": []}, [], 5
        draw = np.random.default_rng(0)
        for part, count in (("train", shards), ("held-out", held_out)):
            for _ in range(count):
                self.parts[part].append([])
                for _ in range(documents):
                    ends = np.cumsum(draw.integers(2, 15, draw.integers(1, 9))).astype("int32")
                    ids = np.arange(first, first + ends[-1], dtype="int32")
                    first += len(ids)
                    self.parts[part][-1].append(SimpleNamespace(ids=ids, ends=ends, joined=np.zeros(len(ids), bool)))
        assert first < len(VOCABULARY)

    def shards(self, part):
        return len(self.parts[part])

    def documents(self, part, number):
        self.read.append(number)
        return self.parts[part][number]

    def tokens(self, part):
        return {number for shard in self.parts[part] for each in shard for number in each.ids.tolist()}


def first_batches(corpus, count, part="train", length=32, size=8, seed=1, **options):
    return list(itertools.islice(batches(corpus, part, length, size, seed, **options), count))


def text(x, y):
    """Returns the ids of a batch before masking, without special tokens."""
    ids, real = x["Input-Token"].copy(), y["MLM"] >= 0
    rows = np.nonzero(real)[0]
    ids[rows, x["Masked-Position"][real]] = y["MLM"][real]
    return ids[ids > 4].tolist()


def same(first, second):
    return len(first) == len(second) and all(
        np.array_equal(a[name], b[name]) for one, two in zip(first, second, strict=True)
        for a, b in zip(one, two, strict=True) for name in a
    )  # fmt: skip


@pytest.mark.parametrize("shards", [1, 3, TOGETHER + 3])
def test_batches_can_start_at_any_step(shards):
    corpus = MemoryCorpus(shards, documents=12)
    whole = first_batches(corpus, 120)
    for step in (0, 1, 17, 60, 119):
        assert same(whole[step:], first_batches(corpus, 120 - step, first_step=step))
    assert not same(whole, first_batches(corpus, 120, seed=2))


def test_training_batches_are_full_and_each_epoch_has_all_text():
    corpus = MemoryCorpus()
    tokens = len(corpus.tokens("train"))
    found = first_batches(corpus, 400)
    assert {len(y["NSP"]) for _, y in found} == {8}
    assert max(x["Input-Token"].shape[1] for x, _ in found) == 32
    counts = np.bincount(np.concatenate([text(x, y) for x, y in found]), minlength=5 + tokens)[5 : 5 + tokens]
    epochs = counts.mean()
    assert epochs > 3
    # In a small text, exchanging parts cuts or repeats some tokens, but not always the same ones.
    assert epochs / 2 < counts.min() and counts.max() < 1.5 * epochs
    assert {number for x, y in found for number in text(x, y)} <= corpus.tokens("train")
    labels = np.concatenate([y["NSP"] for _, y in found])
    assert labels.mean() == pytest.approx(0.5, abs=0.01)


def test_each_epoch_has_other_masks_and_pairs():
    corpus = MemoryCorpus(1, documents=8)
    found = first_batches(corpus, 200)
    masked = [set(y["MLM"][y["MLM"] >= 0].tolist()) for _, y in found]
    assert len(set.union(*masked)) > 0.95 * len(corpus.tokens("train"))  # not always the same tokens
    rows = [tuple(row) for x, _ in found for row in x["Input-Token"].tolist()]
    assert len(set(rows)) > 0.9 * len(rows)


def test_batch_mixes_shards_and_has_pairs_of_similar_length():
    corpus = MemoryCorpus(3)
    shard = {number: i for i, each in enumerate(corpus.parts["train"]) for d in each for number in d.ids.tolist()}
    found = first_batches(corpus, 50, size=16)
    assert np.mean([len({shard[number] for number in text(x, y)}) == 3 for x, y in found]) > 0.9
    real = sum((x["Input-Token"] != 0).sum() for x, _ in found)
    assert real > 0.9 * sum(x["Input-Token"].size for x, _ in found)
    wrong = np.array([y["NSP"].sum() for _, y in found])
    assert wrong.var() < 8  # 4 by chance; 64 if the length determined the label


def test_few_shards_are_read_at_a_time_and_only_once_if_all_fit():
    corpus = MemoryCorpus(2 * TOGETHER, documents=4)
    next(batches(corpus, "train", 32, 8, 1))
    assert len(set(corpus.read)) == len(corpus.read) == TOGETHER
    corpus = MemoryCorpus(3)
    first_batches(corpus, 300)
    assert sorted(corpus.read) == [0, 1, 2]


def test_held_out_batches_are_one_pass_and_equal_for_every_seed():
    corpus = MemoryCorpus(1, documents=30, held_out=TOGETHER + 1)
    found = first_batches(corpus, None, "held-out", seed=1)
    assert same(found, first_batches(corpus, None, "held-out", seed=2))
    sizes = [len(y["NSP"]) for _, y in found]
    assert set(sizes[:-1]) == {8} and 1 <= sizes[-1] <= 8
    numbers = sum((text(x, y) for x, y in found), [])
    assert len(numbers) == pytest.approx(len(set(numbers)), rel=0.02)
    assert set(numbers) <= corpus.tokens("held-out") and len(set(numbers)) > 0.97 * len(corpus.tokens("held-out"))


def test_whole_words_are_masked_together():
    corpus = MemoryCorpus(1)
    for each in corpus.parts["train"][0]:
        each.joined = each.ids % 2 == 0
    masked_together = masked_alone = 0
    for x, y in first_batches(corpus, 60, whole_word_mask=True):
        for row in range(len(y["MLM"])):
            masked = set(y["MLM"][row][y["MLM"][row] >= 0].tolist())
            present = set(text({k: v[row : row + 1] for k, v in x.items()}, {"MLM": y["MLM"][row : row + 1]}))
            for number in masked:
                other = number + 1 if number % 2 else number - 1
                masked_together += other in masked
                masked_alone += other in present and other not in masked
    assert (
        masked_together > 1000 and masked_alone < 0.15 * masked_together
    )  # a word that is cut at the end of a sentence counts as two words


def test_dataset_has_the_same_batches():
    corpus = MemoryCorpus(1)
    expected = first_batches(corpus, 6, first_step=3)
    found = [
        tuple({name: array.numpy() for name, array in part.items()} for part in step)
        for step in dataset(corpus, "train", 32, 8, 1, first_step=3).take(6)
    ]
    assert same(expected, found)


def test_too_little_text_is_reported():
    corpus = MemoryCorpus(0, held_out=0)
    with pytest.raises(
        InputError, match="train part of the corpus has text for 0 pairs of up to 32 tokens, .* give more"
    ):
        next(batches(corpus, "train", 32, 8, 1))
    with pytest.raises(InputError, match="held-out part.* give more text, or prepare it again with --held-out 0"):
        dataset(corpus, "held-out", 32, 8, 1)
    one = MemoryCorpus(1, documents=1, held_out=1)
    one.parts["train"][0][0].ids = one.parts["train"][0][0].ids[:5]
    one.parts["train"][0][0].ends, one.parts["train"][0][0].joined = np.array([5]), np.zeros(5, bool)
    with pytest.raises(InputError, match="for 1 pairs"):
        next(batches(one, "train", 32, 8, 1))


def test_cut_and_repeated_tokens_are_reported_once(caplog):
    corpus = MemoryCorpus(1, documents=20)
    with caplog.at_level("INFO", "kbert_tasks"):
        first_batches(corpus, 200)
    records = [record for record in caplog.records if "are in no pair" in record.getMessage()]
    assert len(records) == 1 and records[0].args[0] == "train" and sum(records[0].args[1:]) > 0
    caplog.clear()
    with caplog.at_level("INFO", "kbert_tasks"):
        first_batches(corpus, 100, first_step=100)  # a run that resumes after the first epoch
    assert not caplog.records


def test_bad_arguments_are_reported():
    with pytest.raises(InputError, match="train and held-out, not 'dev'"):
        batches(MemoryCorpus(1), "dev", 32, 8, 1)
    with pytest.raises(InputError, match="batch_size should be at least 1, not 0"):
        batches(MemoryCorpus(1), "train", 32, 0, 1)
    with pytest.raises(InputError, match="length is 5"):
        dataset(MemoryCorpus(1), "train", 5, 8, 1)
