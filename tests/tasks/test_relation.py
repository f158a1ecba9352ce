"""Relation extraction: conversion of gold triples to targets and back, and the answers of a trained model."""

import json

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.inference.keras_engine import KerasEngine
from kbert_tasks.tasks.relation import cascade
from kbert_tasks.tasks.relation.task import RelationExtractor
from kbert_tasks.text.tokenizer import read_vocabulary

from .. import tiny

ROWS = [
    {"text": "the room is clean and the food is bad", "spo_list": [["room", "is", "clean"], ["food", "is", "bad"]]},
    {"text": "good service and good food", "spo_list": [["service", "is", "good"], ["food", "is", "good"]]},
    {"text": "nothing to say of the hotel", "spo_list": []},
    {"text": "房间干净，早餐好", "spo_list": [["房间", "是", "干净"], ["早餐", "是", "好"]]},
]


def extractor(examples=(), **settings):
    """A RelationExtractor with a tokenizer and the predicates of some examples, and no model."""
    task = RelationExtractor(**settings)
    task.tokenizer = task.new_tokenizer(tiny.vocabulary(), False)
    if examples:
        task.prepare(examples)
    return task


def gold_outputs(task, example, window):
    """The outputs of a model that predicts the gold of a window."""
    target = task.target(example, window)
    sampled = max(1, len(target), len({o for found in target.values() for _, o in found}))
    size = len(window.ids), len(task.predicates_), sampled
    x, y = cascade.step(target, *size, np.random.default_rng(0))
    real = [int((y["pairs"] >= 0).any((axis, 2)).sum()) for axis in (1, 0)]
    subjects, objects = x["Subjects"][: real[0]], x["Objects"][: real[1]]
    assert {tuple(s) for s in subjects} == {tuple(s) for s in np.argwhere(y["spans"][0] == 1)}
    assert {tuple(s) for s in objects} == {tuple(s) for s in np.argwhere(y["spans"][1] == 1)}
    pairs = y["pairs"][: real[0], : real[1]].astype("float32")
    return {"spans": (y["spans"] == 1).astype("float32"), "subjects": subjects, "objects": objects, "pairs": pairs}


def encode_and_decode(task, example):
    """(triples decoded from the gold targets, triples that cannot be found, reasons), the triples as strings."""
    windows = task.encode(example)
    found = task.decode(example, windows, [gold_outputs(task, example, window) for window in windows])
    lost = {t.strings for t in example.triples if task._lost(example, t, windows)}
    reasons = [r for r in task.notes_on(example, windows) if "cannot be found" in r]
    return {t.strings for t in found}, lost, reasons


@pytest.mark.parametrize("tokens", ["pieces", "characters"])
@pytest.mark.parametrize("max_length", [12, 60])
def test_gold_is_restored_by_encoding_and_decoding(tokens, max_length):
    task = extractor(tokenization=tokens, max_length=max_length, window_overlap=5)
    examples = task.examples(ROWS).rows
    task.prepare(examples)
    for example in examples:
        found, lost, reasons = encode_and_decode(task, example)
        assert found == {t.strings for t in example.triples} - lost
        assert len(reasons) == len(lost)


@pytest.mark.real_data
@pytest.mark.parametrize(
    "data, tokens, published, lost",
    [
        ("zh_duie2_sample", "pieces", 20585, 19),
        pytest.param("zh_duie2_sample", "characters", 20585, 18, marks=pytest.mark.slow),
        pytest.param("en_webnlg", "pieces", 14142, 0, marks=pytest.mark.slow),
        ("en_webnlg", "characters", 14142, 268),  # from texts longer than a window
        pytest.param("en_semeval2010_task8", "pieces", 8853, 1, marks=pytest.mark.slow),
        ("en_semeval2010_task8", "characters", 8853, 1),
    ],
)
def test_every_published_triple_is_restored(shared, data, tokens, published, lost):
    task = extractor(tokenization=tokens, max_length=162)
    vocabulary = shared / "checkpoints/mini_zh_L-4_H-256_A-4/vocab.txt"
    task.tokenizer = task.new_tokenizer(read_vocabulary(vocabulary), False)
    read = found = reasons = 0
    for file in sorted((shared / "data" / data).glob("*.jsonl")):
        if "schemas" in file.name:
            continue
        examples = task.examples(file).rows
        task.prepare(examples)
        for example in examples:
            gold = {t.strings for t in example.triples}
            decoded, not_found, notes = encode_and_decode(task, example)
            assert decoded == gold - not_found, example
            read, found, reasons = read + len(gold), found + len(decoded), reasons + len(notes)
    assert (read, read - found, reasons) == (published, lost, lost)


