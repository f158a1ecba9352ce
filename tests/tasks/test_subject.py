"""Subject extraction: conversion of rows with several subjects, one or none to spans and back."""

import io
import json

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.data.tables import table
from kbert_tasks.tasks.subject.subjects import Subject, without_overlaps
from kbert_tasks.tasks.subject.task import SubjectExtractor
from kbert_tasks.text.spans import Span
from kbert_tasks.text.tokenizer import read_vocabulary

from .. import tiny

ROWS = [
    {"text": "酒店很干净，房间吵", "event_type": "好", "subject": "酒店"},
    {"text": "酒店很干净，房间吵", "event_type": "坏", "subject": "房间"},
    {"text": "早餐好，服务好", "event_type": "好", "subject": "早餐"},
    {"text": "早餐好，服务好", "event_type": "好", "subject": "服务"},
    {"text": "早餐好，服务好", "event_type": "坏", "subject": ""},
    {"text": "环境一般", "event_type": "其他", "subject": "NaN"},
]


def extractor(examples=(), **settings):
    """A SubjectExtractor with a tokenizer, prepared with some examples, without a model."""
    task = SubjectExtractor(**settings)
    task.tokenizer = task.new_tokenizer(tiny.vocabulary(), False)
    if examples:
        task.prepare(examples)
    return task


def gold_outputs(task, example, window):
    """The outputs of a model that predicts the gold of a window."""
    _, y = task.sample_target(
        {"Input-Token": window.ids, "Input-Segment": window.segments}, task.target(example, window), None
    )
    spans = y["spans"]
    known = np.argwhere(spans[0, window.segments == 0] >= 0).tolist()
    assert known == [[0, 0]] or not task.paired or (spans == -1).all()
    return {"spans": np.where(spans == 1, 1000.0, -1000.0)}


def test_rows_of_the_same_text_and_type_are_one_example():
    examples = extractor().examples(ROWS)
    assert [(e.text, e.event_type, [s.subject for s in e.subjects]) for e in examples.rows] == [
        ("酒店很干净，房间吵", "好", ["酒店"]),
        ("酒店很干净，房间吵", "坏", ["房间"]),
        ("早餐好，服务好", "好", ["早餐", "服务"]),
        ("早餐好，服务好", "坏", []),
        ("环境一般", "其他", []),
    ]
    assert (examples.read, examples.joined) == (6, 1)
    with_subject = extractor(without_subject="skip").examples(ROWS)
    assert len(with_subject.rows) == 3 and with_subject.skipped == {"no subject": 2}


def test_published_file_is_read_without_a_header(tmp_path):
    lines = [f'"{i}","{r["text"]}","{r["event_type"]}","{r["subject"]}"' for i, r in enumerate(ROWS)]
    (tmp_path / "train.csv").write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")
    table = kb.read(tmp_path / "train.csv", header=False)
    assert extractor().examples(table).rows == extractor().examples(ROWS).rows
    without_gold = extractor().examples(table.iloc[:, :3], gold=False)
    assert [(e.text, e.event_type) for e in without_gold.rows] == [(r["text"], r["event_type"]) for r in ROWS]


@pytest.mark.parametrize(
    "cells, subjects",
    [
        ({"subject": ["早餐", "服务"]}, [("早餐", None), ("服务", None)]),
        ({"subject": "服务", "subject_span": [4, 6]}, [("服务", (4, 6))]),
        ({"subject": None}, []),
        ({"subject": []}, []),
    ],
)
def test_gold_may_be_a_list_and_have_spans(cells, subjects):
    (example,) = extractor().examples([{"text": "早餐好，服务好", "event_type": "好"} | cells]).rows
    assert [(s.subject, s.span) for s in example.subjects] == subjects


def test_span_that_does_not_contain_the_subject_is_rejected():
    with pytest.raises(kb.InputError, match="row 1: characters 0 to 2 of the text are '早餐', not '服务'"):
        extractor().examples([{"text": "早餐好，服务好", "subject": "服务", "subject_span": [0, 2]}])


