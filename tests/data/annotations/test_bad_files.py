"""Files of annotated texts that are damaged or have other values than expected: one clear sentence, or a count."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks.data.annotations import formats

from .reading import entity, error_message, parts, problems, put, rows

TEXT = "方小雪生于北京"
LINK = {"from_id": 1, "to_id": 2, "type": "x"}


def studio(result, **more):
    return [{"data": {"text": TEXT}, "annotations": [{"result": result}]} | more]


def region(**value):
    return {"id": "a", "type": "labels", "value": {"start": 0, "end": 3, "labels": ["PER"]} | value}


@pytest.mark.parametrize(
    "format, given, message",
    [
        ("doccano", [{"text": TEXT, "entities": [], "relations": "x"}], "row 1: expected a list of relations, found x"),
        ("doccano", [{"text": TEXT, "entities": [], "relations": {"a": 1}}], "row 1: expected a list of relations"),
        ("doccano", [{"text": TEXT, "entities": [], "relations": [1]}], "row 1: expected a relation such as"),
        ("doccano", [{"text": TEXT, "label": "PER"}], "row 1: expected a list of entities, found PER"),
        ("doccano", [{"text": TEXT, "label": [["x", "y", "z"]]}], "row 1: expected an entity such as"),
        ("doccano", [{"label": []}], "row 1 has no 'text'; found: label"),
        ("doccano", [{"text": {"a": 1}, "label": []}], "row 1: column 'text': expected a text or a number, found dict"),
        ("cluener", [{"text": TEXT, "label": {"PER": {"方": [[0]]}}}], "row 1: expected"),
        ("cluener", [{"text": TEXT, "label": ["PER"]}], "row 1: expected"),
        ("label-studio", studio("x"), "row 1: expected a list of results, found x"),
        ("label-studio", studio(["x"]), "row 1: expected a list of results, found ['x']"),
        ("label-studio", studio({"type": "labels"}), "row 1: expected a list of results"),
        ("label-studio", [{"data": {}, "annotations": []}], "row 1: expected the text as 'text' in \"data\", found the keys none"),
        ("label-studio", [{"data": "x"}], 'row 1: expected a task with "data"'),
        ("jsonl", [{"text": TEXT, "entities": [None]}], "row 1: expected an entity such as"),
    ],
)  # fmt: skip
def test_rows_of_another_form_are_rejected_with_their_number(tmp_path, format, given, message):
    assert f"a.json, {message}" in error_message(put(tmp_path, "a.json", given), format=format)


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "is empty"),
        ("\n \n", "has no rows"),
        ("[]", "has no rows"),
        ("[1]", "item 1: expected an object such as"),
        ("3", "line 1: expected an object"),
        ('{"text": "a"', "line 1 is not JSON"),
        ('[{"text": "a"}', "line 1 is not JSON"),
        ('{"text": "a"}\n{"text": "b"},', "line 2 is not JSON"),
        ('{"text": "a", "text": "b"}', "an object has the key 'text' twice"),
        ("方 B-X\n小 I-X\n", "line 1 is not JSON"),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_damaged_json_is_rejected_with_its_line(tmp_path, name, content, message):
    assert message in error_message(put(tmp_path, name, content))


@pytest.mark.parametrize(
    "content, message",
    [
        ("\n\n", "has no tokens"),
        ("# a comment\n", "has no tokens"),
        ("a O\nb\n", "line 2 has 1 columns, line 1 has 2"),
        ("a B-X x\n", "'x' is not a tag"),
        ("a\tB-X\tx\n", "'x' is not a tag"),
        ("a B-\n", "'B-' is not a tag"),
        ("a Z-X\n", "'Z-X' is not a tag"),
        ('{"text": "a"}\n', "is not a tag"),
    ],
)
def test_damaged_token_files_are_rejected_with_their_line(tmp_path, content, message):
    assert message in error_message(put(tmp_path, "a.bio", content))


@pytest.mark.parametrize("ids", [{"from_id": [1]}, {"to_id": {"a": 1}}, {"from_id": None}, {"to_id": 1.5}])
def test_relations_with_impossible_ids_are_counted(tmp_path, ids):
    found = [{"id": i, "start_offset": i, "end_offset": i + 1, "label": "X"} for i in (1, 2)]
    table = kb.read(put(tmp_path, "a.jsonl", [{"text": TEXT, "entities": found, "relations": [LINK, LINK | ids]}]))
    assert len(rows(table)[0]["spo_list"]) == 1
    assert problems(table) == {"relations left out: an entity that they refer to is not there": 1}


def test_values_of_label_studio_that_are_no_regions_are_counted(tmp_path):
    given = [region(), region(start=None), {"type": "labels"}, {"type": "labels", "value": [1]}, region(labels=[]), {}]
    table = kb.read(put(tmp_path, "a.json", studio(given)))
    assert parts(table) == [[("方小雪", "PER")]] and sum(problems(table).values()) == 5
    table = kb.read(put(tmp_path, "b.json", studio([region(labels="PER", text=5)])))
    assert parts(table) == [[("方小雪", "PER")]] and problems(table) == {}


def test_choices_of_label_studio_are_labels(tmp_path):
    def choice(*names, question="topic"):
        return {"from_name": question, "to_name": "text", "type": "choices", "value": {"choices": [*names]}}

    given = [*studio([choice("音乐", "演出"), choice("好", question="mood")]), *studio([]), {"data": {"text": "b"}}]
    table = kb.read(put(tmp_path, "a.json", given))
    assert list(table["label"]) == [["音乐", "演出"], [], None] and list(table["entities"]) == [None] * 3
    assert problems(table) == {"results left out: choices for another question": 1}
    both = studio([region(), choice("音乐")], data={"text": TEXT, "label": "old"})
    (row,) = rows(kb.read(put(tmp_path, "b.json", both)))
    assert (row["label"], row["input_label"], row["entities"]) == (["音乐"], "old", [entity(0, 3, "PER")])
    kb.write([row], tmp_path / "c.json", "label-studio")
    assert rows(kb.read(tmp_path / "c.json")) == [row]


def test_export_of_text_classification_is_read_if_its_format_is_named(tmp_path):
    given = [{"id": 1, "text": TEXT, "label": ["音乐"]}, {"id": 2, "text": TEXT, "label": []}]
    path = put(tmp_path, "a.jsonl", given)
    assert kb.read(path, format="doccano").to_dict("records") == kb.read(path).to_dict("records") == given


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.sampled_from(["", "a", "PER", "labels"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "start", "end", "label", "type", "value", "labels", "from_id", "to_id", "result", "text"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=8,
)
ROWS = st.fixed_dictionaries(
    {},
    optional={
        name: VALUES for name in ("text", "entities", "label", "relations", "data", "annotations", "predictions")
    },
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("any")


@pytest.mark.parametrize("format", [None, *formats.JSON_READERS])
@given(given=st.lists(ROWS, min_size=1, max_size=2))
@example(given=[{"data": {"text": "a"}, "annotations": [{"result": [{"type": "relation", "labels": "x"}]}]}])
@example(given=[{"data": {"text": "a"}, "annotations": [], "predictions": True}])
@example(given=[{"data": {"text": "a"}, "annotations": True, "predictions": []}])
@example(given=[{"text": "a", "label": [{"start": 0, "end": 1, "id": [1]}]}])
@example(given=[{"text": "a", "entities": [[0, float("inf"), "a"]]}])
@example(given=[{"text": "a", "label": []}])
@example(given=[{"text": "a", "label": ""}])
def test_any_json_is_read_or_rejected_with_a_clear_message(file, format, given):
    path = put(file, "a.json", given)
    try:
        kb.read(path, format=format)
    except kb.InputError as error:
        assert "cannot be read as" not in str(error)  # the message for errors that the readers do not expect
