"""The ids equal those of Google's tokenizer for any text, and every piece has the right offsets."""

import copy
import doctest
import os
import pickle
import random
import re
import string
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kbert_tasks.text.tokenizer
from kbert_tasks.errors import InputError
from kbert_tasks.text import wordpiece
from kbert_tasks.text.tokenizer import SPECIAL, Tokenizer, read_vocabulary

from ..google_tokenizer import GoogleTokenizer, is_chinese

SHARED = Path(os.environ.get("KBERT_SHARED", Path(__file__).resolve().parents[3] / "shared"))
RARE = kbert_tasks.text.tokenizer._RARE

PLAIN = [
    *"the film was good not a walking unaffable Room HOTEL Service Quiet B2B 3.14 $5 x<y C++ don't e-mail".split(),
    *"café naïve Ångström Ǜber Straße ẞ İstanbul ŉ ǰ ﬁn \u212b \u2126 \u1fef".split(),
    *"αβγ ἄγω Москва йё Աե שלום مرحبا آب".split(),
    *"房间很干净 服务态度 不错 㐀䶿 \U00020000\U0002a6df \U0002a700\U0002b740 \uf900\ufa0e 〇".split(),
    *"Ｈｏｔｅｌ ２０ 。，！ がぱ パン ﾊﾟ 한국어 \u1112\u1161\u11ab".split(),
    *"😀 👨\u200d👩\u200d👧 🇨🇳 ❤ \U0001fae0 ① ∞ \u2011 ¿ «".split(),
    *"[SEP] [MASK] [CLS] [PAD] [UNK] ##a # [unused1]".split(),
    *"\x00 \x01 \x1c \x7f \x85 \xad \u200b \u200e \u2028 \u2029 \u2060 \ufeff \ufffd \ufffc".split(" "),
]
HARD = [
    *"e\u0301 E\u0302\u0323x \u0301 a\u0301\u0302\u0303b !\u0301 好\u0301 ṩ\u0323 e\u200d\u0301 \u0344 \u0345".split(),
    *["\ue000" + string.punctuation, "a\ue000".join(string.punctuation)],
    *"ΟΔΟΣ Σ ΣΑ ΑΣ' ΑΣ.Α ΟΣ\u0301".split(),
    *"ภาษาไทย ที่ हिन्दी \u0958 \u09cb م\u064eر ש\u05b8\u05c1 \ufb2a".split(),
    *"\ue000 a\uf8ffb \U000f0000 \U0002b820 \U0002b91f \U0002ceaf \U00030000 \U0002f800 \U0002ebf0".split(),
    *"❤\ufe0f 👍🏽\u200d♂\ufe0f 1\ufe0f\u20e3 \u302e가 \U0001d15e \U0001d400".split(),
    *"\u0378 \uffff \U0010ffff \u1c89 \ua7da \U0001e4d0 \u061d \u0890 \u166d \u180e \u1b7d \u2e52 \U00010d50".split(),
    *"\ud800 a\udc00b \ud83d\ude00".split(),
    *"\U00010400 \U0001e900 \u13a0 \u10a0 \u1c90 \u1cbf \u2c2f \ua64a".split(),
]
SPACES = ["", "", " ", " ", " ", "\u3000", "\xa0", "\t", "\n", "\r\n", "\u2003", "\u2028", "  ", "-"]
COUNT = 10_000


def strings(kind, count=COUNT):
    """Random texts: half of them for the fast path, half with rare characters."""
    rng = random.Random(f"tokenizer {kind}")
    chinese = [letter for part in PLAIN for letter in part if is_chinese(letter)]
    for number in range(count):
        material = PLAIN if number % 2 else PLAIN + HARD + HARD
        text = ""
        for _ in range(rng.randint(1, 9)):
            if kind == "chinese" and rng.random() < 0.5:
                text += "".join(rng.choices(chinese, k=rng.randint(1, 8))) + rng.choice(["", "", "\uff0c"])
                continue
            piece = rng.choice(material)
            text += rng.choice([piece, piece, piece.upper(), piece.lower(), piece[::-1]]) + rng.choice(SPACES)
        if rng.random() < 0.02:
            text += rng.choice("abé한\ue000") * rng.choice([66, 67, 199, 200, 201, 300])
        yield text


def vocabulary_of(texts, cased, rng):
    """A vocabulary of words and pieces of the texts, with some left out and without surrogates, which no file contains."""
    words = sorted({word for text in texts for word in GoogleTokenizer([], cased).words(text)} - set(SPECIAL))
    tokens = set()
    for word in words:
        tokens |= {word[0], *("##" + letter for letter in word)}
        for _ in range(2):
            start, end = sorted(rng.choices(range(len(word) + 1), k=2))
            tokens.add(("##" if start else "") + word[start:end])
        if rng.random() < 0.3:
            tokens.add(word)
    tokens = [token for token in sorted(tokens - {"", "##"}) if not re.search("[\ud800-\udfff]", token)]
    kept = [token for token in tokens if rng.random() < 0.9]
    return [*SPECIAL, *kept]


