from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbert_tasks.errors import InputError
from kbert_tasks.pretraining.pairs import LEAST, Text, pairs

SPECIAL = SimpleNamespace(pad=0, unk=1, cls=2, sep=3, mask=4)


def document(sizes, first=10, joined=None):
    """Returns a document with sentences of these sizes. The ids count from `first`, so an id is the position of its token."""
    ends = np.cumsum(sizes).astype("int32")
    ids = np.arange(first, first + ends[-1], dtype="int32")
    return SimpleNamespace(ids=ids, ends=ends, joined=np.zeros(len(ids), bool) if joined is None else joined)


def documents(all_sizes):
    result, first = [], 10
    for sizes in all_sizes:
        result.append(document(sizes, first))
        first += sum(sizes)
    return result


def parts(pair):
    """Checks the format of a pair and returns the ids of its two parts."""
    (middle, last) = np.flatnonzero(pair.ids == SPECIAL.sep)
    assert pair.ids[0] == SPECIAL.cls and last == len(pair.ids) - 1
    assert pair.segments.tolist() == [0] * (middle + 1) + [1] * (last - middle)
    assert not pair.joined[[0, 1, middle, middle + 1, last]].any()
    assert {each.dtype.name for each in pair[:2]} == {"int32"} and pair.joined.dtype == bool
    return pair.ids[1:middle], pair.ids[middle + 1 : last]


def draw(seed=0):
    return np.random.default_rng(seed)


texts = st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=8), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(texts, st.integers(LEAST, 80), st.integers(0, 99))
def test_every_token_is_in_one_pair_or_is_counted_as_cut(sizes, length, seed):
    found = pairs(documents(sizes), length, draw(seed), SPECIAL)
    total = sum(map(sum, sizes))
    if total < 2:
        assert len(found) == 0
        return
    ids = [np.concatenate(parts(pair)) for pair in found]
    assert all(len(a) and len(b) for a, b in map(parts, found))
    assert max(len(each) for each in ids) + 3 <= length
    assert [len(each) + 3 for each in ids] == found.lengths.tolist()
    flat = np.concatenate(ids)
    assert total - found.cut <= len(set(flat.tolist())) <= total
    assert len(flat) == total - found.cut + found.repeated
    assert all((np.diff(part) == 1).all() for pair in found for part in parts(pair))  # a contiguous piece of the text


@settings(deadline=None, max_examples=60)
@given(texts, st.integers(0, 99))
def test_label_says_whether_the_second_part_follows(sizes, seed):
    found = pairs(documents(sizes), 40, draw(seed), SPECIAL)
    for pair in found:
        a, b = parts(pair)
        assert pair.next == (0 if a[-1] + 1 == b[0] else 1)
    not_following = sum(pair.next for pair in found)
    assert abs(2 * not_following - len(found)) <= (1 if len(found) > 3 else len(found))
    assert found.next.tolist() == [pair.next for pair in found]


@pytest.mark.parametrize(
    "sizes",
    [
        [[5]] * 2000,  # documents of one short sentence
        [[30000]],  # one document, one sentence
        [[12] * 2500],  # one novel
        [[12] * 2000, *[[7, 9]] * 300],
        [[1]] * 3000,  # a list of words
    ],
)
def test_labels_are_balanced_for_every_kind_of_text(sizes):
    found = pairs(documents(sizes), 64, draw(), SPECIAL)
    assert len(found) > 400 and abs(found.next.mean() - 0.5) < 0.002
    assert found.cut < 0.015 * found.lengths.sum()


def test_few_tokens_of_a_large_text_are_cut_or_repeated():
    sizes = draw().integers(5, 60, (30, 1000)).tolist()
    found = pairs(documents(sizes), 128, draw(), SPECIAL)
    assert found.cut + found.repeated < 0.002 * found.lengths.sum()


def test_random_second_part_comes_from_another_document():
    all_documents = documents([[10] * 12] * 200)
    document_of = {number: i for i, each in enumerate(all_documents) for number in each.ids.tolist()}
    found = pairs(all_documents, 48, draw(), SPECIAL)
    same = [document_of[a[0]] == document_of[b[0]] for a, b in map(parts, found)]
    assert all(same[i] == (found.next[i] == 0) for i in range(len(found)))
    partners = {
        (document_of[a[0]], document_of[b[0]]) for a, b in map(parts, pairs(all_documents, 48, draw(1), SPECIAL))
    }
    before = {(document_of[a[0]], document_of[b[0]]) for a, b in map(parts, found)}
    assert len([pair for pair in partners & before if pair[0] != pair[1]]) < 0.1 * len(
        before
    )  # each epoch has other pairs