CHAINS = [
    {"text": "room stay hotel", "spo_list": [["room", "in", "hotel"], ["hotel", "has", "room"], ["stay", "in", "hotel"]]},
    {"text": "hotel room stay", "spo_list": [["hotel", "has", "room"], ["room", "in", "hotel"], ["stay", "in", "room"]]},
    {"text": "stay hotel", "spo_list": [["stay", "in", "hotel"], ["hotel", "has", "stay"]]},
    {"text": "food service room", "spo_list": [["food", "of", "service"], ["service", "in", "room"], ["room", "has", "food"]]},
    {"text": "service food", "spo_list": [["service", "has", "food"], ["food", "of", "service"], ["food", "in", "service"]]},
]  # fmt: skip


@pytest.fixture(scope="module")
def fitted(checkpoint):
    """An extractor that has learned its training texts, in which objects are also subjects."""
    return RelationExtractor(checkpoint, epochs=60, learning_rate=5e-3, dropout=0.0, max_length=16).fit(
        CHAINS, dev=CHAINS
    )


def test_objects_that_are_also_subjects_are_learned(fitted):
    assert fitted.evaluate(CHAINS)["f1"] == 1.0


def test_triples_have_spans_and_probability(fitted):
    (first, *rest), text = fitted.predict(["stay hotel"])[0].triples, "stay hotel"
    for triple in (first, *rest):
        assert text[slice(*triple.subject_span)] == triple.subject and text[slice(*triple.object_span)] == triple.object
        assert fitted.threshold_ <= triple.probability <= first.probability


def test_a_triple_of_unlikely_spans_has_the_product_of_their_probabilities():
    spans = np.full((2, 4, 4), 0.01, "float32")
    spans[0, 1, 2], spans[1, 3, 3] = 0.8, 0.5
    outputs = {
        "spans": spans,
        "subjects": np.array([[1, 2]]),
        "objects": np.array([[3, 3]]),
        "pairs": np.full((1, 1, 2), 0.25),
    }
    assert cascade.score((1, 2), 1, (3, 3), **outputs) == pytest.approx(0.8 * 0.5 * 0.25)
    assert cascade.score((1, 2), 1, (1, 1), **outputs) == pytest.approx(0.8 * 0.01)


def test_encoder_runs_once_per_text_for_any_number_of_subjects(fitted, monkeypatch):
    batch_sizes = []
    read = KerasEngine.__call__
    count = lambda engine, x: batch_sizes.append(len(x["Input-Token"])) or read(engine, x)  # noqa: E731
    monkeypatch.setattr(KerasEngine, "__call__", count)
    texts = [row["text"] for row in CHAINS]
    assert sum(len(p.triples) for p in fitted.predict(texts)) == 14
    assert sum(batch_sizes) == len(texts)


def test_predictions_do_not_depend_on_the_batch_size(fitted, monkeypatch):
    texts = [
        " ".join(np.random.default_rng(i).permutation("room stay hotel food service in".split())) for i in range(40)
    ]
    in_one_batch = fitted.predict(texts)
    for size in (1, 7):
        monkeypatch.setattr("kbert_tasks.inference.predict.BATCH", size)
        for one, other in zip(in_one_batch, fitted.predict(texts), strict=True):
            assert one.triples == other.triples


