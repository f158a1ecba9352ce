"""Named entities: reading, overlaps, targets, scores and explanation."""

import io
import json
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.errors import RowError
from kbert_tasks.tasks.entity import scores
from kbert_tasks.tasks.entity.entities import Entity, entities_of, overlapping, without_overlaps
from kbert_tasks.text.spans import span_of

TEXT = "上海交响乐团在青岛演出"
NESTED = [{"start": 0, "end": 6, "type": "机构"}, {"start": 0, "end": 2, "type": "地点"}]
ROWS = [
    {"text": TEXT, "entities": [*NESTED, {"start": 7, "end": 9, "type": "地点"}]},
    {
        "text": "周山去了北京",
        "entities": [{"start": 0, "end": 2, "type": "人物"}, {"start": 4, "end": 6, "type": "地点"}],
    },
    {"text": "今天下雨", "entities": []},
]


def entity(start, end, kind, probability=None):
    return Entity(TEXT[start:end], kind, start, end, probability)


@pytest.fixture(scope="module")
def recognizer(checkpoint):
    settings = {"epochs": 60, "learning_rate": 5e-3, "ema_decay": 0.0, "validation_split": 0.0, "max_length": 32}
    return kb.EntityRecognizer(checkpoint, **settings).fit(ROWS)


@pytest.mark.parametrize(
    "value",
    [
        NESTED,
        [[0, 6, "机构"], [0, 2, "地点"]],
        json.dumps(NESTED),
        np.array(NESTED, dtype=object),
        [each | {"text": TEXT[: each["end"]]} for each in NESTED] + NESTED,
    ],
)
def test_all_forms_of_entities_are_read(value):
    assert entities_of(value, TEXT) == ((entity(0, 6, "机构"), entity(0, 2, "地点")), ())


@pytest.mark.parametrize("value", [None, float("nan"), "", " "])
def test_a_missing_list_is_not_an_empty_list(value):
    assert entities_of(value, TEXT) is None
    assert entities_of([], TEXT) == entities_of("[]", TEXT) == ((), ())


@pytest.mark.parametrize(
    "value, words",
    [
        ("abc", "expected a list of entities, found 'abc'"),
        (3, "expected a list of entities, found 3"),
        ([3], "found 3; expected"),
        ([{"start": 0, "end": 2}], "an entity lacks type"),
        ([[0, 2]], "found"),
        ([["0", 2, "a"]], "should be whole numbers, found '0' and 2"),
        ([[0, 2, ""]], "should be a text, found ''"),
        ([[0, 2, ["a"]]], "should be a text, found"),
        ([[3, 3, "a"]], "contains no character"),
        ([[-2, 3, "a"]], "contains no character"),
        ([{"start": 0, "end": 1, "type": "a", "text": "上海"}], "positions of last characters: add 1 to each"),
        ([{"start": 0, "end": 2, "type": "a", "word": "青岛"}], "should be '青岛', but the text has '上海' there"),
    ],
)
def test_invalid_entities_have_a_clear_message(value, words):
    with pytest.raises(RowError) as raised:
        entities_of(value, TEXT)
    assert words in str(raised.value)


def test_entities_after_the_end_of_the_text_are_counted(checkpoint):
    rows = [*ROWS, {"text": "短", "entities": [{"start": 0, "end": 9, "type": "地点"}]}]
    task = kb.EntityRecognizer(checkpoint, epochs=1, validation_split=0.0, max_length=32).fit(rows)
    assert task.report_["examples"]["train"]["notes"] == {"entities that end after the text": 1}
    assert task.report_["examples"]["train"]["used"] == 4


def test_overlaps():
    first, inside, apart = entity(0, 6, "机构", 0.8), entity(0, 2, "地点", 0.9), entity(7, 9, "地点", 0.7)
    assert overlapping([first, inside, apart]) == {first.key, inside.key}
    assert without_overlaps([inside, first, apart]) == [inside, apart]


spans = st.tuples(st.integers(0, 8), st.integers(1, 4), st.sampled_from("ab")).map(lambda s: (s[0], s[0] + s[1], s[2]))