def check_slices(text, offsets, tokens, google):
    """Checks that the slice of each token gives the token; tokens that share a character are checked together."""
    groups = []
    for token, (start, end) in zip(tokens, offsets, strict=True):
        assert 0 <= start < end <= len(text)
        if groups and start < groups[-1][1]:
            before, old_end, pieces = groups.pop()
            start, end, token = min(before, start), max(old_end, end), f"{pieces}\0{token}"
        groups.append((start, end, token))
    for start, end, token in groups:
        pieces = token.split("\0")
        if end < len(text) and not google.cased and not is_chinese(text[end - 1]):
            assert unicodedata.category(text[end]) != "Mn"  # a combining mark belongs to its letter
        words = google.words(text[start:end])
        if "[UNK]" not in pieces:
            piece = "".join(part.removeprefix("##") for part in pieces)
            assert "".join(words).replace("\u03c2", "\u03c3") == piece.replace("\u03c2", "\u03c3")
        elif len(pieces) == 1 and "\u03a3" not in text:
            assert len(words) == 1


def check(tokenizer, google, text):
    encoded = tokenizer.encode(text, max_length=10**6)
    ids = google.character_ids(text) if tokenizer.by_character else google.ids(text)
    assert encoded.ids.tolist() == [2, *ids, 3]
    assert encoded.offsets[[0, -1]].tolist() == [[0, 0], [0, 0]]
    offsets = encoded.offsets[1:-1].tolist()
    check_slices(text, offsets, tokenizer.tokens(ids), google)
    if not RARE.search(text):  # both paths give every piece the same offsets
        words = wordpiece.words(text, tokenizer.cased, tokenizer.by_character)
        found = [piece for word in words for piece in wordpiece.pieces(word, google.ids_of)]
        assert [list(piece) for piece in found] == [[id_, *span] for id_, span in zip(ids, offsets, strict=True)]


@pytest.mark.parametrize("kind", ["cased", "uncased", "chinese"])
def test_ids_equal_those_of_google_and_offsets_are_right(kind):
    texts = list(strings(kind))
    cased = kind == "cased"
    vocabulary = vocabulary_of(texts, cased, random.Random(7))
    google = GoogleTokenizer(vocabulary, cased)
    tokenizer = Tokenizer(vocabulary, cased)
    for text in texts:
        check(tokenizer, google, text)
    by_character = Tokenizer(vocabulary, cased, by_character=True)
    for text in texts[::5]:
        check(by_character, google, text)
    assert 0.3 < sum(bool(RARE.search(text)) for text in texts) / len(texts) < 0.7
    ids = [id_ for text in texts[::10] for id_ in google.ids(text)]
    assert ids.count(1) < 0.4 * len(ids)


@pytest.mark.parametrize("cased", [True, False])
def test_every_character_of_the_fast_path_follows_the_rules_of_google(cased):
    """If this fails with a newer Python or tokenizers, remove the character from the plain ranges."""
    letters = [chr(number) for number in range(0x2B820) if not RARE.match(chr(number))]
    words = GoogleTokenizer([], cased).words
    for at in range(0, len(letters), 4000):
        text = "".join(f"{letter} x{letter}y " for letter in letters[at : at + 4000])
        assert not RARE.search(text)
        expected = words(text)
        vocabulary = [*SPECIAL, *dict.fromkeys(expected)]  # a word that differs would be [UNK]
        made = Tokenizer(vocabulary, cased)._pieces(text)[0]
        assert [vocabulary[id_] for id_ in made] == expected


@pytest.mark.parametrize("cased", [True, False])
def test_every_type_of_rare_character_follows_the_rules_of_google(cased):
    letters = [chr(number) for number in [*range(0x20000), *range(0x2B820, 0x32000, 7), *range(0xE0000, 0xE0200)]]
    letters = [letter for letter in letters if RARE.match(letter)]
    google = GoogleTokenizer([], cased)
    for letter in letters:
        text = f"{letter} x{letter}\u0301y"
        found = wordpiece.words(text, cased)
        assert ["".join(letter for letter, _, _ in word) for word in found] == google.words(text)


