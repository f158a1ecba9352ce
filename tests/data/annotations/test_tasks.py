"""Tasks and commands that read annotated texts."""

import json

import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.data.annotations import formats, offsets

from .reading import entity, put

TEXT = "房间干净，服务好"
LABELS = [entity(0, 2, "好"), entity(5, 7, "好"), entity(2, 4, "坏")]


def doccano(**more):
    found = [
        {"id": i, "start_offset": each["start"], "end_offset": each["end"], "label": each["type"]}
        for i, each in enumerate(LABELS)
    ]
    return {"text": TEXT, "entities": found, "relations": [{"from_id": 0, "to_id": 2, "type": "很"}]} | more


def test_relations_of_annotated_texts_are_examples(tmp_path):
    wrong = [{"id": 9, "start_offset": 0, "end_offset": 99, "label": "好"}]
    given = [doccano(), doccano(entities=wrong), {"text": "", "entities": wrong, "relations": []}]
    examples = kb.RelationExtractor().examples(put(tmp_path, "a.jsonl", given))
    (triple,) = examples.rows[0].triples
    assert triple.strings == ("房间", "很", "干净") and triple.subject_span == (0, 2) and triple.object_span == (2, 4)
    assert examples.rows[1].triples == () and examples.skipped == {"empty text": 1}
    # The third row is not used, so its problem is not among the notes.
    assert examples.notes == {offsets.OUTSIDE: 1, "relations left out: an entity that they refer to is not there": 1}
    assert kb.RelationExtractor().examples(put(tmp_path, "a.jsonl", given), gold=False).notes == {}


def test_entities_are_subjects_of_the_event_that_their_type_names(tmp_path):
    given = [{"text": TEXT, "entities": LABELS}, {"text": "一般", "entities": []}]
    examples = kb.SubjectExtractor().examples(put(tmp_path, "a.jsonl", given))
    assert [(each.text, each.event_type, [(s.subject, s.span) for s in each.subjects]) for each in examples.rows] == [
        (TEXT, "好", [("房间", (0, 2)), ("服务", (5, 7))]),
        (TEXT, "坏", [("干净", (2, 4))]),
    ]
    assert examples.sources == [(0,), (0,)] and examples.skipped == {"no event type": 1}
    given[0]["entities"] = [*LABELS, entity(0, 99, "好")]
    assert kb.SubjectExtractor().examples(put(tmp_path, "a.jsonl", given)).notes == {offsets.OUTSIDE: 1}


def test_types_of_entities_are_found_with_find_types(tmp_path):
    given = [{"text": TEXT, "entities": LABELS}, {"text": "一般", "entities": []}, {"text": "还行", "entities": None}]
    task = kb.SubjectExtractor(find_types=True)
    examples = task.examples(put(tmp_path, "a.jsonl", given))
    assert [(each.text, [(s.subject, s.event_type) for s in each.subjects]) for each in examples.rows] == [
        (TEXT, [("房间", "好"), ("干净", "坏"), ("服务", "好")]),
        ("一般", []),
    ]
    assert examples.skipped == {"not annotated": 1}


@pytest.mark.parametrize("format", formats.FORMATS)
def test_every_format_is_read_by_entity_recognition(tmp_path, format):
    kb.write([{"text": TEXT, "entities": LABELS}], tmp_path / "a.txt", format)
    examples = kb.EntityRecognizer().examples(kb.read(tmp_path / "a.txt", format=format))
    (example,) = examples.rows
    assert [(e.start, e.end, e.type) for e in example.entities] == [(0, 2, "好"), (2, 4, "坏"), (5, 7, "好")]


def test_predictions_of_entity_recognition_are_written_and_read(tmp_path):
    found = [{"entity": "房间", "type": "好", "start": 0, "end": 2, "probability": 0.9}]
    for format in ("jsonl", "label-studio"):
        kb.write([{"text": TEXT, "entities": found}], tmp_path / "a.txt", format)
        table = kb.read(tmp_path / "a.txt", format=format)
        assert table["entities"][0] == [entity(0, 2, "好", probability=0.9)]