@given(st.lists(spans, max_size=8))
def test_overlapping_agrees_with_all_pairs(keys):
    found = [Entity("", kind, start, end) for start, end, kind in dict.fromkeys(keys)]
    slow = {a.key for a in found for b in found if a is not b and a.start < b.end and b.start < a.end}
    assert overlapping(found) == slow


@given(st.sets(spans, max_size=6), st.sets(spans, max_size=6))
def test_kinds_of_errors_account_for_every_entity(gold, predicted):
    kinds = list(scores.errors(gold, predicted).values())
    pairs = kinds.count("boundary") + kinds.count("type")
    assert kinds.count("spurious") + pairs == len(predicted - gold)
    assert kinds.count("missed") + pairs == len(gold - predicted)


@pytest.mark.parametrize(
    "gold, predicted, kinds",
    [
        ({(0, 2, "a")}, {(0, 2, "b")}, {(0, 2, "b"): "type"}),
        ({(0, 2, "a")}, {(0, 3, "a")}, {(0, 3, "a"): "boundary"}),
        ({(0, 2, "a")}, {(1, 3, "b")}, {(1, 3, "b"): "spurious", (0, 2, "a"): "missed"}),
        ({(0, 2, "a"), (0, 4, "a")}, {(0, 2, "a"), (0, 3, "a")}, {(0, 3, "a"): "boundary"}),
        ({(0, 2, "a")}, {(0, 2, "a")}, {}),
    ],
)
def test_kinds_of_errors(gold, predicted, kinds):
    assert scores.errors(gold, predicted) == kinds


flat = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2), st.sampled_from("ab")), max_size=5)


def placed(parts):
    """Returns entities next to each other, from a list of (length, gap before, type)."""
    made, at = [], 0
    for length, gap, kind in parts:
        made.append(Entity("", kind, at + gap, at + gap + length))
        at += gap + length
    return tuple(made)


@given(st.lists(st.tuples(flat, flat), min_size=1, max_size=4))
def test_flat_scores_agree_with_nervaluate(texts):
    from nervaluate import Evaluator

    gold, predicted = ([placed(parts) for parts in side] for side in zip(*texts, strict=True))
    ours = scores.entities(gold, predicted)
    both = [  # nervaluate expects the position of the last character
        [[{"label": e.type, "start": e.start, "end": e.end - 1} for e in text] for text in side]
        for side in (gold, predicted)
    ]
    theirs = Evaluator(*both, tags=["a", "b"], loader="dict").evaluate()["overall"]["strict"]
    for name in ("precision", "recall", "f1"):
        assert (ours[name] or 0.0) == pytest.approx(getattr(theirs, name))


def test_nested_and_flat_entities_are_scored_apart():
    gold = [(entity(0, 6, "机构"), entity(0, 2, "地点"), entity(7, 9, "地点"))]
    found = scores.entities(gold, [(entity(0, 6, "机构"), entity(7, 9, "地点"))])
    assert found["per_overlap"]["nested"]["recall"] == 0.5
    assert found["per_overlap"]["flat"]["recall"] == 1.0
    assert found["per_overlap"]["flat"]["precision"] == 1.0  # of two predictions that overlap nothing
    assert found["per_length"].keys() == {"1-2 characters", "5-8 characters"}
    assert found["errors"] == {"boundary": 0, "type": 0, "missed": 1, "spurious": 0}
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert "per_overlap" not in scores.entities([(entity(0, 2, "地点"),)], [()])


def test_nested_entities_are_learned(recognizer):
    assert recognizer.flat_ is False
    assert recognizer.report_["resolved"]["flat"]["reason"] == "entities of the training texts overlap"
    found = recognizer.evaluate(ROWS)
    assert found["f1"] == 1.0
    answers = [recognizer.to_dict(each)["entities"] for each in recognizer.predict([row["text"] for row in ROWS])]
    for row, answer in zip(ROWS, answers, strict=True):
        assert [{name: each[name] for name in ("start", "end", "type")} for each in answer] == row["entities"]
        assert all(each["entity"] == row["text"][each["start"] : each["end"]] for each in answer)


def test_flat_keeps_the_most_probable_of_overlapping_entities(checkpoint, recognizer):
    assert kb.EntityRecognizer(checkpoint, epochs=1, max_length=32).fit(ROWS[1:]).flat_ is True
    settings = recognizer.settings.as_dict() | {"flat": True}
    task = kb.EntityRecognizer(checkpoint, **settings).fit(ROWS)
    (answer,) = task.predict([TEXT])
    assert not overlapping(answer.entities) and len(answer.entities) == 2