@pytest.mark.parametrize("tokens", ["pieces", "characters"])
@pytest.mark.parametrize("max_length", [14, 60])
@pytest.mark.parametrize("typed", [True, False])
def test_gold_is_restored_by_encoding_and_decoding(tokens, max_length, typed):
    rows = [row if typed else {"text": row["text"], "subject": row["subject"]} for row in ROWS]
    task = extractor(tokenization=tokens, max_length=max_length, window_overlap=4)
    examples = task.examples(rows).rows
    task.prepare(examples)
    assert task.typed_ == typed
    for example in examples:
        windows = task.encode(example)
        possible = task.decode(example, windows, [gold_outputs(task, example, window) for window in windows])
        assert {s.subject for s in task.decide(example, possible).subjects} == {s.subject for s in example.subjects}
        assert all(example.text[slice(*s.span)] == s.subject and s.probability == 1 for s in possible)
        assert [*task.notes_on(example, windows)] == ["longer than max_length: read in windows"] * (len(windows) > 1)


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize("tokens, lost", [("characters", 4), ("pieces", 7)])
def test_every_published_subject_is_restored(shared, tokens, lost):
    data = shared / "data/zh_ccks2019_event_subject"
    task = extractor(tokenization=tokens, max_length=162)
    vocabulary = read_vocabulary(shared / "checkpoints/mini_zh_L-4_H-256_A-4/vocab.txt")
    task.tokenizer = task.new_tokenizer(vocabulary, False)
    examples = task.examples(kb.read(data / "original_event_type_entity_extract_train.csv", header=False))
    task.prepare(examples.rows)
    gold = found = reasons = 0
    for example in examples.rows:
        windows = task.encode(example)
        possible = task.decode(example, windows, [gold_outputs(task, example, window) for window in windows])
        notes = [r for r in task.notes_on(example, windows) if "cannot be found" in r]
        decoded, wanted = {s.subject for s in possible}, {s.subject for s in example.subjects}
        assert decoded <= wanted and len(wanted - decoded) == len(notes), example
        gold, found, reasons = gold + len(wanted), found + len(decoded), reasons + len(notes)
    assert (gold - found, reasons) == (lost, lost)


def test_overlapping_and_repeated_subjects_are_reduced_to_the_most_probable():
    spans = [(2, 6), (0, 4), (8, 12), (14, 18), (6, 8)]
    found = [Subject(str(i % 3), Span(*span), 0.9 - i / 10) for i, span in enumerate(spans)]
    assert [each.span for each in without_overlaps(found)] == [(2, 6), (8, 12), (6, 8)]


def test_type_that_always_had_a_subject_gets_an_answer():
    task = extractor(extractor().examples(ROWS).rows)
    task.threshold_ = 0.5
    assert task.always_ == ["好"]
    weak = (Subject("早餐", Span(0, 2), 0.3), Subject("服务", Span(4, 6), 0.2))
    good, bad = task.examples(ROWS).rows[2:4]
    assert [s.subject for s in task.decide(good, weak).subjects] == ["早餐"]
    assert task.decide(bad, weak).subjects == ()


@pytest.fixture(scope="module")
def fitted(checkpoint):
    """An extractor that has learned its training texts."""
    settings = {"epochs": 200, "learning_rate": 3e-3, "dropout": 0.0, "max_length": 24, "window_overlap": 6}
    return SubjectExtractor(checkpoint, **settings).fit(ROWS, dev=ROWS)


def test_answer_depends_on_the_type(fitted):
    report = fitted.evaluate(ROWS)
    assert report["f1"] == report["accuracy"] == report["f1_tolerant"] == 1.0
    text = "酒店很干净，房间吵"
    good, bad = fitted.predict([(text, "好"), (text, "坏")])
    assert [s.subject for s in good.subjects] == ["酒店"] and [s.span for s in bad.subjects] == [(6, 8)]
    assert fitted.to_dict(bad)["subject"] == "房间"
    assert fitted.to_dict(fitted.predict([("环境一般", "其他")])[0]) == {
        "subject": "",
        "probability": None,
        "subjects": [],
    }


def test_error_has_its_rows_and_the_probability_of_each_answer(fitted):
    text = "早餐好，服务好"
    rows = [{"text": text, "event_type": "坏", "subject": ""}]
    rows += [{"text": text, "event_type": "好", "subject": name} for name in ("月亮", "早餐")]
    (error,) = fitted.evaluate(rows).errors
    subjects = fitted.predict([(text, "好")])[0].subjects
    scores = {name.subject: name.probability for name in subjects}
    assert (error["row"], error["rows"], error["gold"]) == (2, [2, 3], sorted(["月亮", "早餐"]))
    assert error["predicted"] == sorted(scores)
    assert error["probability"] == pytest.approx([scores[name] for name in sorted(scores)], abs=1e-5)
    assert fitted.evaluate(rows).answers[1]["rows"] == [2, 3]


