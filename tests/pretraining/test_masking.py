import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbert_tasks.errors import InputError
from kbert_tasks.pretraining.masking import Numbers, mask
from kbert_tasks.pretraining.pairs import Pair

VOCABULARY = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{i}" for i in range(5000))]
NUMBERS = Numbers.of(VOCABULARY)
FIRST = 6  # id of the first word


def pair(a, b, joined=(), following=0):
    """Returns a Pair of two lists of ids; `joined` contains positions in the pair."""
    ids = np.array([NUMBERS.cls, *a, NUMBERS.sep, *b, NUMBERS.sep], "int32")
    segments = np.array([0] * (len(a) + 2) + [1] * (len(b) + 1), "int32")
    return Pair(ids, segments, np.isin(np.arange(len(ids)), joined), following)


def random_pairs(draw, sizes, joined_share=None):
    """Returns pairs of random words; `joined_share` is the share of tokens joined to the one before."""
    result = []
    for i, size in enumerate(sizes):
        half = max(1, size // 2)
        ids = draw.integers(FIRST, len(VOCABULARY), size)
        each = pair(ids[:half], ids[half:], following=i % 2)
        if joined_share:
            joined = draw.random(len(each.ids)) < joined_share
            joined[[0, 1, half + 1, half + 2 if size > half else half + 1, -1]] = False
            each = each._replace(joined=joined)
        result.append(each)
    return result


def test_ids_of_special_tokens_are_found():
    assert (NUMBERS.pad, NUMBERS.unk, NUMBERS.cls, NUMBERS.sep, NUMBERS.mask) == (0, 2, 3, 4, 5)
    assert NUMBERS.words.tolist() == list(range(FIRST, len(VOCABULARY)))
    with pytest.raises(InputError, match=r"of 3 tokens lacks \[UNK\], \[MASK\]: use one"):
        Numbers.of(["[PAD]", "[CLS]", "[SEP]"])
    with pytest.raises(InputError, match="only special tokens"):
        Numbers.of(VOCABULARY[:FIRST])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(2, 40), min_size=1, max_size=20), st.integers(0, 99), st.booleans())
def test_pairs_can_be_restored_from_a_batch(sizes, seed, whole_word_mask):
    draw = np.random.default_rng(seed)
    pairs = random_pairs(draw, sizes, joined_share=0.3)
    x, y = mask(pairs, draw, NUMBERS, whole_word_mask=whole_word_mask)
    assert {array.dtype.name for array in (*x.values(), *y.values())} == {"int32"}
    assert x["Input-Token"].shape == x["Input-Segment"].shape == (len(pairs), max(sizes) + 3)
    assert x["Masked-Position"].shape == y["MLM"].shape and y["MLM"].shape[1] >= 1
    assert y["NSP"].tolist() == [[each.next] for each in pairs]
    for row, each in enumerate(pairs):
        length, real = len(each.ids), y["MLM"][row] >= 0
        positions = x["Masked-Position"][row][real]
        assert (np.diff(positions) > 0).all() and real[: len(positions)].all()
        assert not x["Masked-Position"][row][~real].any() and (y["MLM"][row][~real] == -1).all()
        restored = x["Input-Token"][row].copy()
        restored[positions] = y["MLM"][row][real]
        assert restored[:length].tolist() == each.ids.tolist() and not restored[length:].any()
        assert x["Input-Segment"][row][:length].tolist() == each.segments.tolist()
        assert not x["Input-Segment"][row][length:].any()
        share = 0.15 * (length - 3)
        if not whole_word_mask:
            assert np.floor(share) <= real.sum() <= np.ceil(share)


@pytest.mark.parametrize("whole_word_mask", [False, True])
@pytest.mark.parametrize("longest", [12, 125])
def test_share_of_masked_tokens_and_of_their_kinds(whole_word_mask, longest):
    """Counts 200,000 tokens. The tolerance is five standard deviations. `benchmarks/masking.py` counts a million."""
    draw, tokens, masked, kinds, rows = np.random.default_rng(1), 0, 0, np.zeros(3), 64
    while tokens < 200_000:
        pairs = random_pairs(draw, draw.integers(2, longest + 1, rows), joined_share=0.4)
        x, y = mask(pairs, draw, NUMBERS, whole_word_mask=whole_word_mask)
        real = y["MLM"] >= 0
        gold, shown = y["MLM"][real], np.take_along_axis(x["Input-Token"], x["Masked-Position"], axis=1)[real]
        tokens += sum(len(each.ids) - 3 for each in pairs)
        masked += len(gold)
        kinds += [
            (shown == NUMBERS.mask).sum(),
            ((shown != NUMBERS.mask) & (shown != gold)).sum(),
            (shown == gold).sum(),
        ]
        assert shown.min() >= NUMBERS.mask  # never another special token or an [unused] slot
    assert masked / tokens == pytest.approx(0.15, abs=0.002)
    assert kinds / masked == pytest.approx([0.8, 0.1, 0.1], abs=0.012)


def test_every_position_has_the_same_probability():
    draw = np.random.default_rng(2)
    pairs = [pair([10, 11, 12, 13], [14, 15, 16])] * 20_000
    x, y = mask(pairs, draw, NUMBERS)
    counts = np.bincount(x["Masked-Position"][y["MLM"] >= 0], minlength=10) / len(pairs)
    assert counts[[0, 5, 9]].tolist() == [0, 0, 0]
    assert counts[[1, 2, 3, 4, 6, 7, 8]] == pytest.approx([0.15] * 7, abs=0.015)


def test_whole_words_are_masked_together():
    draw = np.random.default_rng(3)
    words = [[1, 2, 3], [4], [5, 6], [8, 9], [10]]  # positions
    pairs = [pair(range(20, 26), range(30, 33), joined=[2, 3, 6, 9])] * 5000
    x, y = mask(pairs, draw, NUMBERS, whole_word_mask=True)
    seen = np.zeros(len(words))
    for row in range(len(pairs)):
        positions = set(x["Masked-Position"][row][y["MLM"][row] >= 0].tolist())
        inside = [positions.issuperset(word) for word in words]
        assert sum(len(word) for word, there in zip(words, inside, strict=True) if there) == len(positions)
        seen += inside
    assert (seen > 0).all()
    assert (y["MLM"] >= 0).sum() / (9 * len(pairs)) == pytest.approx(0.15, abs=0.015)
    single_tokens, _ = mask(pairs, draw, NUMBERS)
    assert single_tokens["Masked-Position"].shape[1] == 2  # at most ceil(0.15 * 9)


def test_special_and_unknown_tokens_are_not_masked():
    pairs = [pair([NUMBERS.unk, 20], [NUMBERS.unk, NUMBERS.mask, NUMBERS.pad])] * 200
    x, y = mask(pairs, np.random.default_rng(4), NUMBERS, share=1.0)
    assert (y["MLM"] == 20).all() and (x["Masked-Position"] == 2).all()
    x, y = mask([pair([NUMBERS.unk], [NUMBERS.unk])], np.random.default_rng(4), NUMBERS)
    assert y["MLM"].tolist() == [[-1]] and x["Masked-Position"].tolist() == [[0]]


def test_width_is_used_and_generator_repeats_the_masks():
    pairs = random_pairs(np.random.default_rng(0), [20, 30])
    first, repeated, other = (mask(pairs, np.random.default_rng(seed), NUMBERS, width=64) for seed in (5, 5, 6))
    assert first[0]["Input-Token"].shape == (2, 64)
    for a, b in zip(first, repeated, strict=True):
        assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not np.array_equal(first[0]["Input-Token"], other[0]["Input-Token"])
