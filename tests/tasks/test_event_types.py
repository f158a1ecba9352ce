"""Subject extraction that finds the event types too: reading, scores, predictions, and what uses them."""

import io
import json
import logging

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.reporting import spans
from kbert_tasks.tasks.subject import scores
from kbert_tasks.tasks.subject.subjects import Subject, without_overlaps
from kbert_tasks.tasks.subject.task import SubjectExtractor
from kbert_tasks.text.spans import Span

from .test_subject import ROWS, extractor, gold_outputs

TEXT, FOOD, NOTHING = "酒店很干净，房间吵", "早餐好，服务好", "环境一般"
PAIRS = {TEXT: [("好", "酒店"), ("坏", "房间")], FOOD: [("好", "早餐"), ("好", "服务")], NOTHING: []}


def pairs(subjects):
    return [(each.event_type, each.subject) for each in subjects]


@pytest.fixture(scope="module")
def fitted(checkpoint):
    """An extractor that has learned its training texts."""
    settings = {"epochs": 150, "learning_rate": 3e-3, "dropout": 0.0, "max_length": 24, "window_overlap": 6}
    return SubjectExtractor(checkpoint, find_types=True, **settings).fit(ROWS, dev=ROWS)


# Reading ----------------------------------------------------------------------------------------------------------


def test_rows_of_a_text_are_one_example():
    examples = extractor(find_types=True).examples(ROWS)
    assert {example.text: pairs(example.subjects) for example in examples.rows} == PAIRS
    assert [example.event_type for example in examples.rows] == [None] * 3
    assert (examples.read, examples.joined) == (6, 3)
    examples = extractor(find_types=True, without_subject="skip").examples(ROWS)
    assert len(examples.rows) == 2 and examples.skipped == {"no subject": 1}


def test_texts_without_any_event_need_no_type():
    rows = [*ROWS, {"text": "酒店好", "event_type": " ", "subject": ""}]
    assert extractor(find_types=True).examples(rows).rows[-1].subjects == ()


def test_text_with_a_subject_without_type_is_skipped():
    rows = [*ROWS, {"text": "酒店好", "event_type": "好", "subject": "酒店"}]
    rows += [{"text": "酒店好", "event_type": "", "subject": "好"}]
    examples = extractor(find_types=True).examples(rows)
    assert examples.skipped == {"a subject has no event type": 2} and len(examples.rows) == 3


def test_spans_and_lists_belong_to_the_type_of_their_row():
    rows = [
        {"text": FOOD, "event_type": "好", "subject": "服务", "subject_span": [4, 6]},
        {"text": FOOD, "event_type": "坏 ", "subject": ["早餐", {"subject": "服务", "span": [4, 6]}]},
    ]
    (example,) = extractor(find_types=True).examples(rows).rows
    assert example.subjects == (
        Subject("服务", Span(4, 6), event_type="好"),
        Subject("早餐", None, event_type="坏"),
        Subject("服务", Span(4, 6), event_type="坏"),
    )


@pytest.mark.parametrize("columns", [{"event_type": " "}, {}, {"type": "好"}])
def test_training_data_without_event_types_are_refused(checkpoint, columns):
    rows = [{"text": f"早餐好{n}", "subject": "早餐"} | columns for n in range(4)]
    with pytest.raises(
        kb.InputError, match="find_types needs the event types .* the table has none in a column 'event_ty"
    ):
        SubjectExtractor(checkpoint, find_types=True).fit(rows)


def test_texts_and_types_may_be_lists():
    rows = [(row["text"], row["event_type"]) for row in ROWS]
    examples = extractor(find_types=True).examples(rows, [row["subject"] for row in ROWS])
    assert {example.text: pairs(example.subjects) for example in examples.rows} == PAIRS


# From text to tokens and back -------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", ["pieces", "characters"])
@pytest.mark.parametrize("max_length", [8, 60])
def test_gold_is_restored_by_encoding_and_decoding(tokens, max_length):
    task = extractor(find_types=True, tokenization=tokens, max_length=max_length, window_overlap=4)
    examples = task.examples(ROWS).rows
    task.prepare(examples)
    assert task.types_ == ["坏", "好"] and not task.paired
    for example in examples:
        windows = task.encode(example)
        possible = task.decode(example, windows, [gold_outputs(task, example, window) for window in windows])
        assert sorted(pairs(task.decide(example, possible).subjects)) == sorted(PAIRS[example.text])
        assert all(example.text[slice(*s.span)] == s.subject and s.probability == 1 for s in possible)


def test_no_subject_is_one_answer_for_all_types():
    task = extractor(extractor(find_types=True).examples(ROWS).rows, find_types=True)
    (window,) = task.encode(task.examples([ROWS[-1]]).rows[0])
    _, y = task.sample_target({"Input-Segment": window.segments}, [], None)
    assert y["spans"].shape == (2, len(window.ids), len(window.ids))
    assert y["spans"][:, 0, 0].tolist() == [1, -1] and (y["spans"] == 1).sum() == 1