def test_text_without_type_is_rejected(fitted):
    with pytest.raises(kb.InputError, match="no column 'event_type'"):
        fitted.predict(["酒店很干净"])


def test_gold_that_cannot_be_found_is_counted_and_lowers_the_recall(fitted):
    rows = [{"text": "酒店好", "event_type": "好", "subject": each} for each in ("月亮", "酒店")]
    report = fitted.evaluate(rows)
    assert report.examples["notes"] == {
        "subjects that cannot be found: it is not in the text": 1,
    }
    assert report["recall"] <= 0.5
    assert report.scores["per_overlap"]["several subjects"]["texts"] == 1


def test_same_text_with_another_type_is_another_example(checkpoint):
    rows = [row for row in ROWS if row["subject"]]
    dev_rows = [{"text": "早餐好，服务好", "event_type": kind, "subject": "早餐"} for kind in ("好", "坏", "其他")]
    task = SubjectExtractor(checkpoint, epochs=1, max_length=24, validation_split=0.0).fit(rows, dev=dev_rows)
    duplicate, trained_on = "duplicate text", "the same text is in the training data"
    assert duplicate not in task.report_["examples"]["train"]["notes"]
    assert task.report_["examples"]["dev"]["notes"][trained_on] == 1
    assert task.evaluate(dev_rows).examples["notes"][trained_on] == 1
    assert trained_on not in task.evaluate(dev_rows[1:]).examples["notes"]


def test_training_row_without_type_is_counted_as_skipped():
    rows = [*ROWS, {"text": "环境好", "event_type": " ", "subject": "环境"}]
    examples = extractor().examples(rows)
    assert examples.skipped == {"no event type": 1} and len(examples.rows) == 5


def test_numbered_columns_are_used_only_for_a_table_like_the_published_one():
    published = table([{"1": "酒店好", "2": "好", "3": "酒店"}])
    with pytest.raises(kb.InputError, match="no column 'text'; its columns: 1, 2, 3"):
        extractor().examples(published)
    columns = {"text_column": "1", "type_column": "2", "label_column": "3"}
    (example,) = extractor(**columns).examples(published).rows
    assert (example.text, example.event_type, example.subjects[0].subject) == ("酒店好", "好", "酒店")
    published = published.assign(id="7")[["id", "1", "2", "3"]].set_axis(list("1234"), axis=1)
    assert extractor(text_column="content").examples(published).rows == [example]


@pytest.mark.parametrize(
    "cell, subjects",
    [
        ('["早餐", "服务"]', [("早餐", None), ("服务", None)]),
        ('[{"subject": "服务", "span": [4, 6], "score": 0.9}]', [("服务", (4, 6))]),
        ([{"subject": "服务"}, " "], [("服务", None)]),
        ("[早餐]", [("[早餐]", None)]),
    ],
)
def test_answers_are_accepted_as_gold(cell, subjects):
    (example,) = extractor().examples([{"text": "早餐好，服务好", "event_type": "好", "subject": cell}]).rows
    assert [(s.subject, s.span) for s in example.subjects] == subjects


def test_span_in_a_csv_cell_is_read_and_may_be_empty():
    rows = [
        {"text": "早餐好，服务好", "subject": each, "subject_span": span}
        for each, span in (("服务", "[4, 6]"), ("早餐", ""))
    ]
    (example,) = extractor().examples(rows).rows
    assert example.subjects == (Subject("服务", Span(4, 6)), Subject("早餐"))


def test_types_that_differ_only_in_white_space_are_equal():
    rows = [
        {"text": "早餐好，服务好", "event_type": kind, "subject": s} for kind, s in (("好", "早餐"), ("好 ", "服务"))
    ]
    assert [len(e.subjects) for e in extractor().examples(rows).rows] == [2]


def test_subject_longer_than_all_in_training_is_reported():
    task = extractor(extractor().examples(ROWS).rows)
    (example,) = task.examples([{"text": "早餐好，服务好", "event_type": "好", "subject": "早餐好"}]).rows
    assert [*task.notes_on(example, task.encode(example))] == [
        "subjects that cannot be found: it is longer than all subjects in the training data"
    ]


