from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks.text.windows import LEAST, WHOLE, windows

from .. import tiny

TOKENIZERS = [kb.Tokenizer(tiny.vocabulary(), cased=False, by_character=by) for by in (False, True)]
tokenizers = st.sampled_from(TOKENIZERS)
# Some of these characters have no token, one has several, and some tokens have several characters.
characters = st.sampled_from("房间很干净 ab1é, 。İ한ﬁ\u0301\u200b😀")
texts = st.text(characters, max_size=60)
plain = st.text(st.sampled_from("房间很干净 ab1,"), max_size=60)
overlaps = st.integers(0, 40)
LOWEST = 4  # the minimum of the setting max_length
PAIR = LEAST + 3  # the smallest max_length for [CLS], two [SEP] and LEAST tokens


def read(text, pair, max_length, overlap):
    """The tokens of each window, joined by spaces."""
    tokenizer = TOKENIZERS[0]
    return [
        " ".join(tokenizer.tokens(w.ids)) for w in windows(tokenizer.encode(text, pair, WHOLE), max_length, overlap)
    ]


def numbered(whole, max_length, overlap):
    """The positions of each window's tokens in the whole; checks that segments and offsets are those of the positions."""
    found = windows(replace(whole, ids=np.arange(len(whole.ids))), max_length, overlap)
    for window in found:
        np.testing.assert_array_equal(window.segments, whole.segments[window.ids])
        np.testing.assert_array_equal(window.offsets, whole.offsets[window.ids])
    return [window.ids.tolist() for window in found]