def test_random_second_part_of_a_single_document_is_far_away():
    found = pairs(documents([[12] * 4000]), 48, draw(), SPECIAL)
    distances = np.array([abs(int(b[0]) - int(a[-1])) for a, b in map(parts, found)])[found.next == 1]
    assert distances.min() > 4 * 48 and np.median(distances) > 10_000


@pytest.mark.parametrize("sentences", [4, 400])
def test_lengths_and_ends_do_not_predict_the_label(sentences):
    """If random second parts filled the pair, as in Google's code, they would be longer than the following parts."""
    sizes = [draw(i).integers(3, 30, size=1 + i % sentences).tolist() for i in range(9600 // sentences)]
    all_documents = documents(sizes)
    ends = {int(each.ids[end - 1]) for each in all_documents for end in each.ends}
    found = pairs(all_documents, 64, draw(), SPECIAL)
    rows = [
        (len(a), len(b), len(a) + len(b) == 61, int(a[-1]) in ends, int(b[0]) - 1 in ends, int(b[-1]) in ends)
        for a, b in map(parts, found)
    ]
    right, wrong = (np.array(rows, float)[found.next == label] for label in (0, 1))
    deviation = np.sqrt(right.var(axis=0) / len(right) + wrong.var(axis=0) / len(wrong))
    assert (np.abs(right.mean(axis=0) - wrong.mean(axis=0)) < 4 * deviation + 1e-9).all()
    for length in np.unique(found.lengths):
        labels = found.next[found.lengths == length]
        assert abs(labels.mean() - 0.5) < 2.5 / np.sqrt(len(labels))


def test_parts_are_split_at_sentence_ends():
    all_documents = documents([[10] * 500])
    found = pairs(all_documents, 64, draw(), SPECIAL)
    lasts = np.array([parts(pair)[0][-1] - 10 + 1 for pair in found])
    long_enough = found.lengths > 3 + 11
    assert (lasts[long_enough] % 10 == 0).all()
    middle = [len(parts(pair)[0]) / (found.lengths[i] - 3) for i, pair in enumerate(found) if long_enough[i]]
    assert min(middle) < 0.3 and max(middle) > 0.7  # at any sentence end


def test_words_are_rarely_split():
    joined = np.arange(6000) % 3 > 0
    found = pairs([document([6000], joined=joined)], 33, draw(), SPECIAL)
    whole = [part[0] % 3 == 1 and len(part) % 3 == 0 for pair in found for part in parts(pair)]  # ids count from 10
    assert np.mean(whole) > 0.97
    assert np.mean([pair.joined.sum() == 2 * (len(pair.ids) - 3) / 3 for pair in found]) > 0.97


def test_word_longer_than_the_pair_is_cut():
    joined = np.ones(500, bool)
    found = pairs([document([500], joined=joined)], 20, draw(), SPECIAL)
    assert len(found) >= 500 / 17
    assert found.lengths.sum() - 3 * len(found) + found.cut - found.repeated == 500


def test_same_seed_repeats_the_pairs_and_another_seed_differs():
    text = Text.of(documents([[7, 8, 9] * 20] * 20))
    first, repeated, other = (pairs(text, 64, draw(seed), SPECIAL) for seed in (1, 1, 2))
    assert len(first) == len(repeated)
    for a, b in zip(first, repeated, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert {tuple(pair.ids.tolist()) for pair in first} != {tuple(pair.ids.tolist()) for pair in other}


def test_a_tenth_of_the_pairs_is_shorter():
    found = pairs(documents([[20] * 20_000]), 128, draw(), SPECIAL)
    assert 0.08 < np.mean(found.lengths < 120) < 0.12


def test_document_of_one_token_is_joined_to_the_next():
    assert Text.of(documents([[1], [1], [5], [1], [4], [1]])).ends.tolist() == [2, 7, 13]
    assert Text.of(documents([[1]])).ends.tolist() == []


def test_too_little_text_or_length():
    assert len(pairs([], 64, draw(), SPECIAL)) == 0
    assert [pair.next for pair in pairs(documents([[4]]), 64, draw(), SPECIAL)] == [0]
    with pytest.raises(InputError, match="length is 5; .* at least 6 tokens: increase it"):
        pairs(documents([[4]]), 5, draw(), SPECIAL)
