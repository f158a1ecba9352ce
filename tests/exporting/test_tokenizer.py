"""tokenizer.json: the ids of our tokenizer, also for special tokens in texts, rare characters and long texts."""

import random

import pytest
import tokenizers

from kbert_tasks.exporting.tokenizer import different, exported
from kbert_tasks.text.tokenizer import Tokenizer

from .. import tiny

TEXTS = [
    "",
    "  ",
    "房间很干净，The Room was CLEAN!",
    "[CLS] [SEP] [PAD] [MASK] [UNK] [unused1] ##ing",
    "caf\u00e9 cafe\u0301 \u00c5ngstr\u00f6m \u0130stanbul stra\u00dfe \u01c5",
    "a\u200bb a\u00adb a\x00b a\ufffdb a\x85b a\x0bb",  # characters that Google's rules remove
    "a\u00a0b\u3000c\u2028d\u2029e\tf\r\ng",
    "a\ue000b \U000f0000",  # private use
    "\u0391\u03a3 \u03a3\u0391\u03a3\u0391 \u039f\u0394\u039f\u03a3, \u03a3",  # capital sigma
    "\U0002b820a\U0002b821 a\U0002ceafb \U00020000",  # late extensions of Chinese
    "e\u0323\u0301 \u0e01\u0e34\u0e48 \u05d0\u05b8 \u302e\uac00 \ud55c\uae00",  # combining marks
    "$+<=>^`|~ \uff0c\u2026\u2014\u00b7 \U0001f600\U0001f468\u200d\U0001f469",
    "x" * 200 + " " + "x" * 201,
    "\u0898a \u061d \u2e52a",  # a mark and punctuation of Unicode 14
]


@pytest.fixture(scope="module")
def vocabulary():
    """Every character of TEXTS, so that equal ids mean equal characters."""
    found = tiny.vocabulary()
    letters = {letter for text in TEXTS for each in (text, text.lower()) for letter in each if not letter.isspace()}
    more = sorted(letters | {"##" + letter for letter in letters} | {"\u03b1\u03c3", "\u03b1\u03c2"})
    return found + [token for token in more if token not in found]


@pytest.mark.parametrize("by_character", [False, True])
@pytest.mark.parametrize("cased", [False, True])
def test_ids_are_those_of_our_tokenizer(vocabulary, cased, by_character, tmp_path):
    ours = Tokenizer(vocabulary, cased, by_character)
    file = tmp_path / "tokenizer.json"
    exported(ours, None).save(str(file))
    other = tokenizers.Tokenizer.from_file(str(file))
    draw = random.Random(0)
    mixed = ["".join(draw.choices("".join(TEXTS[1:12]), k=30)) for _ in range(50)]
    assert different(ours, other, TEXTS + mixed) == []
    pair = other.encode(TEXTS[2], TEXTS[3])
    expected = ours.encode(TEXTS[2], TEXTS[3])
    assert (pair.ids, pair.type_ids) == (expected.ids.tolist(), expected.segments.tolist())


def test_long_texts_are_cut(vocabulary):
    ours = Tokenizer(vocabulary, False)
    other = exported(ours, 16)
    for text in TEXTS[2:]:
        assert other.encode(text).ids == ours.encode(text, None, 16).ids.tolist()
    assert different(ours, other, TEXTS) == []
    assert len(other.encode(TEXTS[3]).ids) == 16  # it still cuts


def test_texts_with_other_tokens_are_found(vocabulary):
    ours = Tokenizer(vocabulary, False)
    assert different(ours, exported(Tokenizer(vocabulary, True), None), ["the", "The"]) == ["The"]
