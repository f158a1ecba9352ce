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
def test_places_of_an_entity(text, entity, starts):
    assert occurrences(text, entity) == [Span(start, start + len(entity)) for start in starts]


@given(texts, st.data())
def test_every_place_is_the_entity_and_none_is_missed_when_it_is_there(text, draw):
    start = draw.draw(st.integers(0, len(text)))
    entity = text[start : draw.draw(st.integers(start, len(text)))]
    found = occurrences(text, entity)
    assert all(text[slice(*span)] == entity for span in found)
    assert bool(found) == bool(entity)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@given(text=texts, pair=st.none() | texts, cut=st.integers(8, 40), draw=st.data())
def test_from_tokens_to_characters_and_back(tokenizer, text, pair, cut, draw):
    encoded = tokenizer.encode(text, pair, cut)
    for segment in (0, 1):
        tokens = [i for i, (start, end) in enumerate(encoded.offsets) if end > start and encoded.segments[i] == segment]
        if not tokens:
            continue
        a, b = sorted(draw.draw(st.tuples(st.sampled_from(tokens), st.sampled_from(tokens))))
        span = span_of(encoded, a, b)
        first, last = tokens_of(encoded, span, segment)
        assert first <= a <= b <= last  # more only where several tokens share one character
        assert span_of(encoded, first, last) == span


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@given(text=texts, draw=st.data())
def test_a_span_that_aligns_gives_itself_back(tokenizer, text, draw):
    start = draw.draw(st.integers(0, len(text)))
    span = Span(start, draw.draw(st.integers(start, len(text))))
    encoded = tokenizer.encode(text)
    found = tokens_of(encoded, span)
    if found is not None:
        assert span_of(encoded, *found) == span


def test_what_does_not_align_and_what_is_cut_off():
    words, characters = TOKENIZERS
    text = "quietly clean 房间"
    assert tokens_of(words.encode(text), (0, 7)) is not None
    assert tokens_of(words.encode(text), (7, 8)) is None  # white space
    assert tokens_of(words.encode("clean"), (0, 3)) is None  # inside of a word piece
    assert tokens_of(characters.encode("clean"), (0, 3)) == (1, 3)
    cut = characters.encode("房间很干净", max_length=5)
    assert tokens_of(cut, (0, 3)) == (1, 3)
    assert tokens_of(cut, (2, 4)) is None  # its end is cut off
    assert tokens_of(cut, (3, 5)) is None


def entities(row):
    for triple in row["spo_list"]:
        yield triple["subject"]
        yield triple["object"]["@value"] if isinstance(triple["object"], dict) else triple["object"]


@pytest.mark.real_data
@pytest.mark.parametrize("by_character, lost", [(False, 9), (True, 6)])
def test_real_entities_align(shared, by_character, lost):
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
                aligned += any(found)  # six entities begin or end with white space, which no token is
    assert (read, read - aligned) == (41200, lost)
