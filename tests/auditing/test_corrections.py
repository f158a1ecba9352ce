"""Corrected files are merged into the original without losing anything."""

import json
from dataclasses import replace

import pandas as pd
import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.auditing import writing
from kbert_tasks.auditing.corrections import merge
from kbert_tasks.auditing.findings import Finding
from kbert_tasks.data.writing import kind_for, write_table


def lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, rows):
    with open(name, "w", encoding="utf-8") as stream:
        stream.write(rows if isinstance(rows, str) else lines(rows))


def test_command_changes_only_the_corrected_cells(folder, capsys):
    write("t.csv", "id,text,label,note\n007,房间很干净,坏,NA\n008,太吵,坏,\n009,好,好,x\n010,,好,y\n011,差,差,z\n")
    write("c.jsonl", [
        {"id": 1, "row": 1, "text": "房间很干净", "label": ["好"], "reason": "..."},
        {"id": 2, "row": 3, "text": "好", "label": ["好"]},
        {"id": 3, "row": 2, "text": "别的", "label": ["好"]},
        {"id": 4, "text": "差", "label": ["坏"]},
        {"id": 5, "row": 5, "text": "差"},
    ])  # fmt: skip
    assert cli.audit(["t.csv", "--corrections", "c.jsonl"]) == 0
    printed = capsys.readouterr().out
    for line in ("t.csv: 5 rows; c.jsonl: 5 texts", "changed: 2", "confirmed without a change: 1", "no label: 1",
                 "not found in the file: 1", "rows of c.jsonl that are not found: 3", "saved in t.corrected.csv: 5 rows"):  # fmt: skip
        assert line in printed
    with open("t.corrected.csv", encoding="utf-8") as stream:
        assert (
            stream.read()
            == "id,text,label,note\n007,房间很干净,好,NA\n008,太吵,坏,\n009,好,好,x\n010,,好,y\n011,差,坏,z\n"
        )


def test_label_studio_exports_are_read(folder):
    write("t.jsonl", [{"text": "好吃", "label": "坏", "extra": None}, {"text": "难吃", "label": "坏", "n": [1]}])
    result = {"type": "choices", "value": {"choices": ["好"]}}
    write("c.json", json.dumps([
        {"id": 9, "data": {"text": "好吃", "row": 1}, "annotations": [{"was_cancelled": True, "result": []}, {"result": [result]}]},
        {"id": 8, "data": {"text": "难吃", "row": 2}, "annotations": []},
    ]))  # fmt: skip
    made = merge(kb.TextClassifier(), kb.read("t.jsonl"), folder / "c.json")
    assert made.counts == {"no label": 1, "changed": 1, "confirmed without a change": 0}
    write_table(made.table, folder / "new.jsonl")
    assert [json.loads(line) for line in (folder / "new.jsonl").read_text("utf-8").splitlines()] == [
        {"text": "好吃", "label": "好", "extra": None}, {"text": "难吃", "label": "坏", "n": [1]}
    ]  # fmt: skip


def test_several_labels_keep_the_form_of_the_cell(folder):
    write(
        "t.jsonl",
        [{"text": "一", "label": "a|b"}, {"text": "二", "label": ["a"]}, {"text": "三", "label": '["a", "b"]'}],
    )
    write("c.jsonl", [{"text": text, "label": ["b", "c"]} for text in "一二三"])
    made = merge(kb.TextClassifier(multi_label=True), kb.read("t.jsonl"), folder / "c.jsonl")
    assert list(made.table["label"]) == ["b|c", ["b", "c"], '["b", "c"]']