def check(whole, parts, max_length, overlap):
    """Checks the windows of any text or pair that is longer than max_length."""
    total = len(whole.ids)
    begin = int(np.argmax(whole.segments)) if whole.segments[-1] else 1  # start of the last text
    heads = [[i for i in part if i < begin] for part in parts]
    bodies = [[i for i in part if begin <= i < total - 1] for part in parts]
    for part, head, body in zip(parts, heads, bodies, strict=True):
        assert len(part) <= max_length
        assert part == [*head, *body, total - 1]
        assert body == list(range(body[0], body[0] + len(body))) if body else begin == total - 1
        # Every window begins with [CLS], the beginning of the first text and its [SEP].
        assert head == heads[0] and head[0] == 0 and head[-1] == begin - 1
        assert head[:-1] == list(range(len(head) - 1))
    assert list(dict.fromkeys(i for body in bodies for i in body)) == list(range(begin, total - 1))
    capacity = max_length - len(heads[0]) - 1
    shared = [len({*one} & {*other}) for one, other in zip(bodies, bodies[1:], strict=False)]
    assert all(overlapping >= min(overlap, capacity // 2) for overlapping in shared)
    assert all(
        overlapping == min(overlap, capacity // 2) for overlapping in shared[:-1]
    )  # the last window may overlap more
    assert all(one[0] < other[0] and one[-1] < other[-1] for one, other in zip(bodies, bodies[1:], strict=False))
    return len(heads[0]) == begin, capacity


LETTERS = "a b c d e f g h i j k l"


@pytest.mark.parametrize(
    "text, max_length, overlap, expected",
    [
        ("", 4, 2, [""]),
        ("a b c d", 6, 2, ["a b c d"]),
        ("a b c d e", 6, 0, ["a b c d", "b c d e"]),
        ("a b c d e f g h", 6, 0, ["a b c d", "e f g h"]),
        ("a b c d e f g h", 6, 1, ["a b c d", "d e f g", "e f g h"]),
        ("a b c d e f g h", 6, 2, ["a b c d", "c d e f", "e f g h"]),
        ("a b c d e f g h", 6, 9, ["a b c d", "c d e f", "e f g h"]),
        ("a b c d e f g h", 7, 9, ["a b c d e", "d e f g h"]),
        ("a b c", 4, 0, ["a b", "b c"]),
        ("quiet rooms 很干净", 6, 1, ["quiet room ##s 很", "##s 很 干 净"]),
    ],
)
def test_windows_of_a_text_are_as_expected(text, max_length, overlap, expected):
    expected_windows = [f"[CLS] {part} [SEP]".replace("  ", " ") for part in expected]
    assert read(text, None, max_length, overlap) == expected_windows


@pytest.mark.parametrize(
    "text, pair, max_length, expected",
    [
        ("a b", "c d", 7, ["[CLS] a b [SEP] c d [SEP]"]),
        ("", LETTERS, 14, ["[CLS] [SEP] a b c d e f g h i j k [SEP]", "[CLS] [SEP] b c d e f g h i j k l [SEP]"]),
        (
            "很 好",
            LETTERS[:19],
            13,
            ["[CLS] 很 好 [SEP] a b c d e f g h [SEP]", "[CLS] 很 好 [SEP] c d e f g h i j [SEP]"],
        ),
        ("很 好 吗", LETTERS[:15], 13, ["[CLS] 很 好 [SEP] a b c d e f g h [SEP]"]),
        (LETTERS, "房 间 很 干 净 好 坏 差", 12, ["[CLS] a [SEP] 房 间 很 干 净 好 坏 差 [SEP]"]),
        ("a", "房 间 很 干 净 好 坏 差", 11, ["[CLS] [SEP] 房 间 很 干 净 好 坏 差 [SEP]"]),
    ],
)
def test_windows_of_a_pair_are_as_expected(text, pair, max_length, expected):
    assert read(text, pair, max_length, overlap=2) == expected


def test_long_first_text_leaves_the_minimum_number_of_tokens_to_the_second():
    found = windows(TOKENIZERS[0].encode(LETTERS, LETTERS, WHOLE), PAIR + 2, 0)
    assert [int((window.segments == 1).sum()) - 1 for window in found] == [LEAST] * 2


def test_windows_have_segments_offsets_and_tokens_outside():
    first, second = windows(TOKENIZERS[0].encode("ab 好", "a b c d e f g h i j", WHOLE), 14, 0)
    assert first.segments.tolist() == second.segments.tolist() == [0] * 5 + [1] * 9
    assert first.offsets.tolist() == [
        [0, 0],
        [0, 1],
        [1, 2],
        [3, 4],
        [0, 0],
        *([i, i + 1] for i in range(0, 16, 2)),
        [0, 0],
    ]
    assert second.offsets[5:-1].tolist() == [[i, i + 1] for i in range(4, 20, 2)]
    assert (first.cut, second.cut) == (2, 2)


@given(tokenizers, texts, st.none() | texts, st.integers(0, 9), overlaps)
def test_text_that_fits_is_returned_unchanged(tokenizer, text, pair, more, overlap):
    whole = tokenizer.encode(text, pair, WHOLE)
    (found,) = windows(whole, len(whole.ids) + more, overlap)
    assert found is whole and found.cut == 0


@given(tokenizers, texts, overlaps, st.data())
def test_windows_contain_every_token_of_a_text_in_order(tokenizer, text, overlap, draw):
    whole = tokenizer.encode(text, None, WHOLE)
    assume(len(whole.ids) > LOWEST)
    max_length = draw.draw(st.integers(LOWEST, len(whole.ids) - 1))
    parts = numbered(whole, max_length, overlap)
    assert check(whole, parts, max_length, overlap) == (True, max_length - 2)
    assert {len(part) for part in parts} == {max_length}


@given(tokenizers, texts, texts, overlaps, st.data())
def test_windows_of_a_pair_each_contain_the_first_text_and_together_the_second(tokenizer, text, pair, overlap, draw):
    whole = tokenizer.encode(text, pair, WHOLE)
    first, second = (len(tokenizer.encode(each, None, WHOLE).ids) - 2 for each in (text, pair))
    assume(len(whole.ids) > LOWEST)
    max_length = draw.draw(st.integers(LOWEST, len(whole.ids) - 1))
    complete, capacity = check(whole, numbered(whole, max_length, overlap), max_length, overlap)
    minimum = min(LEAST, second, max_length - 3)
    assert complete == (first + minimum + 3 <= max_length)
    assert capacity == (max_length - first - 3 if complete else minimum)


@pytest.mark.parametrize(
    "text, pair, max_length",
    [
        (LETTERS, "房 间", 14),
        (LETTERS, "", 14),
        ("", LETTERS, 10),
        ("a b", LETTERS, 10),
        (LETTERS, LETTERS, 9),
        ("a b", LETTERS, 8),
    ],
)
def test_short_windows_of_pairs_are_valid(text, pair, max_length):
    whole = TOKENIZERS[0].encode(text, pair, WHOLE)
    check(whole, numbered(whole, max_length, 2), max_length, 2)


@given(tokenizers, texts, st.none() | texts, st.integers(PAIR, 40), overlaps)
def test_cut_counts_the_tokens_outside(tokenizer, text, pair, max_length, overlap):
    whole = tokenizer.encode(text, pair, WHOLE)
    for window in windows(whole, max_length, overlap):
        assert window.cut == len(whole.ids) - len(window.ids)


@given(tokenizers, plain, st.none() | plain, st.integers(PAIR, 40), overlaps)
def test_offsets_are_positions_in_the_whole_text(tokenizer, text, pair, max_length, overlap):
    for window in windows(tokenizer.encode(text, pair, WHOLE), max_length, overlap):
        for token, segment, (start, end) in zip(
            tokenizer.tokens(window.ids), window.segments, window.offsets, strict=True
        ):
            special = token in ("[CLS]", "[SEP]")
            assert (pair if segment else text)[start:end] == ("" if special else token.removeprefix("##"))
