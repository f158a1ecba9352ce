"""JSONL with entities, CLUENER, doccano: forms that are read, offsets that are checked, and files that are rejected."""

import json

import pytest

import kbert_tasks as kb
from kbert_tasks.data.annotations import offsets

from .reading import entity, error_message, parts, problems, put, rows

TEXT = "方小雪生于北京😀。她写了《雪》"
PER, LOC = entity(0, 3, "PER"), entity(5, 7, "LOC")


@pytest.mark.parametrize(
    "given",
    [
        [PER, LOC],
        [LOC, PER],
        [[0, 3, "PER"], [5, 7, "LOC"]],
        [{"start_idx": 0, "end_idx": 3, "type": "PER"}, {"start_idx": 5, "end_idx": 7, "type": "LOC"}],
        [
            {"start": 0, "end": 3, "label": "PER", "text": "方小雪"},
            {"start": 5, "end": 7, "label": "LOC", "text": "北京"},
        ],
        [{"begin": 0.0, "end": 3.0, "entity_group": "PER", "word": "方小雪"}, LOC],
    ],
)
def test_each_form_of_entities_is_read(tmp_path, given):
    table = kb.read(put(tmp_path, "a.jsonl", [{"text": TEXT, "entities": given, "id": 7}]))
    assert rows(table) == [{"text": TEXT, "entities": [PER, LOC], "id": 7}]
    assert problems(table) == {} and "about" not in table.attrs


def test_array_of_objects_and_other_keys_are_read(tmp_path):
    given = [{"text": TEXT, "entities": [PER | {"probability": 0.5}]}, {"text": "x", "entities": []}, {"text": "y"}]
    assert rows(kb.read(put(tmp_path, "a.json", given))) == [
        {"text": TEXT, "entities": [PER | {"probability": 0.5}]},
        {"text": "x", "entities": []},
        {"text": "y", "entities": None},
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"text": "a", "entities": []},
        {"text": "a", "entities": ["a"]},
        {"text": "a", "label": ["x", "y"]},
        {"text": "a", "label": [[0.5, 1, "x"]]},
        {"text": "a", "label": {"x": 1}},
        {"text": "a", "spo_list": [{"subject": "a", "predicate": "b", "object": "a"}]},
        {"sentence": "a", "entities": [[0, 1, "x"]]},
        {"data": {"a": 1}, "sentence": "b"},
    ],
)
def test_other_json_is_an_ordinary_table(tmp_path, row):
    assert kb.read(put(tmp_path, "a.jsonl", [row])).to_dict("records") == [row]


@pytest.mark.parametrize(
    "given, problem",
    [
        ([0, 20, "PER"], offsets.OUTSIDE),
        ([-1, 2, "PER"], offsets.OUTSIDE),
        ([3, 2, "PER"], offsets.BACKWARDS),
        ([3, 3, "PER"], offsets.BACKWARDS),
        ({"start": "0", "end": 2, "type": "PER"}, offsets.NOT_WHOLE),
        ({"start": True, "end": 2, "type": "PER"}, offsets.NOT_WHOLE),
        ({"start": None, "end": 2, "type": "PER"}, offsets.NOT_WHOLE),
        ({"start": 0, "end": 2, "type": " "}, "entities left out: no type"),
        ({"start": 0, "end": 2}, "entities left out: no type"),
        (entity(0, 3, "PER"), "entities left out: the same span and type again"),
    ],
)
def test_impossible_entities_are_left_out_and_counted(tmp_path, given, problem):
    last = entity(12, 15, "BOOK")  # an entity that ends with the text shows that ends are exclusive
    table = kb.read(put(tmp_path, "a.jsonl", [{"text": TEXT, "entities": [PER, given, last]}]))
    assert rows(table)[0]["entities"] == [PER, last]
    assert problems(table) == {problem: 1}


def test_inclusive_ends_are_detected_by_the_texts_of_entities(tmp_path):
    given = [
        {"start": 0, "end": 2, "type": "PER", "entity": "方小雪"},
        {"start": 13, "end": 13, "type": "B", "entity": "雪"},
    ]
    table = kb.read(put(tmp_path, "a.jsonl", [{"text": TEXT, "entities": given}]))
    assert parts(table) == [[("方小雪", "PER"), ("雪", "B")]]
    assert "the ends of entities are inclusive, so 1 is added to each" in table.attrs["about"]


def test_inclusive_ends_without_texts_are_rejected(tmp_path):
    given = [{"text": TEXT, "entities": [[0, 2, "PER"], [13, 13, "B"]]}]
    assert "1 of 2 entities have start = end, and none ends at the end of its text" in error_message(
        put(tmp_path, "a.jsonl", given)
    )