def test_subjects_of_different_types_may_overlap():
    found = [
        Subject("雪山", Span(0, 2), 0.9, "a"),
        Subject("雪", Span(0, 1), 0.8, "b"),
        Subject("山", Span(1, 2), 0.7, "a"),
    ]
    assert without_overlaps(found) == found[:2]


def test_every_text_gets_an_event_if_every_training_text_has_one():
    task = extractor(find_types=True)
    task.prepare(task.examples(ROWS[:4]).rows)
    assert task.always_ == [None]
    (example,) = task.examples([NOTHING], gold=False).rows
    weak = [Subject("环境", Span(0, 2), 0.3, "坏"), Subject("环境", Span(0, 2), 0.2, "好")]
    assert task.decide(example, weak).subjects == (weak[0],)


def test_gold_with_an_unknown_type_is_counted():
    task = extractor(extractor(find_types=True).examples(ROWS).rows, find_types=True)
    (example,) = task.examples([{"text": FOOD, "event_type": "新", "subject": "早餐"}]).rows
    assert [*task.notes_on(example, task.encode(example))] == [
        "subjects that cannot be found: it has an event type that is not in the training data"
    ]


# Scores -----------------------------------------------------------------------------------------------------------


def test_pairs_types_and_subjects_are_scored_apart():
    gold = [[("a", "甲"), ("b", "乙")], [("a", "丙")], []]
    found = scores.events(gold, [[("b", "甲"), ("a", "甲")], [], [("c", "丁")]])
    assert (found["precision"], found["recall"], found["f1"]) == (1 / 3, 1 / 3, 1 / 3)
    assert (found["type_precision"], found["type_recall"], found["type_f1"]) == (2 / 3, 2 / 3, 2 / 3)
    assert (found["subject_precision"], found["subject_recall"], found["subject_f1"]) == (0.5, 1 / 3, 0.4)
    assert found["accuracy"] == 0
    assert {kind: each["f1"] for kind, each in found["per_class"].items()} == {"a": 2 / 3, "b": 0, "c": 0}
    assert {name: each["texts"] for name, each in found["per_overlap"].items()} == {
        "no event": 1,
        "one event": 1,
        "several events": 1,
    }
    assert scores.events([[]], [[]])["f1"] == 0 and scores.events([[]], [[]])["accuracy"] == 1


def test_answer_without_a_key_is_shown_without_it():
    keys = SubjectExtractor.presentation.keys
    answer = {"gold": [{"subject": "甲"}], "predicted": [{"subject": "甲", "event_type": "a", "probability": 0.5}]}
    assert spans.verdicts(answer, keys) == [("missed", ("甲",), None), ("wrong", ("a", "甲"), 0.5)]


# A trained model --------------------------------------------------------------------------------------------------


def test_pairs_are_learned_saved_and_loaded(fitted, tmp_path):
    fitted.save(tmp_path / "run")
    for task in (fitted, kb.load(tmp_path / "run")):
        assert task.evaluate(ROWS)["f1"] == 1.0
        for text, prediction in zip(PAIRS, task.predict(list(PAIRS)), strict=True):
            assert sorted(pairs(prediction.subjects)) == sorted(PAIRS[text])
    row = fitted.to_dict(fitted.predict([TEXT])[0])
    assert tuple(row) == fitted.ANSWER == ("subject", "event_type", "probability", "subjects")
    assert row["subjects"][0].keys() == {"subject", "event_type", "span", "probability"}
    assert [row[name] for name in ("subject", "event_type")] in [["酒店", "好"], ["房间", "坏"]]
    assert fitted.to_dict(fitted.predict([NOTHING])[0]) == {
        "subject": "",
        "event_type": "",
        "probability": None,
        "subjects": [],
    }


def test_type_column_is_read_as_gold_and_otherwise_ignored_with_a_warning(fitted, caplog):
    caplog.set_level(logging.WARNING, "kbert_tasks")
    answers = fitted.predict(ROWS)
    assert answers[0] == answers[1] == fitted.predict([TEXT])[0]
    assert caplog.messages == ["the table: column 'event_type' is not read, as this model reads single texts"]
    caplog.clear()
    assert fitted.evaluate(ROWS)["type_f1"] == 1.0 and not caplog.messages
    with pytest.raises(kb.InputError, match="no column 'event_type'; .*choose one with --type-column"):
        fitted.evaluate([{"text": TEXT, "subject": "酒店"}])
    with pytest.raises(kb.InputError, match="a list of pairs needs a model that was trained on pairs"):
        fitted.predict([(TEXT, "好")])


def test_answers_are_accepted_as_gold(fitted):
    rows = [{"text": text} | fitted.to_dict(p) for text, p in zip(PAIRS, fitted.predict(list(PAIRS)), strict=True)]
    task = extractor(find_types=True, label_column="subjects")
    read = {example.text: sorted(pairs(example.subjects)) for example in task.examples(rows).rows}
    assert read == {text: sorted(each) for text, each in PAIRS.items()}