@st.composite
def text_and_tokenizers(draw, by_character=False):
    letters = st.sampled_from([letter for part in PLAIN + HARD + SPACES for letter in part])
    text = draw(st.text(st.one_of(letters, st.characters(exclude_categories=[])), max_size=40))
    cased = draw(st.booleans())
    vocabulary = vocabulary_of([text], cased, random.Random(draw(st.integers(0, 9))))
    return text, Tokenizer(vocabulary, cased, by_character), GoogleTokenizer(vocabulary, cased)


@settings(deadline=None, max_examples=300)
@given(text_and_tokenizers())
def test_ids_and_offsets_of_any_text(drawn):
    text, tokenizer, google = drawn
    check(tokenizer, google, text)


@settings(deadline=None, max_examples=300)
@given(text_and_tokenizers(by_character=True))
def test_ids_and_offsets_of_any_text_by_character(drawn):
    text, tokenizer, google = drawn
    check(tokenizer, google, text)


# --- examples of single rules


def tokenizer(words, cased=False, by_character=False):
    return Tokenizer([*SPECIAL, *words.split()], cased, by_character)


def tokens_and_slices(tokenizer, text):
    encoded = tokenizer.encode(text)
    places = (text[start:end] for start, end in encoded.offsets[1:-1])
    return list(zip(tokenizer.tokens(encoded.ids[1:-1]), places, strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cafés", [("caf", "Caf"), ("##e", "é"), ("##s", "s")]),
        ("Cafe\u0301s", [("caf", "Caf"), ("##e", "e\u0301"), ("##s", "s")]),  # the combining mark belongs to its letter
        ("Caf\u200de\u200d\u0301", [("caf", "Caf"), ("##e", "e\u200d\u0301")]),
        ("!\u0301caf", [("!", "!\u0301"), ("caf", "caf")]),
        (
            "\u0301好\u0301caf",
            [("好", "好"), ("caf", "caf")],
        ),  # a new part of the text begins after a Chinese character
        ("cafx e", [("[UNK]", "cafx"), ("[UNK]", "e")]),
        ("한", [("\u1112", "한"), ("##\u1161", "한"), ("##\u11ab", "한")]),
        ("caf\ud800 caf", [("[UNK]", "caf\ud800"), ("caf", "caf")]),  # a lone surrogate is an unknown letter
    ],
)
def test_offsets_of_examples(text, expected):
    assert tokens_and_slices(tokenizer("caf ##e ##s ! 好 \u1112 ##\u1161 ##\u11ab"), text) == expected


def test_special_token_in_a_text_is_ordinary_text():
    plain = tokenizer("[ ] sep")
    assert tokens_and_slices(plain, "[SEP]") == [("[", "["), ("sep", "SEP"), ("]", "]")]
    assert tokens_and_slices(plain, "[MASK]\ue000") == [("[", "["), ("[UNK]", "MASK"), ("]", "]"), ("[UNK]", "\ue000")]


def test_text_is_split_by_character():
    letters = tokenizer("h i 好 ! hi ##i", by_character=True)
    expected = [("h", "H"), ("i", "í"), ("好", "好"), ("!", "!"), ("[UNK]", "x")]
    assert tokens_and_slices(letters, "Hí 好!\u3000x") == expected
    assert tokens_and_slices(letters, "Hí\u0301 \ue000") == [("h", "H"), ("i", "í\u0301"), ("[UNK]", "\ue000")]


def test_reordered_combining_marks_are_kept():
    """NFD moves U+1D165 (rank 216) before U+302E (rank 224); neither is stripped."""
    text = "a\u302e\U0001d165"
    google = GoogleTokenizer([*SPECIAL, "a", "##\u302e", "##\U0001d165"], cased=False)
    assert google.words(text) == ["a\U0001d165\u302e"]
    made = tokenizer("a ##\u302e ##\U0001d165")
    assert made.encode(text).ids[1:-1].tolist() == google.ids(text) == [5, 7, 6]
    assert made.encode(text).offsets[1:-1].tolist() == [[0, 1], [2, 3], [1, 2]]


def test_encoding_of_a_pair_has_segments():
    encoded = tokenizer("a b").encode("a", pair="b \u0301b")
    assert encoded.ids.tolist() == [2, 5, 3, 6, 6, 3]
    assert encoded.segments.tolist() == [0, 0, 0, 1, 1, 1]
    assert encoded.offsets.tolist() == [[0, 0], [0, 1], [0, 0], [0, 1], [3, 4], [0, 0]]
    assert encoded.cut == 0
    assert {array.dtype for array in (encoded.ids, encoded.segments, encoded.offsets)} == {np.dtype("int32")}
    empty = tokenizer("a").encode("")
    assert empty.ids.tolist() == [2, 3] and empty.offsets.shape == (2, 2)
    assert tokenizer("a").encode("a", pair="").ids.tolist() == [2, 5, 3, 3]


