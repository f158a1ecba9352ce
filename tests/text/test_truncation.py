"""Long texts with one answer: cut at the end, cut in the middle, or read in windows."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks.text.truncation import TruncationSettings, encode, first_cut, merged
from kbert_tasks.text.windows import WHOLE, head_tail

from .. import tiny

TOKENIZER = kb.Tokenizer(tiny.vocabulary(), cased=False)
texts = st.text(st.sampled_from("房间很干净 ab1é, 。İ한ﬁ\u0301😀"), max_size=60)
LETTERS = "a b c d e f g h i j k l"


def read(encoded):
    return " ".join(TOKENIZER.tokens(encoded.ids))


@pytest.mark.parametrize(
    "text, pair, max_length, expected",
    [
        ("a b c", None, 5, "[CLS] a b c [SEP]"),
        (LETTERS, None, 6, "[CLS] a b k l [SEP]"),
        (LETTERS, None, 7, "[CLS] a b c k l [SEP]"),
        (LETTERS, None, 4, "[CLS] a l [SEP]"),
        ("好", LETTERS, 8, "[CLS] 好 [SEP] a b k l [SEP]"),
        (LETTERS, "好 坏", 9, "[CLS] a b k l [SEP] 好 坏 [SEP]"),
        (LETTERS, LETTERS, 10, "[CLS] a b k l [SEP] a b l [SEP]"),
        (LETTERS, "", 7, "[CLS] a b k l [SEP] [SEP]"),
        (LETTERS, LETTERS, 4, "[CLS] a [SEP] [SEP]"),
    ],
)
def test_head_and_tail_are_kept(text, pair, max_length, expected):
    assert read(head_tail(TOKENIZER.encode(text, pair, WHOLE), max_length)) == expected


@given(texts, st.none() | texts, st.integers(4, 70))
def test_head_tail_has_the_length_of_cut_and_the_right_offsets(text, pair, max_length):
    whole, cut = (TOKENIZER.encode(text, pair, length) for length in (WHOLE, max_length))
    found = head_tail(replace(whole, ids=np.arange(len(whole.ids))), max_length)
    kept = found.ids
    assert len(kept) <= max_length and found.cut == cut.cut == len(whole.ids) - len(kept)
    np.testing.assert_array_equal(found.segments, cut.segments)  # the same number of tokens of each text
    np.testing.assert_array_equal(found.segments, whole.segments[kept])
    np.testing.assert_array_equal(found.offsets, whole.offsets[kept])
    assert (np.diff(kept) > 0).all()
    separators = [0, *np.flatnonzero(whole.ids == whole.ids[-1])]
    assert set(separators) <= set(kept.tolist())
    for start, end in pairwise(separators):
        gaps = np.flatnonzero(np.diff([i for i in kept if start <= i <= end]) > 1)
        assert len(gaps) <= 1  # one part is missing, and it is in the middle
        if len(gaps):
            count = sum(start < i < end for i in kept)
            assert gaps[0] == (count + 1) // 2


def settings(**changes):
    return TruncationSettings(**{"max_length": 12} | changes)


@given(texts, st.none() | texts)
def test_default_is_to_cut_the_end(text, pair):
    (found,) = encode(TOKENIZER, text, pair, settings())
    np.testing.assert_array_equal(found.ids, TOKENIZER.encode(text, pair, 12).ids)


def test_windows_overlap_by_the_given_number_of_tokens():
    text = " ".join("abcdefghij" * 5)  # 50 tokens, 10 in a window

    def starts(**changes):
        found = encode(TOKENIZER, text, None, settings(truncation="windows", **changes))
        assert all(len(each.ids) == 12 for each in found)
        return [int(each.offsets[1, 0]) // 2 for each in found]

    assert starts() == [0, 8, 16, 24, 32, 40]  # a quarter of 10, rounded down
    assert starts(window_overlap=0) == [0, 10, 20, 30, 40]
    assert starts(window_overlap=5) == [*range(0, 41, 5)]
    assert starts(window_overlap=1) == [0, 9, 18, 27, 36, 40]


@given(texts, st.none() | texts, st.integers(0, 5))
def test_windows_contain_every_token_except_of_a_long_first_text(text, pair, overlap):
    found = encode(TOKENIZER, text, pair, settings(truncation="windows", window_overlap=overlap))
    whole = TOKENIZER.encode(text, pair, WHOLE)
    last = int(pair is not None)
    wanted = {tuple(each) for each in whole.offsets[whole.segments == last]}
    assert {tuple(place) for each in found for place in each.offsets[each.segments == last]} == wanted
    assert all(len(each.ids) <= 12 for each in found)
    if pair is not None and len(found) > 1:
        kept = int((found[0].segments == 0).sum()) == int((whole.segments == 0).sum())
        assert first_cut(TOKENIZER, text, found) == (not kept)
    else:
        assert not first_cut(TOKENIZER, text, found)


def test_probabilities_of_windows_are_merged():
    p = np.array([[0.9, 0.1, 0.0], [0.2, 0.6, 0.2]])
    np.testing.assert_allclose(merged(p, "mean"), [0.55, 0.35, 0.1])
    np.testing.assert_allclose(merged(p, "max"), [0.9, 0.6, 0.2])
    np.testing.assert_array_equal(merged(p[:1], "mean"), p[0])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"truncation": "middle"}, "truncation should be one of cut, head-tail, windows, not 'middle'"),
        ({"window_pooling": "sum"}, "window_pooling should be one of mean, max, not 'sum'"),
        (
            {"window_overlap": 4},
            "window_overlap needs truncation='windows': set it, or leave window_overlap out",
        ),
        (
            {"truncation": "windows", "window_overlap": 6},
            "window_overlap should be at most 5 tokens, half a window, not 6",
        ),
        ({"truncation": "windows", "window_overlap": -1}, "window_overlap should be at least 0, not -1"),
    ],
)
def test_invalid_settings_are_rejected(changes, message):
    with pytest.raises(kb.InputError) as caught:
        settings(**changes)
    assert message in str(caught.value)
