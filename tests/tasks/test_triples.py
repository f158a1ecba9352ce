import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbert_tasks.data.cells import blank
from kbert_tasks.errors import RowError
from kbert_tasks.tasks.relation.triples import Triple, triples_of
from kbert_tasks.text.spans import Span

TEXT = "《雪》的作者是方雪，方雪1980年生于北京。"
AUTHOR = Triple("雪", "作者", "方雪")
NAMES = ("subject", "predicate", "object")


def spo(subject="雪", predicate="作者", object="方雪", **more):
    return {"subject": subject, "predicate": predicate, "object": object} | more


def test_types_of_entities_are_read():
    raw = {"subject_type": "图书", "object_type": {"@value": "人物", "时间": "日期"}}
    (author, date) = triples_of([spo(object={"@value": "方雪", "时间": "1980年"}, **raw)], TEXT)
    assert (author.types, date.types) == (("图书", "人物"), ("图书", "日期"))
    assert author.as_dict() == spo(subject_type="图书", object_type="人物")
    (author,) = triples_of([spo(subject_type=" ", object_type="人物")], TEXT)
    assert author.types == (None, "人物")
    assert triples_of([spo(subject_type="", object_type=None)], TEXT)[0].types is None
    assert "found ['图书'] instead of a text" in error_message([spo(subject_type=["图书"])])


def error_message(value, text=TEXT):
    with pytest.raises(RowError) as caught:
        triples_of(value, text)
    return str(caught.value)


@pytest.mark.parametrize(
    "triple, expected",
    [
        (["雪", "作者", "方雪"], [AUTHOR]),
        (("雪", "作者", "方雪"), [AUTHOR]),
        (spo(), [AUTHOR]),
        (spo(subject_type="图书", object_type={"@value": "人物"}, score=0.5), [AUTHOR]),
        (["方雪", "生于", 1980], [Triple("方雪", "生于", "1980")]),
        (["方雪", "生于", 1980.0], [Triple("方雪", "生于", "1980")]),
        (["a", "b", "NA"], [Triple("a", "b", "NA")]),
        (["不在", "text", "里"], [Triple("不在", "text", "里")]),
        (spo(subject_span=[1, 2]), [Triple("雪", "作者", "方雪", Span(1, 2))]),
        (spo(object_span=(7, 9)), [Triple("雪", "作者", "方雪", None, Span(7, 9))]),
        (spo(subject_span=[1, 2], object_span=[10, 12]), [Triple("雪", "作者", "方雪", Span(1, 2), Span(10, 12))]),
        (spo(subject_span=None, object_span=None), [AUTHOR]),
        (spo(subject_span=np.array([1, 2])), [Triple("雪", "作者", "方雪", Span(1, 2))]),
        (spo(object={"@value": "方雪"}), [AUTHOR]),
        (spo(object={"@value": "方雪", "时间": "1980年"}), [AUTHOR, Triple("雪", "作者_时间", "1980年")]),
        (spo(object={"@value": "方雪", "时间": "", "地点": None}), [AUTHOR]),
        (spo(object={"@value": "", "地点": "北京"}), [Triple("雪", "作者_地点", "北京")]),
        (["雪", "作者", {"@value": "方雪", "时间": 1980}], [AUTHOR, Triple("雪", "作者_时间", "1980")]),
    ],
)
def test_every_form_of_a_triple_is_read(triple, expected):
    assert triples_of([triple], TEXT) == tuple(expected)
    assert triples_of((triple,), TEXT) == tuple(expected)
    as_text = json.dumps([triple], ensure_ascii=False, default=np.ndarray.tolist)
    assert triples_of(as_text, TEXT) == triples_of(f" \n{as_text} ", TEXT) == tuple(expected)


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, pd.NaT, "", " \n", "null"])
def test_missing_list_is_none(value):
    assert triples_of(value, TEXT) is None


@pytest.mark.parametrize("value", [[], (), "[]", " [ ] ", np.array([])])
def test_empty_list_has_no_triples(value):
    assert triples_of(value, TEXT) == ()


def test_each_triple_is_read_once_in_the_order_of_the_list():
    other = ["方雪", "生于", "北京"]
    assert triples_of([spo(), other, ["雪", "作者", "方雪"], spo(object={"@value": "方雪"}), other], TEXT) == (
        AUTHOR,
        Triple("方雪", "生于", "北京"),
    )
    assert len(triples_of([spo(object_span=[7, 9]), spo(object_span=[10, 12]), spo(object_span=[7, 9])], TEXT)) == 2


WANTED = 'expected {"subject": ..., "predicate": ..., "object": ...} or [subject, predicate, object]'


