"""Bodies of requests: everything that is not plain JSON is refused with one sentence."""

import json

import pytest

from kbert_tasks.serving import schema
from kbert_tasks.serving.body import parsed
from kbert_tasks.serving.problems import Problem

GOOD = {"texts": ["房间很干净", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")]}


@pytest.mark.parametrize("ascii", [True, False])
def test_valid_json_is_read(ascii):
    assert parsed(json.dumps(GOOD, ensure_ascii=ascii).encode()) == GOOD


@pytest.mark.parametrize(
    "raw, words",
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"texts": ["a"]} x', "not JSON"),
        (b'{"texts": ["\xff"]}', "not UTF-8: invalid byte at position 12"),
        ('{"texts": ["a"]}'.encode("utf-16"), "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"options": {"threshold": NaN}}', "NaN is not a number"),
        (b'{"options": {"threshold": -Infinity}}', "-Infinity is not a number"),
        (b'{"texts": ["\\ud800"]}', "half of a surrogate pair"),
        (b'{"\\uDFFF": 1}', "half of a surrogate pair"),
        (b'{"texts": ["a"], "texts": ["b"]}', "has the key 'texts' twice"),
        (b"9" * 5000, "a whole number has 5000 digits"),
        (b"[" * 34 + b"]" * 34, "nested too deeply, the maximum is 32"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "nested too deeply"),
        (b"[" * 960 + b'"\\ud800"' + b"]" * 960, "nested too deeply"),
    ],
)
def test_other_bodies_are_refused(raw, words):
    with pytest.raises(Problem, match=words) as found:
        parsed(raw)
    assert found.value.status == 400


def test_nesting_up_to_the_limit_is_read():
    value = []
    for _ in range(31):
        value = [value, {}]
    assert parsed(json.dumps({"a": value}).encode()) == {"a": value}


def test_sentence_is_one_line_of_limited_length():
    assert Problem(422, "no column 'a\n\tb'").sentence == "no column 'a b'"
    assert Problem(422, "\ud800 is not a predicate").sentence == "? is not a predicate"
    assert len(Problem(422, "x" * 100_000).sentence) < 510


@pytest.mark.parametrize(
    "value, words",
    [
        ([], "the body should be an object, found a list"),
        (None, "the body should be an object, found null"),
        ({"texts": "a"}, "texts should be a valid list, found a text"),
        ({"texts": ["a", 1]}, r"texts\[1\] should be a valid string, found a number"),
        ({"texts": [True]}, "found true or false"),
        ({"pairs": [["a"]]}, r"pairs\[0\] .*at least 2"),
        ({"pairs": [["a", "b", "c"]]}, r"pairs\[0\] .*at most 2"),
        ({"rows": ["a"]}, r"rows\[0\] should be a valid dictionary"),
        ({"text": ["a"]}, "unknown field 'text'; known fields: options, texts"),
        ({"texts": ["a"], "options": 3}, "options should be a valid dictionary"),
        ({"texts": ["a"], "x" * 5000: 1}, "unknown field 'x+...'"),
    ],
)
def test_other_values_are_refused(value, words):
    with pytest.raises(Problem, match=words) as found:
        schema.checked(schema.PredictRequest, value)
    assert found.value.status == 422 and len(found.value.sentence) < 300


def test_missing_field_is_named():
    with pytest.raises(Problem, match="the field 'text' is missing"):
        schema.checked(schema.ExplainRequest, {})