def test_two_different_corrections_of_one_text_are_an_error(folder):
    write("t.csv", "text,label\n好,a\n坏,b\n")
    write("c.jsonl", [{"row": 1, "text": "好", "label": ["b"]}, {"text": "好", "label": "a"}])
    with pytest.raises(
        kb.InputError, match="row 2: row 1 of the original file is corrected twice, with different answers"
    ):
        merge(kb.TextClassifier(), kb.read("t.csv"), folder / "c.jsonl")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"label": ["a"]}, "has no column 'text'; its columns: label"),
        ({"text": "好", "label": {"a": 1}}, "row 1: column 'label': expected a text or a number, found dict"),
        ({"text": "好", "label": ["a"], "row": "x"}, "row 1: 'row' should be the number of a row, not 'x'"),
    ],
)
def test_invalid_corrections_of_labels(row, message, folder):
    write("t.csv", "text,label\n好,a\n坏,b\n")
    write("c.jsonl", [row])
    with pytest.raises(kb.InputError, match=message):
        merge(kb.TextClassifier(), kb.read("t.csv"), folder / "c.jsonl")


def test_table_without_answers_is_an_error(folder):
    write("t.jsonl", [{"text": "在青岛", "entities": [{"start": 1, "end": 3, "type": "地"}]}])
    write("c.csv", "text,row\n在青岛,1\n")
    with pytest.raises(
        kb.InputError, match="c.csv has no column 'entities' with corrected answers; its columns: text, row"
    ):
        merge(kb.EntityRecognizer(), kb.read("t.jsonl"), folder / "c.csv")


def test_entities_of_a_token_file_are_replaced(folder):
    write("t.bio", "在 O\n青 B-人\n岛 I-人\n\n方 B-人\n雪 I-人\n")
    write("c.jsonl", [{"text": "在青岛", "row": 1, "label": [[1, 3, "地"]]}])
    made = merge(kb.EntityRecognizer(), kb.read("t.bio"), folder / "c.jsonl")
    assert made.counts["changed"] == 1
    write_table(made.table, folder / "new.bio")
    assert (folder / "new.bio").read_text("utf-8") == "在 O\n青 B-地\n岛 I-地\n\n方 B-人\n雪 I-人\n\n"


def test_one_row_for_each_subject(folder):
    rows = "1,甲和乙减持,减持,甲\n2,丙减持,减持,丙\n3,甲和乙减持,减持,丁\n4,戊增持,增持,戊\n5,己减持,减持,\n"
    write("t.csv", rows)
    entities = [{"start": 0, "end": 1, "type": "subject"}, {"start": 2, "end": 3, "type": "subject"}]
    write("c.jsonl", [
        {"text": "甲和乙减持", "event_type": "减持", "row": 1, "entities": entities},
        {"text": "戊增持", "event_type": "增持", "row": 4, "entities": []},
        {"text": "己减持", "event_type": "减持", "row": 5, "entities": entities[:1]},
    ])  # fmt: skip
    table = kb.read("t.csv", header=False)
    made = merge(kb.SubjectExtractor(), table, folder / "c.jsonl")
    assert made.counts["changed"] == 3 and made.added == 0
    write_table(made.table, folder / "new.csv")
    new = (folder / "new.csv").read_text("utf-8")
    assert new == "1,甲和乙减持,减持,甲\n2,丙减持,减持,丙\n1,甲和乙减持,减持,乙\n4,戊增持,增持,\n5,己减持,减持,己\n"
    write("c.jsonl", [{"text": "甲和乙减持", "event_type": "减持", "row": 3, "entities": entities[1:]}])
    made = merge(kb.SubjectExtractor(), table, folder / "c.jsonl")
    assert made.added == -1 and list(made.table["4"]) == ["乙", "丙", "戊", ""]