def test_long_text_is_read_in_windows_without_repeated_triples(fitted):
    parts = ["stay hotel", "the good food", "hotel room stay", "was very nice and", "service food"] * 4
    found = fitted.predict([" . ".join(parts)])[0].triples
    strings = [t.strings for t in found]
    assert len(strings) == len(set(strings)) and ("stay", "in", "hotel") in strings
    report = fitted.evaluate([{"text": " . ".join(parts), "spo_list": [["stay", "in", "hotel"]]}])
    assert report.examples["notes"]["longer than max_length: read in windows"] == 1
    # Tokens in two windows are counted once.
    assert (
        report.answers[0]["tokens"] == len(fitted.tokenizer.encode(" . ".join(parts)).ids) > fitted.settings.max_length
    )


def test_threshold_can_be_set(fitted):
    strict = RelationExtractor(threshold=0.999)
    strict.__dict__ |= {name: value for name, value in fitted.__dict__.items() if name != "settings"}
    assert len(strict.predict(["stay hotel"])[0].triples) < len(fitted.predict(["stay hotel"])[0].triples)


def test_missing_and_spurious_triples_are_reported(fitted):
    gold = [["stay", "in", "hotel"], ["stay", "has", "hotel"]]
    (error,) = fitted.evaluate(
        [{"text": "", "spo_list": []}, {"text": "stay hotel", "spo_list": gold}, CHAINS[0]]
    ).errors
    scores = {t.strings: t.probability for t in fitted.predict(["stay hotel"])[0].triples}
    assert error == {
        "row": 2,
        "text": "stay hotel",
        "gold": sorted(map(tuple, gold)),
        "predicted": [("hotel", "has", "stay"), ("stay", "in", "hotel")],
        "missing": [("stay", "has", "hotel")],
        "spurious": [("hotel", "has", "stay")],
        "probability": [pytest.approx(scores[triple], abs=1e-5) for triple in error["predicted"]],
    }


def test_precision_is_none_without_predictions(fitted, monkeypatch):
    monkeypatch.setattr(fitted, "threshold_", 1.0)
    report = fitted.evaluate([{"text": "dirty", "spo_list": [["a", "in", "b"]]}])
    assert report["precision"] is None and report["recall"] == 0.0 and report["f1"] == 0.0
    assert "no predictions" in str(report)


def test_gold_that_cannot_be_found_is_counted_by_reason_and_lowers_the_recall(fitted):
    rows = [
        {
            "text": "stay hotel",
            "spo_list": [["stay", "in", "moon"], ["sun", "in", "hotel"], ["stay", "under", "hotel"]],
        },
        {"text": "stay hotel", "spo_list": [["sta", "in", "hotel"], ["stay", "in", " hotel"], ["", "in", "hotel"]]},
        {"text": "stay " + "a " * 30 + "hotel", "spo_list": [["stay", "in", "hotel"], ["stay", "in", "a" + " a" * 29]]},
        {"text": "stay", "spo_list": None},
        {"text": "", "spo_list": []},
    ]
    report = fitted.evaluate(rows)
    assert report.examples["skipped"] == {"no list of triples": 1, "empty text": 1}
    prefix = "triples that cannot be found: "
    assert {name.removeprefix(prefix): n for name, n in report.examples["notes"].items() if prefix in name} == {
        "object is not in the text": 1,
        "subject is not in the text": 2,
        "the predicate is not in the training data": 1,
        "subject does not begin and end with tokens": 1,
        "object does not begin and end with tokens": 1,
        "subject and object are in no window together": 1,
        "object is complete in no window": 1,
    }
    assert report["recall"] == 0.0


def test_table_with_one_triple_per_row_is_read(checkpoint, tmp_path):
    lines = ["text,subject,predicate,object", *(",".join([r["text"], *t]) for r in CHAINS for t in r["spo_list"])]
    (tmp_path / "triples.csv").write_text("\n".join([*lines, "nothing here,,,"]) + "\n", encoding="utf-8")
    examples = extractor().examples(tmp_path / "triples.csv")
    assert [e.text for e in examples.rows] == [*(row["text"] for row in CHAINS), "nothing here"]
    assert [[list(t.strings) for t in e.triples] for e in examples.rows] == [*(row["spo_list"] for row in CHAINS), []]
    assert (examples.read, examples.joined, len(examples.rows)) == (15, 9, 6)