def test_length_of_a_subject_is_counted_in_characters():
    task = SubjectExtractor(tokenization="characters")
    jamo = [chr(c) for c in (*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3))]
    task.tokenizer = task.new_tokenizer([*tiny.vocabulary(), *jamo], False)
    examples = task.examples([{"text": "서울 a", "event_type": "a", "subject": "서울"}]).rows
    task.prepare(examples)
    (window,) = task.encode(examples[0])
    possible = task.decode(examples[0], [window], [gold_outputs(task, examples[0], window)])
    assert len(window.ids) > 8 and possible[0].subject == "서울"


def test_text_and_type_are_read_from_standard_input(fitted, tmp_path, monkeypatch, capsys):
    fitted.save(tmp_path / "run")
    lines = "酒店很干净，房间吵\t好\n酒店很干净，房间吵\t坏\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines.encode("utf-8")), encoding="utf-8"))
    assert cli.predict([str(tmp_path / "run"), "-", "--format", "jsonl"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["event_type"], row["subject"]) for row in found] == [("好", "酒店"), ("坏", "房间")]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("酒店好\n".encode()), encoding="utf-8"))
    assert cli.predict([str(tmp_path / "run"), "-"]) == 2
    assert "pairs" in capsys.readouterr().err


def test_text_whose_subject_cannot_be_found_has_no_target():
    task = extractor(extractor().examples(ROWS).rows)
    rows = [{"text": "早餐好，服务好", "event_type": "好", "subject": each} for each in ("月亮", "服务", "")]
    for row, targets in zip(rows, (None, [(0, (7, 8))], []), strict=True):
        (example,) = task.examples([row]).rows
        (window,) = task.encode(example)
        assert task.target(example, window) == targets
        _, y = task.sample_target({"Input-Token": window.ids, "Input-Segment": window.segments}, targets, None)
        assert (y["spans"] == 1).sum() == (targets is not None) and (targets is None) == (y["spans"] == -1).all()


def test_loss_is_a_softmax_over_the_possible_answers():
    from kbert_tasks.tasks.heads import ChoiceLoss

    scores = np.random.default_rng(0).standard_normal((3, 1, 4, 4)).astype("float32")
    gold = np.full(scores.shape, -1, "int8")
    gold[:, 0, 0, 0] = gold[:, 0, 1, 1:] = 0
    gold[0, 0, 0, 0] = gold[1, 0, 1, 2] = gold[2, 0, 1, 1] = gold[2, 0, 1, 3] = 1
    p = np.exp(scores) * (gold >= 0)
    p /= p.sum((1, 2, 3), keepdims=True)
    wanted = [-np.log(p[0, 0, 0, 0]), -np.log(p[1, 0, 1, 2]), -np.log(p[2, 0, 1, [1, 3]]).mean()]
    assert ChoiceLoss(reduction="none")(gold, scores).numpy() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("typed", [True, False])
def test_each_span_of_the_text_has_its_own_probability(checkpoint, typed):
    rows = [row if typed else {"text": row["text"], "subject": row["subject"]} for row in ROWS]
    task = SubjectExtractor(checkpoint, epochs=1, max_length=24).fit(rows, dev=rows)
    windows = [task.encode(example)[0] for example in task.examples(rows).rows]
    for window, outputs in zip(windows, task.run_model(windows), strict=True):
        assert outputs["spans"].shape == (1, len(window.ids), len(window.ids))  # without the padding of the batch
        (spans,) = task.span_probabilities(window, outputs)
        assert 0 < spans[0, 0] < 1
        assert not np.tril(spans, -1).any()
        if typed:
            assert not spans[window.segments == 0, 1:].any() and not spans[1:, window.segments == 0].any()


def test_rows_without_any_findable_subject_are_rejected_before_training(checkpoint):
    rows = [{"text": f"早餐好{n}", "subject": subject} for n, subject in enumerate(["酒店", "房间", ""])]
    with pytest.raises(kb.InputError, match=r"\(subjects that cannot be found: it is not in the text 2\)"):
        SubjectExtractor(checkpoint, validation_split=0.0, max_length=32).fit(rows)


def test_error_for_a_missing_type_column_names_the_option():
    task = extractor(extractor().examples(ROWS).rows)
    with pytest.raises(kb.InputError, match="no column 'event_type'; .*choose one with --type-column"):
        task.examples(["酒店很干净"], ["酒店"])
    with pytest.raises(kb.InputError, match="--type-column"):
        task.examples(["酒店很干净"], gold=False)
    (example,) = task.examples([("酒店很干净", "好")], ["酒店"]).rows
    assert example.event_type == "好"