def test_entity_whose_text_differs_is_left_out(tmp_path):
    given = [PER | {"text": "方小雪"}, LOC | {"text": " 北京 "}, entity(12, 13, "B", text="雪")]
    table = kb.read(put(tmp_path, "a.jsonl", [{"text": TEXT, "entities": given}]))
    assert parts(table) == [[("方小雪", "PER"), ("北京", "LOC")]]
    assert problems(table) == {offsets.OTHER_TEXT: 1}


def test_file_whose_entities_are_elsewhere_is_rejected(tmp_path):
    given = [PER | {"text": "北京"}, LOC | {"text": "北京"}, entity(1, 2, "B", text="雪")]
    message = error_message(put(tmp_path, "a.jsonl", [{"text": TEXT, "entities": given}]))
    assert "of 3 entities, only 1 are at their offsets, such as '北京' at 0 to 3" in message


def test_offsets_in_utf16_are_detected_by_the_texts_of_entities(tmp_path):
    given = [{"start": 14, "end": 15, "type": "B", "text": "雪"}]
    table = kb.read(put(tmp_path, "a.jsonl", [{"text": TEXT, "entities": given}]))
    assert parts(table) == [[("雪", "B")]] and "UTF-16" in table.attrs["about"]


@pytest.mark.parametrize("value", ["PER", [["x"]], {"start": 0}, 3], ids=["text", "no entity", "dict", "number"])
def test_named_format_needs_entities_in_its_form(tmp_path, value):
    path = put(tmp_path, "a.jsonl", [{"text": "a", "entities": value}])
    assert "a.jsonl, row 1: expected " in error_message(path, format="jsonl")


def test_named_format_needs_a_text(tmp_path):
    path = put(tmp_path, "a.jsonl", [{"sentence": "a", "entities": [[0, 1, "x"]]}])
    assert "row 1 has no 'text'; found: sentence, entities" in error_message(path, format="jsonl")
    assert "column 'text': expected a text or a number" in error_message(
        put(tmp_path, "b.jsonl", [{"text": ["a"], "entities": []}]), format="jsonl"
    )


def test_unknown_format_and_options_that_do_not_suit_are_errors(tmp_path):
    path = put(tmp_path, "a.jsonl", [{"text": "a"}])
    assert "unknown format 'conll'; formats: jsonl, cluener, doccano" in error_message(path, format="conll")
    assert "is no token file: token_column and tag_column" in error_message(path, token_column=1)
    assert "'jsonl' is a format of text files" in error_message(put(tmp_path, "a.xlsx", "x"), format="jsonl")
    assert "should end in one of" in error_message(put(tmp_path, "a.train", "a O\n"))
    assert parts(kb.read(put(tmp_path, "a.train", "a B-X\n"), format="bio")) == [[("a", "X")]]


def test_rows_in_several_formats_are_rejected(tmp_path):
    given = [{"text": "a"}, {"text": "ab", "label": [[0, 1, "x"]]}, {"text": "ab", "label": {"x": {"a": [[0, 0]]}}}]
    message = error_message(put(tmp_path, "a.jsonl", given))
    assert "has rows in several formats: doccano (row 2), cluener (row 3)" in message


# CLUENER -----------------------------------------------------------------------------------------------------------


def test_cluener_is_read(tmp_path):
    label = {"name": {"方小雪": [[0, 2]], "雪": [[2, 2], [13, 13]]}, "address": {"北京": [[5, 6]]}}
    table = kb.read(
        put(tmp_path, "a.json", [{"text": TEXT, "label": label}, {"text": "无", "label": {}}, {"text": "无"}])
    )
    assert parts(table)[0] == [("方小雪", "name"), ("雪", "name"), ("北京", "address"), ("雪", "name")]
    assert [row["entities"] for row in rows(table)[1:]] == [[], None]
    assert "label" not in table and table.attrs["about"].endswith("a.json: read as cluener")
    assert problems(table) == {}


def test_cluener_with_a_wrong_position_is_counted(tmp_path):
    label = {"name": {"方小雪": [[0, 2]], "雪": [[3, 3]]}}
    assert problems(kb.read(put(tmp_path, "a.json", [{"text": TEXT, "label": label}]))) == {offsets.OTHER_TEXT: 1}


