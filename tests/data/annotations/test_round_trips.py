"""What is written in a format is read again unchanged, unless the writer counts what the format cannot express."""

import logging

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks.data.annotations import formats, token_files
from kbert_tasks.data.annotations.entities import OVERLAPPING, ordered

from .reading import entity, problems, rows


@pytest.fixture(autouse=True, scope="module")
def few_messages():
    """Hypothesis would print the counts of each example; the level is restored, because other tests read messages."""
    log = logging.getLogger("kbert_tasks")
    level = log.level
    log.setLevel(logging.ERROR)
    yield
    log.setLevel(level)


PIECES = [
    "房", "间", "，", "I", "am", "IBM", "2", "8", "한", "-", ".", "#", '"', " ", "  ", "\n", "\r\n", "\t", "\\n",
    "\ufeff", "\u2028", "\x85", "\u3000", "\u00a0", "😀", "👍🏽", "👩\u200d👧", "𠮷", "é", "e\u0301", "[SEP]", "O", "B-X", "-DOCSTART-",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
KINDS = st.sampled_from(["PER", "地址", "B-X", "NAME OF_A", "ENTITY"])
TOKEN_FORMATS = ["bio", "bioes", "bmes"]
JSON_FORMATS = [name for name in formats.FORMATS if name not in TOKEN_FORMATS]


@st.composite
def annotated(draw, flat=False):
    text = draw(TEXTS)
    spans = {}
    for _ in range(draw(st.integers(0, 3)) if text else 0):
        start = draw(st.integers(0, len(text) - 1))
        each = entity(start, draw(st.integers(start + 1, len(text))), draw(KINDS))
        if not flat or all(each["end"] <= other["start"] or other["end"] <= each["start"] for other in spans.values()):
            spans[tuple(each.values())] = each
    return {"text": text, "entities": ordered([*spans.values()])}


@st.composite
def related(draw):
    row = draw(annotated())
    found, text, triples = row["entities"], row["text"], []
    for _ in range(draw(st.integers(0, 2)) if found else 0):
        one, other = draw(st.sampled_from(found)), draw(st.sampled_from(found))
        triples.append(
            {
                "subject": text[one["start"] : one["end"]],
                "predicate": draw(KINDS),
                "object": text[other["start"] : other["end"]],
                "subject_span": [one["start"], one["end"]],
                "object_span": [other["start"], other["end"]],
                "subject_type": one["type"],
                "object_type": other["type"],
            }
        )
    return row | {"spo_list": triples}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("written") / "a.json"


def round_trip(file, given, format, **options):
    counted = kb.write(given, file, format, **options)
    return kb.read(file, format=format), dict(counted)


@pytest.mark.parametrize("format", JSON_FORMATS)
@settings(max_examples=60)
@given(given=st.lists(annotated(), min_size=1, max_size=4))
@example(given=[{"text": "a", "entities": None}, {"text": "😀a", "entities": [entity(1, 2, "X")]}])
@example(given=[{"text": "ab", "entities": [entity(0, 1, "X")]}])
def test_json_formats_keep_texts_and_entities(file, format, given):
    table, counted = round_trip(file, given, format)
    assert counted == {} and problems(table) == {}
    assert rows(table) == given


@pytest.mark.parametrize("format", ["jsonl", "doccano", "label-studio"])
@settings(max_examples=60)
@given(given=st.lists(related(), min_size=1, max_size=4))
def test_relations_are_kept(file, format, given):
    table, counted = round_trip(file, given, format)
    assert counted == {} and problems(table) == {}
    assert [row["text"] for row in rows(table)] == [row["text"] for row in given]
    assert [row["entities"] for row in rows(table)] == [row["entities"] for row in given]
    if format != "label-studio" or any(row["spo_list"] for row in given):  # a file without relations has no such column
        assert [row["spo_list"] for row in rows(table)] == [row["spo_list"] for row in given]


@pytest.mark.parametrize("format", ["jsonl", "label-studio"])
@settings(max_examples=60)
@given(given=annotated(), p=st.floats(0, 1))
def test_probabilities_are_kept(file, format, given, p):
    row = given | {"entities": [each | {"probability": p} for each in given["entities"]]}
    options = {"model_version": "mine"} if format == "label-studio" else {}
    assert rows(round_trip(file, [row], format, **options)[0]) == [row]


@pytest.mark.parametrize("format", JSON_FORMATS)
def test_other_columns_are_kept(file, format):
    row = {"text": "ab", "entities": [entity(0, 1, "X")], "id": 3, "meta": {"by": "me"}, "source": "a.txt"}
    assert rows(round_trip(file, [row], format)[0]) == [row]


@pytest.mark.parametrize("format", JSON_FORMATS)
def test_half_of_a_surrogate_pair_is_counted_and_moves_no_offset(file, format):
    row = {"text": "a\ud83db", "entities": [entity(2, 3, "X")]}
    table, counted = round_trip(file, [row], format)
    assert rows(table) == [{"text": "a\ufffdb", "entities": [entity(2, 3, "X")]}] and counted == {formats.HALVES: 1}


def token_round_trip(file, given, format):
    """A sentence is added, so that the file is not empty."""
    return round_trip(file, [*given, {"text": "end", "entities": []}], format)


@pytest.mark.parametrize("format", TOKEN_FORMATS)
@settings(max_examples=60)
@given(given=st.lists(annotated(), min_size=1, max_size=4))
@example(given=[{"text": "I am IBM", "entities": [entity(2, 4, "X")]}, {"text": "房间", "entities": []}])
def test_token_files_keep_texts_and_entities_or_count_them(file, format, given):
    table, counted = token_round_trip(file, given, format)
    found = rows(table)[:-1]
    if counted.get(token_files.HAS_DOCUMENT):
        return
    assert len(found) + counted.get(token_files.NO_TEXT, 0) == len(given)
    if not counted:
        assert [{"text": row["text"], "entities": row["entities"]} for row in found] == given
    if counted.keys() <= {token_files.OTHER_SPACES, OVERLAPPING, token_files.MISFIT, token_files.NO_TEXT}:
        left_out = counted.get(OVERLAPPING, 0) + counted.get(token_files.MISFIT, 0)
        assert sum(len(row["entities"]) for row in found) == sum(len(row["entities"]) for row in given) - left_out
    if not counted.keys() & {token_files.HAS_DOCUMENT, token_files.BREAKS, token_files.NO_TEXT}:
        letters = ["".join(each["text"].split()) for each in (*found, *given)]
        assert letters[: len(found)] == letters[len(found) :]
        changed = [one["text"] for one, other in zip(found, given, strict=True) if one["text"] != other["text"]]
        assert len(changed) == counted.get(token_files.OTHER_SPACES, 0)


@pytest.mark.parametrize("format", TOKEN_FORMATS)
@settings(max_examples=60)
@given(given=st.lists(annotated(flat=True), min_size=1, max_size=4))
def test_token_file_that_is_read_written_and_read_again_is_unchanged(file, format, given):
    first, _ = token_round_trip(file, given, format)
    content = file.read_bytes()
    second, counted = round_trip(file, first, format)
    assert counted.keys() <= {token_files.HAS_DOCUMENT}
    assert rows(second) == rows(first)
    if b"-DOCSTART-" not in content:
        assert file.read_bytes() == content
