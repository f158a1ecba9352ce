import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks.text.spans import Span, occurrences, span_of, tokens_of

from .. import tiny

TOKENIZERS = [kb.Tokenizer(tiny.vocabulary(), cased=False, by_character=by) for by in (False, True)]
texts = st.text(st.sampled_from("房间很干净 ab1é, 。İ한ﬁ\u0301\u200b😀"), max_size=30)


@pytest.mark.parametrize(
    "text, entity, starts",
    [
        ("aaa", "aa", [0, 1]),
        ("云溪大学附属医院和云溪大学", "云溪大学", [0, 9]),
        ("Anna met Ann", "Ann", [9]),
        ("Anna", "Ann", [0]),
        ("在2014年和12014年", "2014", [1]),
        ("用Python写的Pythonic代码", "Python", [1]),
        ("U.S. and S.", "S.", [2, 9]),
        ("", "a", []),
        ("a", "", []),
        ("a.b", ".", [1]),
        ("абвгд абв", "абв", [6]),
    ],
)
def test_entity_is_found_at_all_its_positions(text, entity, starts):
    assert occurrences(text, entity) == [Span(start, start + len(entity)) for start in starts]


@given(texts, st.data())
def test_every_occurrence_equals_the_entity_and_none_is_missed(text, draw):
    start = draw.draw(st.integers(0, len(text)))
    entity = text[start : draw.draw(st.integers(start, len(text)))]
    found = occurrences(text, entity)
    assert all(text[slice(*span)] == entity for span in found)
    assert bool(found) == bool(entity)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@given(text=texts, pair=st.none() | texts, cut=st.integers(8, 40), draw=st.data())
def test_token_span_is_restored_from_its_characters(tokenizer, text, pair, cut, draw):
    encoded = tokenizer.encode(text, pair, cut)
    for segment in (0, 1):
        tokens = [i for i, (start, end) in enumerate(encoded.offsets) if end > start and encoded.segments[i] == segment]
        if not tokens:
            continue
        a, b = sorted(draw.draw(st.tuples(st.sampled_from(tokens), st.sampled_from(tokens))))
        span = span_of(encoded, a, b)
        first, last = tokens_of(encoded, span, segment)
        assert first <= a <= b <= last  # the span is longer only if several tokens share a character
        assert span_of(encoded, first, last) == span


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@given(text=texts, draw=st.data())
def test_aligned_character_span_is_restored_from_its_tokens(tokenizer, text, draw):
    start = draw.draw(st.integers(0, len(text)))
    span = Span(start, draw.draw(st.integers(start, len(text))))
    encoded = tokenizer.encode(text)
    found = tokens_of(encoded, span)
    if found is not None:
        assert span_of(encoded, *found) == span


def test_spans_within_a_token_or_cut_off_are_not_found():
    pieces, characters = TOKENIZERS
    text = "quietly clean 房间"
    assert tokens_of(pieces.encode(text), (0, 7)) is not None
    assert tokens_of(pieces.encode(text), (7, 8)) is None  # white space
    assert tokens_of(pieces.encode("clean"), (0, 3)) is None  # inside a word piece
    assert tokens_of(characters.encode("clean"), (0, 3)) == (1, 3)
    cut = characters.encode("房间很干净", max_length=5)
    assert tokens_of(cut, (0, 3)) == (1, 3)
    assert tokens_of(cut, (2, 4)) is None  # the end is cut off
    assert tokens_of(cut, (3, 5)) is None


def entities(row):
    for triple in row["spo_list"]:
        yield triple["subject"]
        yield triple["object"]["@value"] if isinstance(triple["object"], dict) else triple["object"]


@pytest.mark.real_data
@pytest.mark.parametrize("by_character, not_aligned", [(False, 9), (True, 6)])
def test_entities_of_real_data_align_with_tokens(shared, by_character, not_aligned):
    vocabulary = shared / "checkpoints/mini_zh_L-4_H-256_A-4/vocab.txt"
    tokenizer = kb.Tokenizer.from_file(vocabulary, cased=False, by_character=by_character)
    read = aligned = 0
    for name in ("train", "train_more", "dev"):
        for line in (shared / "data/zh_duie2_sample" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            encoded = tokenizer.encode(row["text"])
            for entity in entities(row):
                read += 1
                found = [tokens_of(encoded, span) for span in occurrences(row["text"], entity)]
                aligned += any(found)  # six entities begin or end with white space, which has no token
    assert (read, read - aligned) == (41200, not_aligned)