def test_errors_and_answers_have_the_types(fitted):
    rows = [{"text": TEXT, "event_type": kind, "subject": name} for kind, name in (("好", "房间"), ("坏", "房间"))]
    report = fitted.evaluate(rows)
    (error,) = report.errors
    assert (error["rows"], error["missing"], error["spurious"]) == ([1, 2], [("好", "房间")], [("好", "酒店")])
    assert report.answers[0]["gold"][0] == {"subject": "房间", "event_type": "好"} and report.answers[0]["loss"] > 1


@pytest.mark.parametrize(
    "answer", [None, "好 | 酒店", ("好", "酒店"), '["好", "酒店"]', Subject("酒店", event_type="好")]
)
def test_pair_is_explained(fitted, answer):
    found = kb.explain(fitted, TEXT, answer=answer, steps=2)
    assert found.predicted and found.shown in ("好 | 酒店", "坏 | 房间")
    assert answer is None or found.shown == "好 | 酒店"
    example = fitted.examples([TEXT], gold=False).rows[0]
    (window,) = fitted.encode(example)
    kind = fitted.types_.index(found.shown[0])
    p = fitted.span_probabilities(window, *fitted.run_model([window]))[(kind, *found.places["subject"])]
    assert found.score == pytest.approx(np.log(p / (1 - p)), abs=1e-2)


def test_missing_event_is_explained_and_wrong_answers_are_errors(fitted):
    none = kb.explain(fitted, NOTHING, steps=2)
    assert none.predicted and none.answer is None and none.shown == "no subject"
    for answer, words in (
        ("酒店", "should be 'event type | subject'"),
        (["好"], "should be 'event type | subject'"),
        (("新", "酒店"), "'新' is not an event type of this model; its event types: 坏, 好"),
        ("好 | 月亮", "'好 | 月亮' cannot be answered for this text: it is not in the text"),
    ):
        with pytest.raises(kb.InputError) as raised:
            kb.explain(fitted, TEXT, answer=answer)
        assert words in str(raised.value)
    with pytest.raises(kb.InputError, match="this model reads single texts, not pairs"):
        kb.explain(fitted, TEXT, "好")


def test_report_and_comparison_show_pairs(fitted, tmp_path):
    wrong = [row | {"subject": "很"} if row["subject"] == "酒店" else row for row in ROWS]
    for name in ("one", "two"):
        fitted.save(tmp_path / name)
        task = kb.load(tmp_path / name)
        task.add_test(task.evaluate(wrong), 0.1)
        task.save(tmp_path / name)
    kb.report(task, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '好 <span class="arrow">→</span> 酒店' in page and "type F1" in page
    (difference,) = kb.compare([tmp_path / "one", tmp_path / "two"]).differences
    assert difference.scores["f1"].baseline == pytest.approx(task.report_["scores"]["test"]["f1"])
    given = SubjectExtractor(fitted.checkpoint, epochs=1, max_length=24, validation_split=0.0).fit(ROWS)
    given.add_test(given.evaluate(ROWS), 0.1)
    given.save(tmp_path / "given")
    (difference,) = kb.compare([tmp_path / "one", tmp_path / "given"]).differences
    assert "different test texts" in difference.why_not


def test_commands_read_texts_and_write_pairs(fitted, tmp_path, monkeypatch, capsys, caplog):
    fitted.save(tmp_path / "run")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{TEXT}\n".encode()), encoding="utf-8"))
    assert cli.predict([str(tmp_path / "run"), "-", "--format", "jsonl"]) == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert {(each["event_type"], each["subject"]) for each in row["subjects"]} == set(PAIRS[TEXT])
    file = tmp_path / "new.csv"
    file.write_text(f"text,event_type\n{TEXT},坏\n{FOOD},坏\n", encoding="utf-8")
    monkeypatch.setattr("kbert_tasks.cli.use.SLICE", 1)
    assert cli.predict([str(tmp_path / "run"), str(file), "--output", str(tmp_path / "out.csv")]) == 0
    out = kb.read(tmp_path / "out.csv")
    assert list(out.columns) == ["text", "input_event_type", "subject", "event_type", "probability", "subjects"]
    assert caplog.text.count("column 'event_type' is not read") == 1


def test_option_of_the_command(checkpoint, tmp_path, capsys):
    train = tmp_path / "train.csv"
    train.write_text("text,subject\n早餐好,早餐\n酒店好,酒店\n", encoding="utf-8")
    options = ["--checkpoint", checkpoint, "--train", str(train), "--output", str(tmp_path / "run"), "--find-types"]
    assert cli.train(["--task", "subject", *options]) == 2
    assert f"but {train} has none in a column 'event_type'" in capsys.readouterr().err