def test_one_row_for_each_triple(folder):
    write("t.csv", "text,subject,predicate,object,id\n甲写了乙,甲,作者,乙,1\n丙在丁,丙,地点,丁,2\n")
    triple = {"subject": "乙", "predicate": "作者", "object": "甲"}
    other = {"subject": "甲", "predicate": "作者", "object": "乙"}
    write("c.jsonl", [{"text": "甲写了乙", "row": 1, "spo_list": [triple, other]}, {"text": "丙在丁", "spo_list": []}])
    made = merge(kb.RelationExtractor(), kb.read("t.csv"), folder / "c.jsonl")
    assert made.added == 1 and made.counts["changed"] == 2
    assert made.table.values.tolist() == [
        ["甲写了乙", "乙", "作者", "甲", "1"], ["甲写了乙", "甲", "作者", "乙", "1"], ["丙在丁", "", "", "", "2"]
    ]  # fmt: skip


def test_annotated_texts_of_several_events(folder):
    entities = [{"start": 0, "end": 1, "type": "减持"}, {"start": 2, "end": 3, "type": "增持"}]
    write("t.jsonl", [{"text": "甲和乙", "entities": entities, "n": 1}])
    write("c.jsonl", [
        {"text": "甲和乙", "event_type": "增持", "row": 1, "entities": [{"start": 0, "end": 1, "type": "x"}]},
        {"text": "甲和乙", "event_type": "减持", "row": 1, "entities": [{"start": 2, "end": 3, "type": "x"}]},
    ])  # fmt: skip
    made = merge(kb.SubjectExtractor(), kb.read("t.jsonl"), folder / "c.jsonl")
    (row,) = made.table.to_dict("records")
    assert row["n"] == 1 and sorted((e["start"], e["type"]) for e in row["entities"]) == [(0, "增持"), (2, "减持")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.csv", ".csv"), ("a.XLSX", ".csv"), ("a.parquet", ".jsonl"), ("a.json", ".jsonl"), ("a.bio", ".bio")],
)
def test_kind_of_the_new_file(name, kind, tmp_path):
    assert kind_for(tmp_path / name) == kind


@pytest.mark.parametrize(
    ("task", "rows"),
    [
        (kb.SubjectExtractor, [("甲公司召回产品", "召回", "甲公司"), ("甲公司召回产品", "召回", "乙公司"), ("丙辞职", "变动", "丙")]),
        (kb.RelationExtractor, [("甲写了乙", "甲", "作者", "丁"), ("甲写了乙", "甲", "作者", "乙"), ("丙写了戊", "丙", "作者", "戊")]),
    ],
)  # fmt: skip
def test_text_whose_answers_tools_cannot_show_is_left_out_and_loses_nothing(task, rows, folder, caplog):
    names = ("text", "event_type", "subject") if len(rows[0]) == 3 else ("text", "subject", "predicate", "object")
    table = pd.DataFrame(rows, columns=names)
    audit = kb.audit(task(), table, texts_only=True)
    marked = [replace(line, findings=(Finding("answer", line.place, "because"),)) for line in audit.lines]
    audit = replace(audit, lines=marked)
    for format, made in (("doccano", writing.doccano(audit)), ("label-studio", writing.label_studio(audit))):
        write("c.json", "".join(made))
        assert f"1 texts to correct are not in the file for {format}" in caplog.text
        merged = merge(task(), table, folder / "c.json")
        assert merged.counts == {"confirmed without a change": 1, "changed": 0} and merged.table.equals(
            table.astype(object)
        )


def test_corrected_triples_have_no_types_that_the_original_ones_do_not_have(folder):
    table = pd.DataFrame({"text": ["甲写了乙"], "spo_list": [[{"subject": "甲", "predicate": "作者", "object": "乙"}]]})
    entities = [{"id": i, "start_offset": i * 3, "end_offset": i * 3 + 1, "label": "ENTITY"} for i in range(2)]
    link = {"id": 9, "from_id": 0, "to_id": 1, "type": "导演"}
    write("c.jsonl", [{"text": "甲写了乙", "entities": entities, "relations": [link]}])
    (found,) = merge(kb.RelationExtractor(), table, folder / "c.jsonl").table["spo_list"][0]
    assert found["predicate"] == "导演" and not {"subject_type", "object_type"} & found.keys()
