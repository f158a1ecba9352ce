"""Predictions as annotated texts: the columns for each task, the order by certainty, and reading them back."""

import json

import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.metrics.sets import distance
from kbert_tasks.tasks import loading
from kbert_tasks.tasks.subject.subjects import Subject

from ..exporting.untrained import untrained

TEXTS = ["房间很干净😀 and the food is good", "", "酒店不错", "好 好 好"]
FULL = [text for text in TEXTS if text]


@pytest.fixture(scope="module")
def entities(checkpoint):
    return untrained(kb.EntityRecognizer, checkpoint, {"types_": ["物", "thing"], "flat_": False, "threshold_": 0.5})


@pytest.fixture(scope="module")
def relations(checkpoint):
    learned = {"predicates_": ["是", "is"], "types_": {"is": ["thing", None]}, "threshold_": 0.3}
    return untrained(kb.RelationExtractor, checkpoint, learned)


def subject_task(checkpoint, typed, **settings):
    learned = {
        "typed_": typed,
        "types_": ["坏", "好"] if settings else (),
        "always_": [],
        "longest_": 9,
        "threshold_": 0.5,
    }
    return untrained(kb.SubjectExtractor, checkpoint, learned, **settings)


@pytest.fixture(scope="module")
def subjects(checkpoint):
    return subject_task(checkpoint, True)


@pytest.fixture(scope="module")
def several(checkpoint):
    learned = {"labels_": ["坏", "好"], "temperature_": 1.0, "thresholds_": {"坏": 0.4, "好": 0.5}}
    learned |= {"multi_label_": True, "pairs_": False}
    return untrained(kb.TextClassifier, checkpoint, learned, multi_label=True, pooling="cls")


def keys(entities):
    return sorted((each["start"], each["end"], each["type"]) for each in entities)


@pytest.mark.parametrize("threshold, score, wanted", [
    (0.4, 0.4, 0), (0.4, 1, 1), (0.4, 0, 1), (0.4, 0.7, 0.5), (0.4, 0.2, 0.5), (1, 1, 0), (1, 0.5, 0.5), (0, 0, 0),
])  # fmt: skip
def test_distance_from_a_threshold_is_0_at_it_and_1_at_both_ends(threshold, score, wanted):
    assert distance(score, threshold) == pytest.approx(wanted)


# Each task ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["jsonl", "doccano", "label-studio", "cluener"])
def test_predicted_entities_are_written_and_read_again(entities, format, tmp_path, caplog):
    rows = kb.annotate(entities, TEXTS)
    assert list(rows.columns) == ["text", "entities", "certainty"] and list(rows["text"]) == FULL
    assert "1 texts left out: empty" in caplog.text
    assert kb.write(rows, tmp_path / "a.json", format) == {}
    again = kb.read(tmp_path / "a.json", format=format)
    expected = [each.entities for each in entities.predict(FULL)]
    assert any(expected)
    assert [keys(each) for each in again["entities"]] == [sorted(e.key for e in each) for each in expected]
    examples = kb.EntityRecognizer().examples(again)
    assert [sorted(e.key for e in each.entities) for each in examples.rows] == [
        keys(each) for each in again["entities"]
    ]