@pytest.mark.parametrize(
    "value, sentence",
    [
        ("雪 作者 方雪", "expected a list of triples, found '雪 作者 方雪'"),
        ("[['雪', '作者', '方雪']]", "expected a list of triples, found \"[['雪', '作者', '方雪']]\""),
        ('[["雪", "作者"', 'expected a list of triples, found \'[["雪", "作者"\''),
        ("x" * 999, f"expected a list of triples, found '{'x' * 60}'"),
        (3, "expected a list of triples, found 3"),
        ("3", "expected a list of triples, found '3'"),
        (False, "expected a list of triples, found False"),
        (spo(), "expected a list of triples, found {'subject': '雪', 'predicate': '作者', 'object': '方雪'}"),
        ('{"雪": "方雪"}', 'expected a list of triples, found \'{"雪": "方雪"}\''),
        (["雪", "作者", "方雪"], f"found 雪; {WANTED}"),
        ([["雪", "方雪"]], f"found ['雪', '方雪']; {WANTED}"),
        ([["雪", "作者", "方雪", 1]], f"found ['雪', '作者', '方雪', 1]; {WANTED}"),
        ([None], f"found None; {WANTED}"),
        ([[]], f"found []; {WANTED}"),
        ([{}], f"a triple lacks subject, predicate, object: {{}}; {WANTED}"),
        (
            [{"subject": "雪", "object": "方雪"}],
            "a triple lacks predicate: {'subject': '雪', 'object': '方雪'}; expected",
        ),
        ([spo(), {"s": "雪"}], "a triple lacks subject, predicate, object: {'s': '雪'}; expected"),
        ([spo(subject_span=[0, 1])], "characters 0 to 1 of the text are '《', not '雪'"),
        ([spo(object_span=[7, 10])], "characters 7 to 10 of the text are '方雪，', not '方雪'"),
        (
            [spo(subject_span=[1, 2], object_span=[9, 7])],
            "a span should be [start, end] in characters of the text, not [9, 7]",
        ),
        ([spo(object_span=[70, 72])], "characters 70 to 72 of the text are '', not '方雪'"),
        ([spo(subject_span=1)], "a span should be [start, end] in characters of the text, not 1"),
        ([spo(subject_span=[1])], "a span should be [start, end] in characters of the text, not [1]"),
        ([spo(object_span=[7, 8, 9])], "a span should be [start, end] in characters of the text, not [7, 8, 9]"),
        ([spo(object_span="7-9")], "a span should be [start, end] in characters of the text, not 7-9"),
        ([spo(object_span=[7, None])], "a span should be [start, end] in characters of the text, not [7, None]"),
        ([spo(object_span=[[7, 9]])], "a span should be [start, end] in characters of the text, not [[7, 9]]"),
    ],
)
def test_invalid_triples_are_rejected_in_one_sentence(value, sentence):
    message = error_message(value)
    assert message.startswith(sentence)
    assert "\n" not in message and len(message) < 200


@pytest.mark.parametrize(
    "value",
    [
        pytest.param('"雪 作者 方雪"', id="JSON of a text: is taken for no list"),
        pytest.param([spo(subject_span=[1 - len(TEXT), 2 - len(TEXT)])], id="a span counted from the end"),
        pytest.param(f"[{json.dumps(spo(subject_span=[1, float('inf')]))}]", id="Infinity: OverflowError"),
        pytest.param([spo(subject_span="12")], id="a text of two digits is taken for a span"),
        pytest.param([spo(subject_span=[1.9, 2.9])], id="parts of characters"),
        pytest.param([spo(subject_span=[0, 1], object={"@value": "方雪"})], id="a wrong span beside slots"),
    ],
)
def test_other_invalid_triples_are_rejected(value):
    assert error_message(value, TEXT)


def test_arrays_of_a_parquet_file_are_read():
    assert triples_of(np.array([["雪", "作者", "方雪"]], dtype=object), TEXT) == (AUTHOR,)


def test_triple_is_converted_to_a_dict():
    assert AUTHOR.as_dict() == spo()
    triple = Triple("雪", "作者", "方雪", Span(1, 2), Span(7, 9), 0.12345678)
    assert triple.as_dict() == spo(subject_span=[1, 2], object_span=[7, 9], probability=0.123457)
    assert list(triple.as_dict()) == ["subject", "predicate", "object", "subject_span", "object_span", "probability"]
    assert triple.strings == ("雪", "作者", "方雪")
    assert triple.located and not dataclasses.replace(triple, object_span=None).located
    assert triple == dataclasses.replace(triple, probability=None) != AUTHOR


@st.composite
def texts_with_triples(draw):
    text = draw(st.text(min_size=2, max_size=20))
    entities = st.tuples(*[st.integers(0, len(text))] * 2).filter(lambda ends: ends[0] != ends[1])
    entities = entities.map(lambda ends: Span(*sorted(ends)))
    triples = []
    for _ in range(draw(st.integers(0, 4))):
        one, other = draw(entities), draw(entities)
        strings = (
            text[slice(*one)],
            draw(st.text(min_size=1, max_size=4).filter(lambda name: not blank(name))),
            text[slice(*other)],
        )
        spans = (span if draw(st.booleans()) else None for span in (one, other))
        triples.append(Triple(*strings, *spans, draw(st.none() | st.floats(0, 1))))
    return text, triples


@given(texts_with_triples())
def test_triples_are_restored_from_dicts_json_and_lists(text_and_triples):
    text, triples = text_and_triples
    dicts = [triple.as_dict() for triple in triples]
    once = tuple(dict.fromkeys(triples))
    assert triples_of(dicts, text) == triples_of(json.dumps(dicts), text) == once
    assert triples_of([triple.strings for triple in triples], text) == tuple(
        dict.fromkeys(Triple(*triple.strings) for triple in triples)
    )