def test_cluener_in_another_form_is_an_error(tmp_path):
    path = put(tmp_path, "a.json", [{"text": TEXT, "label": {"name": ["方小雪"]}}])
    assert 'row 1: expected {"TYPE": {"TEXT OF THE ENTITY": [[start, end]]}}' in error_message(path, format="cluener")


# doccano -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["label", "labels"])
def test_doccano_labels_are_read(tmp_path, name):
    given = [{"id": 3, "text": TEXT, name: [[0, 3, "PER"], [14, 15, "B"]], "Comments": []}, {"text": "a", name: []}]
    table = kb.read(put(tmp_path, "a.jsonl", given))
    assert parts(table) == [[("方小雪", "PER"), ("雪", "B")], []]
    assert rows(table)[0] | {"entities": 0} == {"text": TEXT, "entities": 0, "id": 3, "Comments": []}
    assert "read as doccano; the offsets count UTF-16 code units" in table.attrs["about"]


def test_doccano_offsets_in_characters_are_used_if_utf16_is_not_possible(tmp_path):
    table = kb.read(put(tmp_path, "a.jsonl", [{"text": "😀😀ab", "label": [[1, 3, "X"], [3, 4, "Y"]]}]))
    assert parts(table) == [[("😀a", "X"), ("b", "Y")]] and "UTF-16" not in table.attrs["about"]


def test_doccano_offsets_can_be_read_as_characters_by_naming_the_format(tmp_path):
    path = put(tmp_path, "a.jsonl", [{"text": "😀 ab", "label": [[2, 4, "X"]]}])
    assert parts(kb.read(path, format="jsonl")) == [[("ab", "X")]]
    assert parts(kb.read(path)) == [[(" a", "X")]]


RELATION = {
    "text": TEXT,
    "entities": [
        {"id": 20, "label": "PER", "start_offset": 0, "end_offset": 3},
        {"id": 21, "label": "LOC", "start_offset": 5, "end_offset": 7},
        {"id": 22, "label": "B", "start_offset": 14, "end_offset": 15},
    ],
    "relations": [
        {"id": 4, "from_id": 20, "to_id": 21, "type": "出生地"},
        {"id": 5, "from_id": 22, "to_id": 20, "type": "作者"},
    ],
}
TRIPLE = {
    "subject": "雪",
    "predicate": "作者",
    "object": "方小雪",
    "subject_span": [13, 14],
    "object_span": [0, 3],
    "subject_type": "B",
    "object_type": "PER",
}


def test_doccano_relations_become_triples(tmp_path):
    table = kb.read(put(tmp_path, "a.jsonl", [RELATION, {"text": "a", "entities": [], "relations": []}]))
    assert parts(table)[0] == [("方小雪", "PER"), ("北京", "LOC"), ("雪", "B")]
    assert [(t["subject"], t["predicate"], t["object"]) for t in rows(table)[0]["spo_list"]] == [
        ("方小雪", "出生地", "北京"),
        ("雪", "作者", "方小雪"),
    ]
    assert rows(table)[0]["spo_list"][1] == TRIPLE
    assert rows(table)[1] == {"text": "a", "entities": [], "spo_list": []}


def test_relations_without_their_entities_are_counted(tmp_path):
    wrong = [{"from_id": 20, "to_id": 99, "type": "x"}, {"from_id": 20, "to_id": 21, "type": ""}]
    table = kb.read(put(tmp_path, "a.jsonl", [RELATION | {"relations": wrong}]))
    assert rows(table)[0]["spo_list"] == []
    assert sum(problems(table).values()) == 2
    path = put(tmp_path, "b.jsonl", [RELATION | {"relations": [{"from_id": 20}]}])
    assert 'expected a relation such as {"from_id": 0, "to_id": 1' in error_message(path)


def test_bom_and_crlf_are_read(tmp_path):
    lines = "\r\n".join(json.dumps(RELATION, ensure_ascii=False) for _ in range(2)) + "\r\n"
    assert len(parts(kb.read(put(tmp_path, "a.jsonl", lines.encode("utf-8-sig"))))) == 2


def test_problems_are_logged_and_follow_the_rows(tmp_path, caplog):
    caplog.set_level("INFO", "kbert_tasks")
    given = [{"text": "ab", "entities": [[0, 1, "X"]]}, {"text": "ab", "entities": [[0, 9, "X"], [1, 2, "X"]]}]
    table = kb.read(put(tmp_path, "a.jsonl", given))
    assert f"a.jsonl: 1 {offsets.OUTSIDE}" in caplog.text
    assert problems(table.iloc[:1]) == {} and problems(table.iloc[1:]) == {offsets.OUTSIDE: 1}