def test_entities_of_a_table_are_checked():
    given = [{"text": TEXT, "entities": [entity(0, 99, "好")]}]
    with pytest.raises(kb.InputError, match="the table, row 1: an entity should be in the text, from 0 to 8"):
        kb.SubjectExtractor().examples(given)
    with pytest.raises(kb.InputError, match="row 1: column 'entities': expected entities such as"):
        kb.SubjectExtractor().examples([{"text": TEXT, "entities": ["房间"]}])
    with pytest.raises(kb.InputError, match="row 1: column 'entities': expected a list, found 房间"):
        kb.SubjectExtractor().examples([{"text": TEXT, "entities": "房间"}])
    with pytest.raises(kb.InputError, match="row 1: an entity should have a type"):
        kb.SubjectExtractor().examples([{"text": TEXT, "entities": [entity(0, 1, "")]}])


def test_counts_and_format_are_in_the_report_of_a_training(checkpoint, tmp_path, capsys, caplog):
    wrong = doccano()
    wrong["entities"].append({"id": 9, "start_offset": 0, "end_offset": 99, "label": "好"})
    file = put(tmp_path, "a.jsonl", [doccano(), wrong, doccano(text=TEXT + "。")])
    words = ["--task", "relation", "--checkpoint", checkpoint, "--train", file, "--test", file, "--epochs", "1"]
    words += ["--max-length", "32", "--output", tmp_path / "run"]
    assert cli.train([str(word) for word in words]) == 0
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["examples"]["train"]["notes"][offsets.OUTSIDE] == 1
    assert report["examples"]["test"]["notes"][offsets.OUTSIDE] == 1
    assert f"{file}: read as doccano" in report["plan"]["lines"]
    assert offsets.OUTSIDE in capsys.readouterr().out


def test_commands_read_token_files(hotel, tmp_path, capsys):
    _, folder = hotel
    file = put(tmp_path, "a.train", "房 O B-X\n间 O I-X\n\n很 O O\n吵 O O\n")
    words = [str(folder), str(file), "--input-format", "bio", "--token-column", "1", "--tag-column", "3"]
    assert cli.predict(words) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ["text", "房间", "很吵"]
    assert cli.predict([str(folder), str(put(tmp_path, "a.csv", "text\na\n")), "--tag-column", "3"]) == 2
    assert (
        "--token-column and --tag-column are for token files, such as .bio: leave them out" in capsys.readouterr().err
    )
    assert cli.predict([str(folder), str(file), "--input-format", "conll"]) == 2
    assert "unknown format 'conll'; formats: jsonl," in capsys.readouterr().err


def test_path_of_a_token_file_is_read_like_that_of_a_table(hotel, tmp_path):
    task, _ = hotel
    assert len(task.predict(str(put(tmp_path, "a.bio", "房 O\n间 O\n\n很 O\n吵 O\n")))) == 2


def test_format_for_writing_is_named_by_the_extension_or_by_format(tmp_path):
    row = {"text": "ab", "entities": [entity(0, 1, "X")]}
    with pytest.raises(kb.InputError, match="the extension does not name a format, name one with format=: jsonl"):
        kb.write([row], tmp_path / "a.json")
    with pytest.raises(kb.InputError, match="row 1 has no 'text': a text is needed to write entities"):
        kb.write([{"entities": []}], tmp_path / "a.jsonl")
    with pytest.raises(kb.InputError, match="row 1: an entity should be in the text, from 0 to 2"):
        kb.write([row | {"entities": [entity(0, 3, "X")]}], tmp_path / "a.jsonl")
    assert not [*tmp_path.iterdir()]
    kb.write([row], tmp_path / "a.bmes")
    assert (tmp_path / "a.bmes").read_text(encoding="utf-8") == "a S-X\nb O\n\n"


def test_triples_without_positions_are_written_if_they_are_certain(tmp_path):
    triples = [
        {"subject": "房间", "predicate": "很", "object": "干净"},
        {"subject": "好", "predicate": "很", "object": "坏"},
        {"subject": "好", "predicate": "很", "object": {"@value": "坏"}},
    ]
    row = {"text": TEXT, "entities": [entity(0, 2, "物")], "spo_list": triples}
    counted = kb.write([row], tmp_path / "a.jsonl", "doccano")
    assert [*counted.values()] == [1, 1, 1] and counted[
        "entities added for triples (type ENTITY if the triple has none)"
    ] == 1
    read = kb.read(tmp_path / "a.jsonl").to_dict("records")[0]
    assert read["entities"] == [entity(0, 2, "物"), entity(2, 4, "ENTITY")]
    assert [(t["subject"], t["object"]) for t in read["spo_list"]] == [("房间", "干净")]