def test_gold_with_spans_gives_targets_at_its_spans():
    text = "room room hotel"
    spans = {"subject_span": [5, 9], "object_span": [10, 15]}
    row = {"text": text, "spo_list": [{"subject": "room", "predicate": "in", "object": "hotel", **spans}]}
    task = extractor()
    (example,) = task.examples([row]).rows
    task.prepare([example])
    (window,) = task.encode(example)
    assert task.target(example, window) == {(2, 2): [(0, (3, 3))]}  # the second "room", not the first
    (without_spans,) = task.examples([{"text": text, "spo_list": [["room", "in", "hotel"]]}]).rows
    assert task.target(without_spans, window) == {(1, 1): [(0, (3, 3))], (2, 2): [(0, (3, 3))]}


def test_spans_of_a_step_are_sampled_by_seed():
    task = extractor(max_sampled_spans=2)
    (example,) = task.examples([CHAINS[0]]).rows
    task.prepare([example])
    (window,) = task.encode(example)
    target, x = task.target(example, window), {"Input-Token": window.ids}

    def subjects(seed):
        return task.sample_target(x, target, np.random.default_rng(seed))[0]["Subjects"].tolist()

    assert subjects(1) == subjects(1)
    assert len({str(subjects(seed)) for seed in range(20)}) == 6  # two of three, in any order


def test_answers_are_accepted_as_gold(fitted, tmp_path):
    fitted.save(tmp_path / "run")
    rows = [{"text": row["text"]} | fitted.to_dict(p) for row, p in zip(CHAINS, fitted.predict(CHAINS), strict=True)]
    assert kb.load(tmp_path / "run").evaluate(rows)["f1"] == 1.0
    assert kb.load(tmp_path / "run").evaluate(rows)["places"]["f1"] == 1.0
    cells = [row | {"spo_list": json.dumps(row["spo_list"])} for row in rows]  # as in a CSV file
    assert fitted.evaluate(cells)["f1"] == 1.0


def test_one_triple_per_row_may_have_spans():
    spans = {"subject_span": [5, 9], "object_span": "[10, 15]"}
    row = {"text": "room room hotel", "subject": "room", "predicate": "in", "object": "hotel"}
    ((example,),) = (extractor().examples([row | spans]).rows,)
    assert example.triples[0].subject_span == (5, 9) and example.triples[0].object_span == (10, 15)


TYPED = [
    {"text": "房间干净，早餐好", "spo_list": [
        {"subject": "房间", "predicate": "是", "object": "干净", "subject_type": "设施", "object_type": "评价"},
        {"subject": "早餐", "predicate": "是", "object": "好", "subject_type": "食物", "object_type": {"@value": "评价"}},
    ]},
    {"text": "服务好", "spo_list": [
        {"subject": "服务", "predicate": "是", "object": "好", "subject_type": "设施", "object_type": "评价"},
    ]},
]  # fmt: skip


def test_types_of_entities_are_those_of_the_predicate(checkpoint, tmp_path):
    settings = {"epochs": 150, "learning_rate": 3e-3, "dropout": 0.0, "max_length": 32}
    task = RelationExtractor(checkpoint, **settings).fit(TYPED, dev=TYPED)
    task.save(tmp_path / "run")
    loaded = kb.load(tmp_path / "run")
    assert loaded.types_ == {"是": ["设施", "评价"]}
    for triple in loaded.predict(["服务好"])[0].triples:
        assert triple.types == ("设施", "评价") and triple.as_dict()["subject_type"] == "设施"
    scores = loaded.evaluate(TYPED).scores
    assert scores["f1"] == 1.0 and scores["type_accuracy"] == pytest.approx(2 / 3)
    untyped = [
        row | {"spo_list": [[t["subject"], t["predicate"], t["object"]] for t in row["spo_list"]]} for row in TYPED
    ]
    assert "type_accuracy" not in loaded.evaluate(untyped).scores
    lost = [
        {"text": "服务好", "spo_list": [{"subject": "月", "predicate": "是", "object": "好", "object_type": "评价"}]}
    ]
    report = loaded.evaluate(lost)
    assert report["type_accuracy"] is None and "type_accuracy     -" in str(report)
    page = tmp_path / "report.html"
    loaded.add_test(loaded.evaluate(TYPED), 0.1)
    kb.report(loaded, page)
    assert "type accuracy" in page.read_text(encoding="utf-8")
    assert kb.explain(loaded, "服务好", answer="服务 | 是 | 好", steps=2).shown == "服务 | 是 | 好"


