import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks.pretraining import vocabulary
from kbert_tasks.text.tokenizer import Tokenizer, read_vocabulary

TEXT = "的的的的，一一一。丁\nlower lowest lower Lower, newer NEWER 2024 2024 Café\n\n的一丁龘 низкий\n"


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(TEXT * 3, encoding="utf-8")
    return path


def test_vocabulary_has_googles_order_and_characters_by_frequency(text, tmp_path):
    tokens = vocabulary.learn(text, 400)
    assert tokens[0] == "[PAD]" and tokens[1] == "[unused1]" and tokens[99] == "[unused99]"
    assert tokens[100:104] == ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    chinese = [token for token in tokens if vocabulary.is_chinese(token)]
    assert chinese == ["的", "一", "丁", "龘"]
    assert {"lower", "2024", "，", "н", "##и", "cafe"} <= set(tokens) and "Lower" not in tokens
    assert len(set(tokens)) == len(tokens) < 400
    file = tmp_path / "vocab.txt"
    file.write_text("".join(token + "\n" for token in tokens), encoding="utf-8")
    assert read_vocabulary(file) == tokens
    tokenizer = Tokenizer(tokens, cased=False)
    assert tokenizer.tokens(tokenizer.encode("Lower的").ids) == ["[CLS]", "lower", "的", "[SEP]"]
    assert "[UNK]" not in tokenizer.tokens(tokenizer.encode("any Word_9 at <all>!").ids)


def test_rare_characters_are_dropped_first(text):
    minimum = 5 + 32 + 36 + 36
    tokens = vocabulary.learn(text, minimum + 4, unused=0, pieces=0.5)
    assert len(tokens) == minimum + 4
    assert tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert tokens[minimum : minimum + 2] == ["的", "一"] and all(len(token) > 1 for token in tokens[minimum + 2 :])
    assert [t for t in vocabulary.learn(text, 400, min_count=6) if vocabulary.is_chinese(t)] == ["的", "一", "丁"]


def test_size_too_small_for_ascii_is_reported_with_the_minimum(text):
    with pytest.raises(kb.InputError, match="size is 200; .* 99 unused slots .* need 208"):
        vocabulary.learn(text, 200)


def test_cased_keeps_capital_letters_and_accents(text):
    tokens = vocabulary.learn(text, 500, cased=True)
    assert {"Lower", "NEWER", "A", "##Z", "##é"} <= set(tokens)
    assert "##é" not in vocabulary.learn(text, 500)


def test_the_same_text_gives_the_same_vocabulary_in_every_process(text):
    code = (
        "import hashlib, sys; from kbert_tasks.pretraining import vocabulary; "
        "print(hashlib.md5(repr(vocabulary.learn(sys.argv[1], 240)).encode()).hexdigest())"
    )
    digests = {subprocess.check_output([sys.executable, "-c", code, str(text)]) for _ in range(3)}
    assert len(digests) == 1


def test_frequent_new_characters_and_words_fill_the_unused_slots(tmp_path):
    tokens = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused2]", "[unused3]", *"lower", "一"]
    tokens += ["##" + letter for letter in "lower"]
    path = tmp_path / "a.txt"
    path.write_text("lower 一 lower we 龘 lower 龘 wo wo wo wo\n", encoding="utf-8")
    extended, filled = vocabulary.extend(tokens, path, min_count=2)
    assert filled == [(1, "龘"), (6, "lower")]  # "wo" has only two pieces, so a slot for it would save little
    assert extended[:8] == ["[PAD]", "龘", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "lower", "[unused3]"]
    assert extended[8:] == tokens[8:] and tokens[1] == "[unused1]"
    assert vocabulary.extend(tokens, path, min_count=2, most=1)[1] == [(1, "龘")]
    assert (
        vocabulary.coverage(extended, path)["unknown_tokens"] == 0 < vocabulary.coverage(tokens, path)["unknown_tokens"]
    )
    with pytest.raises(kb.InputError, match=r"none of the vocabulary's 5 tokens is an \[unused\] slot"):
        vocabulary.extend(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], path)


@settings(deadline=None, max_examples=30)
@given(st.text(alphabet="lower Loé一龘,。—\n", min_size=1).filter(str.strip))
def test_coverage_counts_the_tokens_of_the_tokenizer(tmp_path_factory, text):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"lowe,。一", "##o", "##w", "##e", "low"]
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_text(text, encoding="utf-8")
    found = vocabulary.coverage(tokens, path)
    ids = Tokenizer(tokens, cased=False).encode(text, max_length=10_000).ids[1:-1].tolist()
    assert found["tokens"] == len(ids) and found["unknown_tokens"] == ids.count(1)
    assert found["vocabulary_used"] == len(set(ids) - {1}) / (len(tokens) - 5)


def test_coverage_lists_the_missing_characters(text):
    tokens = [token for token in vocabulary.learn(text, 400) if token not in ("龘", "一")]
    found = vocabulary.coverage(tokens, text)
    assert found["uncovered_characters"] == 2 and found["most_frequent_uncovered"] == [("一", 12), ("龘", 3)]
    assert found["unknown_tokens"] == 15
    assert found["uncovered_share"] == pytest.approx(15 / found["characters"])
    assert found["tokens_per_character"] == found["tokens"] / found["characters"] < 1


def test_text_with_only_half_an_emoji_is_reported_as_empty(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "\\ud83d"}\n', encoding="utf-8")
    with pytest.raises(kb.InputError, match="there is no text in .*a.jsonl"):
        vocabulary.learn(tmp_path / "a.jsonl", 400)