def test_targets_are_the_tokens_of_the_entities(recognizer):
    example = recognizer.examples(ROWS).rows[0]
    (window,) = recognizer.encode(example)
    found = [(recognizer.types_[kind], span_of(window, *tokens)) for kind, tokens in recognizer.target(example, window)]
    assert sorted(found) == sorted((each.type, each.span) for each in example.entities)


def test_entities_of_all_windows_of_a_long_text_are_found(recognizer):
    text = "今天下雨" * 12 + TEXT
    gold = (Entity("雨今", "人物", 3, 5), *(Entity(e.entity, e.type, e.start + 48, e.end + 48) for e in (
        entity(0, 6, "机构"), entity(0, 2, "地点"), entity(7, 9, "地点"),
    )))  # fmt: skip
    (example,) = recognizer.examples([{"text": text, "entities": [each.as_dict() for each in gold]}]).rows
    windows, outputs = recognizer.encode(example), []
    for window in windows:
        _, y = recognizer.sample_target({"Input-Token": window.ids}, recognizer.target(example, window), None)
        outputs.append({"spans": np.where(y["spans"] == 1, 9.0, -9.0)})
    assert len(windows) > 2
    assert recognizer.decide(example, recognizer.decode(example, windows, outputs)).entities == gold


def test_all_entities_of_a_long_list_of_names_are_found(checkpoint, recognizer):
    task = kb.EntityRecognizer(checkpoint, **recognizer.settings.as_dict() | {"max_length": 64, "epochs": 1}).fit(ROWS)
    text = "海，" * 60
    gold = tuple(Entity("海", "地点", start, start + 1) for start in range(0, 120, 2))
    (example,) = task.examples([{"text": text, "entities": [each.as_dict() for each in gold]}]).rows
    whole = task.whole(example)  # as with a checkpoint that has more positions
    _, y = task.sample_target({"Input-Token": whole.ids}, task.target(example, whole), None)
    found = task.decode(example, [whole], [{"spans": np.where(y["spans"] == 1, 9.0, -9.0)}])
    assert task.decide(example, found).entities == gold


def test_an_entity_can_be_explained(recognizer):
    for answer in (None, "上海 | 地点", '[0, 2, "地点"]', (0, 2, "地点"), entity(0, 2, "地点")):
        found = kb.explain(recognizer, TEXT, answer=answer)
        assert found.predicted
        assert answer is None or found.answer.key == (0, 2, "地点")


def test_a_string_names_its_most_probable_occurrence(recognizer):
    text = f"上海{TEXT}"
    (prediction,) = recognizer.predict([text])
    candidates = [Entity("上海", "地点", 2, 4, 0.7), Entity("上海", "地点", 0, 2, 0.2)]
    (example,) = recognizer.examples([text], gold=False).rows
    windows = recognizer.encode(example)
    for answer in ("上海 | 地点", ("上海", "地点"), '["上海", "地点"]'):
        (target,) = recognizer.explain_targets(example, windows, candidates, prediction, answer)
        assert target.answer.key == (2, 4, "地点") and target.probability == 0.7
        (target,) = recognizer.explain_targets(example, windows, [], prediction, answer)
        assert target.answer.key == (0, 2, "地点") and target.probability is None


def test_a_string_that_begins_with_a_bracket_can_be_explained(recognizer):
    found = kb.explain(recognizer, "[上海]在北京|青岛", answer="[上海] | 机构", steps=1)
    assert found.answer.key == (0, 4, "机构")
    assert kb.explain(recognizer, "[上海]在北京|青岛", answer="北京|青岛 | 地点", steps=1).answer.key == (5, 10, "地点")


