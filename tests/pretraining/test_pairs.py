from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbert_tasks.errors import InputError
from kbert_tasks.pretraining.pairs import LEAST, Text, pairs

SPECIAL = SimpleNamespace(pad=0, unk=1, cls=2, sep=3, mask=4)


def document(sizes, first=10, joined=None):
    """A document of sentences of these sizes whose ids count on from `first`: an id says where its token stood."""
    ends = np.cumsum(sizes).astype("int32")
    ids = np.arange(first, first + ends[-1], dtype="int32")
    return SimpleNamespace(ids=ids, ends=ends, joined=np.zeros(len(ids), bool) if joined is None else joined)


def documents(all_sizes):
    made, first = [], 10
    for sizes in all_sizes:
        made.append(document(sizes, first))
        first += sum(sizes)
    return made


def parts(pair):
    """The ids of a and b; checks what holds for every pair."""
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
def test_every_token_is_in_one_pair_or_is_counted(sizes, length, seed):
    made = pairs(documents(sizes), length, draw(seed), SPECIAL)
    total = sum(map(sum, sizes))
    if total < 2:
        assert len(made) == 0
        return
    ids = [np.concatenate(parts(pair)) for pair in made]
    assert all(len(a) and len(b) for a, b in map(parts, made))
    assert max(len(each) for each in ids) + 3 <= length
    assert [len(each) + 3 for each in ids] == made.lengths.tolist()
    flat = np.concatenate(ids)
    assert total - made.cut <= len(set(flat.tolist())) <= total
    assert len(flat) == total - made.cut + made.repeated
    assert all((np.diff(part) == 1).all() for pair in made for part in parts(pair))  # a piece of the text, unbroken


@settings(deadline=None, max_examples=60)
@given(texts, st.integers(0, 99))
def test_the_label_says_whether_the_second_part_follows(sizes, seed):
    made = pairs(documents(sizes), 40, draw(seed), SPECIAL)
    for pair in made:
        a, b = parts(pair)
        assert pair.next == (0 if a[-1] + 1 == b[0] else 1)
    wrong = sum(pair.next for pair in made)
    assert abs(2 * wrong - len(made)) <= (1 if len(made) > 3 else len(made))
    assert made.next.tolist() == [pair.next for pair in made]


@pytest.mark.parametrize(
    "sizes",
    [
        [[5]] * 2000,  # one short sentence each
        [[30000]],  # one document, one sentence
        [[12] * 2500],  # one novel
        [[12] * 2000, *[[7, 9]] * 300],
        [[1]] * 3000,  # a list of words
    ],
)
def test_the_labels_are_half_and_half_for_any_kind_of_text(sizes):
    made = pairs(documents(sizes), 64, draw(), SPECIAL)
    assert len(made) > 400 and abs(made.next.mean() - 0.5) < 0.002
    assert made.cut < 0.015 * made.lengths.sum()


def test_of_much_text_hardly_a_token_is_cut_or_repeated():
    sizes = draw().integers(5, 60, (30, 1000)).tolist()
    made = pairs(documents(sizes), 128, draw(), SPECIAL)
    assert made.cut + made.repeated < 0.002 * made.lengths.sum()


def test_the_second_part_is_of_another_document_where_none_is_most_of_the_text():
    made = documents([[10] * 12] * 200)
    home = {number: i for i, each in enumerate(made) for number in each.ids.tolist()}
    found = pairs(made, 48, draw(), SPECIAL)
    same = [home[a[0]] == home[b[0]] for a, b in map(parts, found)]
    assert all(same[i] == (found.next[i] == 0) for i in range(len(found)))
    partners = {(home[a[0]], home[b[0]]) for a, b in map(parts, pairs(made, 48, draw(1), SPECIAL))}
    before = {(home[a[0]], home[b[0]]) for a, b in map(parts, found)}
    assert len([pair for pair in partners & before if pair[0] != pair[1]]) < 0.1 * len(before)  # others in each epoch


def test_in_a_single_document_the_second_part_is_from_far_away():
    found = pairs(documents([[12] * 4000]), 48, draw(), SPECIAL)
    away = np.array([abs(int(b[0]) - int(a[-1])) for a, b in map(parts, found)])[found.next == 1]
    assert away.min() > 4 * 48 and np.median(away) > 10_000


@pytest.mark.parametrize("sentences", [4, 400])
def test_only_the_content_tells_the_label(sentences):
    """A copy that fills the pair, as in Google's code, would be longer than what follows in a short document."""
    sizes = [draw(i).integers(3, 30, size=1 + i % sentences).tolist() for i in range(9600 // sentences)]
    made = documents(sizes)
    ends = {int(each.ids[end - 1]) for each in made for end in each.ends}
    found = pairs(made, 64, draw(), SPECIAL)
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


def test_parts_meet_at_the_ends_of_sentences_where_there_are_any():
    made = documents([[10] * 500])
    found = pairs(made, 64, draw(), SPECIAL)
    lasts = np.array([parts(pair)[0][-1] - 10 + 1 for pair in found])
    long_enough = found.lengths > 3 + 11
    assert (lasts[long_enough] % 10 == 0).all()
    middle = [len(parts(pair)[0]) / (found.lengths[i] - 3) for i, pair in enumerate(found) if long_enough[i]]
    assert min(middle) < 0.3 and max(middle) > 0.7  # at any of them


def test_words_stay_whole_but_where_a_run_is_a_single_word():
    joined = np.arange(6000) % 3 > 0
    found = pairs([document([6000], joined=joined)], 33, draw(), SPECIAL)
    whole = [part[0] % 3 == 1 and len(part) % 3 == 0 for pair in found for part in parts(pair)]  # ids count from 10
    assert np.mean(whole) > 0.97
    assert np.mean([pair.joined.sum() == 2 * (len(pair.ids) - 3) / 3 for pair in found]) > 0.97


def test_a_word_longer_than_the_pair_is_cut():
    joined = np.ones(500, bool)
    found = pairs([document([500], joined=joined)], 20, draw(), SPECIAL)
    assert len(found) >= 500 / 17
    assert found.lengths.sum() - 3 * len(found) + found.cut - found.repeated == 500


def test_the_generator_repeats_everything_and_epochs_differ():
    text = Text.of(documents([[7, 8, 9] * 20] * 20))
    first, again, other = (pairs(text, 64, draw(seed), SPECIAL) for seed in (1, 1, 2))
    assert len(first) == len(again)
    for a, b in zip(first, again, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert {tuple(pair.ids.tolist()) for pair in first} != {tuple(pair.ids.tolist()) for pair in other}


def test_a_tenth_is_shorter():
    found = pairs(documents([[20] * 20_000]), 128, draw(), SPECIAL)
    assert 0.08 < np.mean(found.lengths < 120) < 0.12


def test_a_document_of_one_token_begins_the_next():
    assert Text.of(documents([[1], [1], [5], [1], [4], [1]])).ends.tolist() == [2, 7, 13]
    assert Text.of(documents([[1]])).ends.tolist() == []


def test_too_little_text_or_room():
    assert len(pairs([], 64, draw(), SPECIAL)) == 0
    assert [pair.next for pair in pairs(documents([[4]]), 64, draw(), SPECIAL)] == [0]
    with pytest.raises(InputError, match="length is 5; .* at least 6 tokens: increase it"):
        pairs(documents([[4]]), 5, draw(), SPECIAL)