def test_triples_without_types_have_no_types():
    task = extractor(extractor().examples(ROWS).rows)
    assert task.types_ == {}
    row = {"text": "早餐好", "subject": "早餐", "predicate": "是", "object": "好", "subject_type": "食物"}
    (example,) = extractor().examples([row]).rows
    assert example.triples[0].types == ("食物", None)


def test_error_names_the_missing_column_of_the_triple():
    with pytest.raises(kb.InputError, match="no column 'object'; .* --object-column"):
        extractor().examples([{"text": "a", "subject": "a", "predicate": "b"}])


def test_predict_and_evaluate_commands_work(fitted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    fitted.save("run")
    texts = "".join(json.dumps({"text": r["text"], "spo_list": r["spo_list"]}) + "\n" for r in CHAINS)
    (tmp_path / "rows.jsonl").write_text(texts + '{"text": " "}\n', encoding="utf-8")
    assert cli.predict(["run", "rows.jsonl"]) == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert "1 of 6 rows have no answer (empty text 1)" in err
    assert [line["input_spo_list"] for line in lines[:5]] == [r["spo_list"] for r in CHAINS] and lines[5][
        "spo_list"
    ] is None
    assert {tuple(t[k] for k in ("subject", "predicate", "object")) for t in lines[3]["spo_list"]} == {
        tuple(t) for t in CHAINS[3]["spo_list"]
    }
    assert cli.predict(["run", "rows.jsonl", "--output", "answers.csv"]) == 0
    assert [len(t) for t in kb.read("answers.csv")["spo_list"].map(lambda c: json.loads(c or "[]"))] == [
        3,
        3,
        2,
        3,
        3,
        0,
    ]
    kb.read("rows.jsonl").to_parquet("rows.parquet")
    assert cli.predict(["run", "rows.parquet", "--output", "again.jsonl"]) == 0
    assert kb.read("again.jsonl")["input_spo_list"].iloc[0] == CHAINS[0]["spo_list"]
    assert cli.evaluate(["run", "rows.jsonl", "--errors", "errors.jsonl", "--threshold", "0.99999", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert scores["threshold"] == 0.99999 and scores["f1"] < 1
    errors = kb.read("errors.jsonl")
    assert list(errors["row"]) == [number for number, r in enumerate(CHAINS, 1) if r["spo_list"]]
    assert all(len(p) == len(found) for p, found in zip(errors["probability"], errors["predicted"], strict=True))


def test_file_without_any_findable_triple_is_rejected_before_training(checkpoint, tmp_path, capsys):
    rows = [{"text": f"the room is clean {n}", "spo_list": [["hotel", "is", "bad"]]} for n in range(4)]
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = [
        "--task",
        "relation",
        "--checkpoint",
        checkpoint,
        "--train",
        str(file),
        "--output",
        str(tmp_path / "run"),
    ]
    assert cli.train([*arguments, "--max-length", "32"]) == 2
    assert "(triples that cannot be found: subject is not in the text 4)" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    found = kb.RelationExtractor(checkpoint).examples([*rows, {"text": "good", "spo_list": [["good", "is", "good"]]}])
    assert len(found.rows) == 5  # one triple that can be found is enough for training