@pytest.mark.parametrize(
    "answer, words",
    [
        ("北京 | 地点", "'北京' is not in the text"),
        ("上海 | 公司", "is not a type of entities of this model; its types: 人物, 地点, 机构"),
        ("[0, 2", "the answer should be an entity"),
        ("[" * 100_000, "the answer should be an entity"),
        ("上海", "or [start, end, type] in JSON, not '上海'"),
        ([0, 2, 3], "the answer should be an entity"),
        ("[0, 2, null]", "the answer should be an entity"),
        ([0, 99, "地点"], "0 to 99 is not a part of the text"),
        ([0, 2], "the answer should be an entity"),
    ],
)
def test_an_impossible_answer_has_a_clear_message(recognizer, answer, words):
    with pytest.raises(kb.InputError) as raised:
        kb.explain(recognizer, TEXT, answer=answer)
    assert words in str(raised.value)


def test_errors_are_listed_by_kind(recognizer):
    rows = [{"text": TEXT, "entities": [[0, 6, "机构"], [0, 2, "地点"], [7, 8, "地点"], [9, 11, "人物"]]}]
    (error,) = recognizer.evaluate(rows).errors
    assert [each["entity"] for each in error["boundary"]] == ["青岛"]
    assert [each["entity"] for each in error["missed"]] == ["演出"]
    assert error["type"] == error["spurious"] == []


def test_training_needs_an_entity(checkpoint):
    with pytest.raises(kb.InputError, match="the training texts have no entities: at least one is needed"):
        kb.EntityRecognizer(checkpoint).fit([{"text": "a", "entities": []}] * 3)


# Commands ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(recognizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    recognizer.save(folder)
    return str(folder)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv"])
def test_predictions_can_be_read_as_gold_answers(folder, tmp_path, capsys, kind):
    rows = [{"id": n, "text": row["text"]} for n, row in enumerate([*ROWS, {"text": " "}])]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    output = tmp_path / f"out.{kind}"
    assert cli.predict([folder, str(tmp_path / "in.jsonl"), "--output", str(output)]) == 0
    assert "1 of 4 rows have no answer (empty text 1)" in capsys.readouterr().err
    table = kb.read(output)
    assert {*table.columns} == {"id", "text", "entities"} and [*table["id"].astype(int)] == [0, 1, 2, 3]
    assert cli.evaluate([folder, str(output), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scores"]["f1"] == 1.0 and sum(found["scores"]["errors"].values()) == 0
    assert found["examples"]["used"] == 3


def test_lines_of_standard_input_are_answered(folder, capsys, monkeypatch):
    text = f"{TEXT}\n今天下雨\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert cli.predict([folder]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert [each["entity"] for each in first["entities"]] == ["上海交响乐团", "上海", "青岛"]
    assert second == {"text": "今天下雨", "entities": []}


def test_kinds_of_errors_are_printed_and_written(folder, tmp_path, capsys):
    rows = [{"text": TEXT, "entities": [[0, 6, "机构"], [0, 2, "人物"], [7, 8, "地点"], [9, 11, "人物"]]}]
    (tmp_path / "test.jsonl").write_text(json.dumps(rows[0]), encoding="utf-8")
    assert cli.evaluate([folder, str(tmp_path / "test.jsonl"), "--errors", str(tmp_path / "errors.jsonl")]) == 0
    out = capsys.readouterr().out
    for words in ("errors: boundary 1, type 1, missed 1, spurious 0", "macro_f1", "nested", "5-8 characters"):
        assert words in out
    (error,) = map(json.loads, (tmp_path / "errors.jsonl").read_text(encoding="utf-8").splitlines())
    found = {kind: [each["entity"] for each in error[kind]] for kind in scores.ERRORS}
    assert found == {"boundary": ["青岛"], "type": ["上海"], "missed": ["演出"], "spurious": []}


def test_command_explains_an_entity(folder, tmp_path, capsys):
    for answer in ("上海 | 地点", '[0, 2, "地点"]'):
        assert cli.explain([folder, TEXT, "--answer", answer, "--steps", "2", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["predicted"] and {**found["answer"], "probability": 0} == {
            "entity": "上海", "type": "地点", "start": 0, "end": 2, "probability": 0,
        }  # fmt: skip
    assert cli.explain([folder, TEXT, "--answer", "北京 | 地点"]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("kbert-explain: the answer should be an entity") and error.endswith("is not in the text")
    page = tmp_path / "page.html"
    assert cli.explain([folder, f"<b>{TEXT}", "--answer", "<b>上海 | 机构", "--steps", "2", "--output", str(page)]) == 0
    assert "<b>上" not in page.read_text(encoding="utf-8")