@pytest.mark.parametrize("format", ["bio", "bioes", "bmes"])
def test_predictions_keep_the_tokens_of_a_token_file(entities, format, tmp_path):
    entities.flat_ = True
    file = tmp_path / "new.bio"
    file.write_text("房\n间\n😀\nOK\n\n不\n错\n", encoding="utf-8")
    kb.write(kb.annotate(entities, file), tmp_path / "a.txt", format)
    entities.flat_ = False
    lines = (tmp_path / "a.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split(" ")[0] for line in lines] == ["房", "间", "😀", "OK", "", "不", "错", ""]


@pytest.mark.parametrize("format", ["jsonl", "doccano", "label-studio"])
def test_predicted_triples_are_written_and_read_again(relations, format, tmp_path):
    rows = kb.annotate(relations, TEXTS)
    assert list(rows.columns) == ["text", "spo_list", "certainty"]
    assert kb.write(rows, tmp_path / "a.json", format) == {}
    examples = kb.RelationExtractor().examples(kb.read(tmp_path / "a.json", format=format))
    expected = [each.triples for each in relations.predict(FULL)]
    assert any(expected)

    def placed(triples):
        return sorted((t.strings, t.subject_span, t.object_span) for t in triples)

    assert [placed(each.triples) for each in examples.rows] == [placed(each) for each in expected]
    found = {(t.predicate, t.subject_type) for each in examples.rows for t in each.triples}
    assert found <= {("is", "thing"), ("是", "thing"), ("是", "ENTITY" if format != "jsonl" else None)}


def test_subjects_of_one_text_are_joined_and_read_again(subjects, tmp_path):
    new = [{"n": i, "text": FULL[0], "event_type": kind, "subject": "?"} for i, kind in enumerate(["好", "坏"])]
    new.append({"n": 2, "text": "无", "event_type": "", "subject": ""})
    rows = kb.annotate(subjects, new)
    assert rows.to_dict("records")[0] | {"entities": 0, "certainty": 0} == {
        "n": 0, "text": FULL[0], "input_event_type": "好", "input_subject": "?", "entities": 0, "certainty": 0,
    }  # fmt: skip
    assert rows["entities"][1] is None and len(rows) == 2  # there is a text, so it is written without annotations
    kb.write(rows, tmp_path / "a.jsonl", "doccano")
    examples = kb.SubjectExtractor().examples(kb.read(tmp_path / "a.jsonl"))
    expected = subjects.predict(new[:2])
    assert {each.event_type: {s.span for s in each.subjects} for each in examples.rows} == {
        kind: {s.span for s in each.subjects} for kind, each in zip("好坏", expected, strict=True) if each.subjects
    }
    assert examples.rows


@pytest.mark.parametrize("find_types", [False, True])
def test_subjects_without_a_given_type_are_entities(checkpoint, find_types):
    task = subject_task(checkpoint, find_types, **{"find_types": True} if find_types else {})
    rows = kb.annotate(task, [{"text": FULL[0], "event_type": "好"}])
    assert rows.columns[1] == "input_event_type"
    kinds = {each["type"] for each in rows["entities"][0]}
    assert kinds == ({"坏", "好"} if find_types else {"subject"})


def test_a_subject_that_is_always_predicted_is_uncertain_if_its_probability_is_low(subjects):
    (example,) = subjects.examples([("好好好", "好")], gold=False).rows
    candidates = [Subject("好", (0, 1), p) for p in (0.3, 0.1)]
    assert subjects.certainty(example, candidates, None) == pytest.approx(0.4)
    subjects.always_ = ["好"]
    assert subjects.certainty(example, candidates, None) == pytest.approx(0.3)
    subjects.always_ = []


@pytest.mark.parametrize("format", ["jsonl", "doccano", "label-studio"])
def test_labels_are_written_and_read_again(hotel, several, format, tmp_path):
    for task in (hotel[0], several):
        rows = kb.annotate(task, [{"text": text, "label": "old", "n": 1} for text in FULL])
        assert list(rows.columns) == ["text", "input_label", "n", "label", "certainty"]
        assert kb.write(rows, tmp_path / "a.json", format, model_version="mine") == {}
        again = kb.read(tmp_path / "a.json", format=format)
        expected = [each.label if isinstance(each.label, tuple) else (each.label,) for each in task.predict(FULL)]
        assert [tuple(each) for each in again["label"]] == expected
        examples = type(task)(multi_label=task is several).examples(again)
        assert [each.labels for each in examples.rows] == [tuple(sorted(each)) for each in expected]


# The order ---------------------------------------------------------------------------------------------------------


def test_most_uncertain_texts_are_first(entities, hotel, several):
    for task in (entities, hotel[0], several):
        rows = kb.annotate(task, TEXTS, uncertain_first=True)
        assert sorted(rows["text"]) == sorted(FULL) and list(rows["certainty"]) == sorted(rows["certainty"])
        assert rows["certainty"].between(0, 1).all()
    (answer,) = hotel[0].predict(["太吵"])
    assert kb.annotate(hotel[0], ["太吵"])["certainty"][0] == pytest.approx(answer.probability, abs=1e-6)


def test_a_text_without_candidates_is_certain(entities):
    (example,) = entities.examples(["好"], gold=False).rows
    assert entities.certainty(example, [], None) == 1


def test_a_task_without_certainty_or_annotations_is_an_error(entities, monkeypatch):
    monkeypatch.setattr(type(entities), "certainty", lambda *_: None)
    assert list(kb.annotate(entities, FULL)["certainty"]) == [None] * 3
    with pytest.raises(kb.InputError, match="does not define certainty, so its answers cannot be sorted"):
        kb.annotate(entities, FULL, uncertain_first=True)
    monkeypatch.setattr(type(entities), "ANNOTATION", None)
    with pytest.raises(kb.InputError, match="the answers of this task are no annotations"):
        kb.annotate(entities, FULL)


# The command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def predict(monkeypatch, tmp_path, capsys):
    """Runs kbert-predict with a task on TEXTS in a column of another name; returns (status, output, messages)."""

    def run(task, *words):
        monkeypatch.setattr(task, "settings", task.settings)  # restores them, because the command changes them
        monkeypatch.setattr(loading, "load", lambda run, engine: task)
        file = tmp_path / "new.csv"
        file.write_text("n,review\n" + "".join(f"{i},{text}\n" for i, text in enumerate(TEXTS)), encoding="utf-8")
        status = cli.predict(["runs/mine", str(file), "--text-column", "review", *map(str, words)])
        return status, *capsys.readouterr()

    return run


@pytest.mark.parametrize("format", ["doccano", "label-studio", "cluener", "bio", "bioes", "bmes"])
def test_the_command_writes_what_annotate_returns(entities, format, predict, tmp_path):
    status, out, err = predict(entities, "--format", format, "--output", tmp_path / "out.txt", "--uncertain-first")
    assert status == 0 and out == ""
    assert "1 of 4 rows have no answer (empty text 1)\n1 texts left out: empty" in err
    new = [{"n": str(i), "review": text} for i, text in enumerate(TEXTS)]
    rows = kb.annotate(entities, new, uncertain_first=True)
    assert list(rows.columns) == ["n", "text", "entities", "certainty"]
    kb.write(rows, tmp_path / "same.txt", format, model_version="mine")
    assert (tmp_path / "out.txt").read_bytes() == (tmp_path / "same.txt").read_bytes()


def test_certainty_is_a_score_for_label_studio(hotel, predict):
    status, out, _ = predict(hotel[0], "--format", "label-studio", "--uncertain-first")
    tasks = json.loads(out)
    assert status == 0 and [each["predictions"][0]["model_version"] for each in tasks] == ["mine"] * 3
    scores = [each["predictions"][0]["score"] for each in tasks]
    assert scores == sorted(scores) == [each["data"]["certainty"] for each in tasks]
    (result,) = tasks[0]["predictions"][0]["result"]
    assert result["type"] == "choices" and result["value"]["choices"][0] in ("好", "坏")


def test_other_formats_can_be_sorted_too(hotel, predict):
    status, out, _ = predict(hotel[0], "--uncertain-first")
    header, *lines = [line.split(",") for line in out.splitlines()]
    assert status == 0 and header == ["n", "review", "label", "probability", "certainty"]
    assert [line[3] for line in lines[:3]] == sorted(line[4] for line in lines[:3]) and lines[3] == [
        "1",
        "",
        "",
        "",
        "",
    ]


@pytest.mark.parametrize("format", ["bio", "bioes", "bmes", "cluener"])
def test_a_format_without_a_place_for_the_answers_is_an_error(hotel, relations, format, predict):
    for task, name in ((hotel[0], "labels of whole texts"), (relations, "triples")):
        status, out, err = predict(task, "--format", format)
        assert (status, out) == (2, "")
        assert f"the format {format} has no place for {name}: use jsonl, doccano, label-studio" in err