@given(st.integers(0, 12), st.none() | st.integers(0, 12), st.integers(2, 30))
def test_truncation_shortens_the_longer_text(first, second, max_length):
    made = tokenizer("a b")
    text, pair = "a " * first, None if second is None else "b " * second
    special = 2 if pair is None else 3
    if max_length < special:
        with pytest.raises(InputError, match="max_length"):
            made.encode(text, pair, max_length)
        return
    left, right = first, second or 0
    while left + right > max_length - special:
        if left > right:
            left -= 1
        else:
            right -= 1
    encoded = made.encode(text, pair, max_length)
    assert encoded.ids.tolist() == [2, *[5] * left, 3] + ([] if pair is None else [*[6] * right, 3])
    assert encoded.segments.tolist() == [0] * (left + 2) + ([] if pair is None else [1] * (right + 1))
    assert encoded.cut == first + (second or 0) - left - right
    assert len(encoded.ids) == len(encoded.segments) == len(encoded.offsets) <= max_length


def test_too_small_max_length_is_rejected():
    with pytest.raises(InputError, match=r"max_length is 2; .* a pair of texts alone need 3"):
        tokenizer("a").encode("a", pair="b", max_length=2)


def test_tokenizer_can_be_pickled_and_copied():
    made = tokenizer("a ##b")
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert tokens_and_slices(again, "AB") == [("a", "A"), ("##b", "B")]


def test_example_in_the_docstring_is_right():
    result = doctest.testmod(kbert_tasks.text.tokenizer)
    assert result.attempted and not result.failed


# --- vocabularies


def written(tmp_path, text):
    path = tmp_path / "vocab.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


HEAD = "\n".join(SPECIAL) + "\n"


@pytest.mark.parametrize(
    "text", [HEAD + "a\nb\n", HEAD + "a\nb", "\ufeff" + HEAD + "a\nb", (HEAD + "a \nb\n").replace("\n", "\r\n")]
)
def test_vocabulary_is_read(tmp_path, text):
    path = written(tmp_path, text)
    assert read_vocabulary(path) == [*SPECIAL, "a", "b"]
    assert Tokenizer.from_file(path, cased=True).encode("b a").ids.tolist() == [2, 6, 5, 3]


def test_vocabulary_lines_end_only_at_line_feeds(tmp_path):
    odd = ["\u2028", "a\u2028b", "\x85", "##\u2028", "##", "\xa0", "\u2029", "\x0b", "\x1e", "end"]
    made = read_vocabulary(written(tmp_path, HEAD + "\n".join(odd) + "\n"))
    assert made == [*SPECIAL, *odd]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD.encode() + "a\né\n".encode("latin-1"), r"vocab\.txt, line 7: byte 0xe9"),
        (HEAD.encode("utf-16"), r"line 1: byte 0xff"),
        (HEAD + "a\nb\na \n", r"vocab\.txt: 'a' is on line 6 and on line 8"),
        (HEAD + "a\n\nb\n", r"vocab\.txt, line 7 is empty"),
        (HEAD + "a\n \t\nb\n", r"line 7 is empty"),
        (HEAD + "a\n\n", r"line 7 is empty"),
        ("", r"line 1 is empty"),
        ("[PAD]\n[UNK]\na\n", r"has 3 lines and lacks \[CLS\], \[SEP\], \[MASK\]"),
        ("a\n" + HEAD, r"\[PAD\] is on line 2; .* line 1"),
    ],
)
def test_invalid_vocabularies_are_rejected(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_vocabulary(written(tmp_path, text))


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["zh_tnews", "en_sst2"])
def test_texts_of_real_data_have_the_ids_of_google(name):
    table = SHARED / "data" / name / "train.tsv"
    path = SHARED / "checkpoints" / "mini_zh_L-4_H-256_A-4" / "vocab.txt"
    if not (table.exists() and path.exists()):
        pytest.skip(f"needs {table} and {path}; set KBERT_SHARED")
    vocabulary = read_vocabulary(path)
    assert len(vocabulary) == 21128 and vocabulary[343] == "\u2028"
    made, google = Tokenizer(vocabulary, cased=False), GoogleTokenizer(vocabulary, cased=False)
    lines = table.read_text(encoding="utf-8").split("\n")[1:3001]
    assert len(lines) == 3000
    for line in lines:
        text = line.split("\t")[-1]
        encoded = made.encode(text)
        ids = google.ids(text)
        assert encoded.ids.tolist() == [101, *ids, 102]
        check_slices(text, encoded.offsets[1:-1].tolist(), made.tokens(ids), google)
