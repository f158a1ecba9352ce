"""An audit of each task: rows, scores, files, and resuming."""

import csv
import dataclasses
import json
from types import SimpleNamespace

import pytest

import kbert_tasks as kb
from kbert_tasks import cli, tasks
from kbert_tasks.auditing import corrections, packages, page, writing
from kbert_tasks.auditing.findings import Finding
from kbert_tasks.data.split import folds_of
from kbert_tasks.samples import path
from kbert_tasks.tasks.classify.baseline import Baseline

pytest.importorskip("cleanlab")
pytest.importorskip("datasketch")

FEW = {"epochs": 1, "max_length": 16, "learning_rate": 1e-3, "precision": "float32", "validation_split": 0.0}
CASES = {name: (name, {}) for name in tasks.names()}
CASES |= {
    "classify-multi-label": ("classify", {"multi_label": True}),
    "subject-find-types": ("subject", {"find_types": True}),
}


def sample(name):
    rows = kb.read(path(name, "zh", "train")).head(30)
    rows.loc[4, "text"] = " "
    return rows


@pytest.fixture(scope="module", params=CASES)
def audited(request, checkpoint):
    """(audit, its rows) of a sample of each task, with two folds."""
    name, settings = CASES[request.param]
    rows = sample(name)
    if settings.get("multi_label"):
        rows["label"] = rows["label"].where(rows.index % 3 > 0, rows["label"] + "|短")
    task = tasks.find(name)(checkpoint, **FEW, **settings)
    return kb.audit(task, rows, folds=2), rows


def test_every_row_has_one_line(audited):
    audit, rows = audited
    lines = [row for line in audit.lines for row in line.rows]
    assert sorted(set(lines)) == list(range(1, len(rows) + 1))
    (unused,) = [line for line in audit.lines if line.place is None]
    assert unused.rows == (5,) and [each.reason for each in unused.findings] == ["empty text"]
    assert audit.examples["skipped"] == {"empty text": 1}
    assert audit.counts["not used"] == 1


def test_scores_are_between_0_and_1_and_most_suspicious_first(audited):
    audit, _ = audited
    judged = [line for line in audit.lines if line.place is not None and line.score is not None]
    assert judged and all(0 <= line.score <= 1 for line in judged)
    for part in ([line for line in judged if line.suspicious], [line for line in judged if not line.findings]):
        assert [line.score for line in part] == sorted(line.score for line in part)
    suspicious = [line.suspicious for line in audit.lines]
    assert suspicious == sorted(suspicious, reverse=True)
    assert audit.out_of_fold.folds == len(audit.out_of_fold.scores) == 2


def test_files_can_be_read(audited, tmp_path):
    audit, _ = audited
    audit.write(tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "audit.jsonl").read_text("utf-8").splitlines()]
    assert [line["row"] for line in lines] == [line.rows[0] for line in audit.lines]
    with open(tmp_path / "out" / "audit.csv", encoding="utf-8", newline="") as stream:
        table = [*csv.DictReader(stream)]
    assert [int(row["row"]) for row in table] == [line["row"] for line in lines]
    assert [row["reasons"] for row in table] == ["; ".join(f["reason"] for f in line["findings"]) for line in lines]
    html = (tmp_path / "out" / "audit.html").read_text("utf-8")
    assert html.count("<h1>") == 1 and "Improbable answers" in html and "empty text" in html
    assert len(audit.table) == len(audit.lines)
    assert "rows read" in str(audit)


def test_rows_to_correct_are_read_by_annotation_tools_and_merged_without_a_change(audited, tmp_path):
    audit, rows = audited
    marked = [line for line in audit.lines if line.place is not None][:4]
    lines = [dataclasses.replace(line, findings=(Finding("answer", line.place, "because"),)) for line in marked]
    audit = dataclasses.replace(audit, lines=lines)
    assert page.html(audit).count('<p class="hint">because</p>') == 4
    for name, made in (("a.jsonl", writing.doccano(audit)), ("b.json", writing.label_studio(audit))):
        (tmp_path / name).write_text("".join(made), encoding="utf-8")
        merged = corrections.merge(audit.task, rows, tmp_path / name)
        assert merged.counts == {"confirmed without a change": 4, "changed": 0}
        assert merged.table.equals(rows.astype(object)) and not merged.added and not merged.unknown


def test_many_suspicious_answers_end_with_a_warning(audited):
    audit, _ = audited
    used = [line for line in audit.lines if line.place is not None][:10]
    judged = [dataclasses.replace(line, score=0.5, findings=()) for line in used]
    doubted = [dataclasses.replace(line, findings=(Finding("answer", line.place, "because"),)) for line in judged]
    assert dataclasses.replace(audit, lines=doubted[:2] + judged[2:]).warning is None
    many = dataclasses.replace(audit, lines=doubted[:3] + judged[3:])
    assert many.warning.startswith("30% of the answers look improbable: the models are too weak")
    assert str(many).endswith(many.warning) and many.warning in page.html(many)


def test_task_is_not_changed_and_labels_of_one_fold_are_not_judged(checkpoint):
    task = kb.TextClassifier(checkpoint, **FEW)
    texts = [f"房间{n}" for n in range(12)]
    labels = ["好", "坏"] * 5 + ["好", "一般"]
    audit = kb.audit(task, texts, labels, folds=2)
    (alone,) = [line for line in audit.lines if line.given == "一般"]
    assert alone.score is None and not alone.suspicious and [each.kind for each in alone.findings] == ["rare"]
    assert "1 texts were not judged" in str(audit)
    assert task.model is None and task.settings.baseline


def test_probabilities_are_the_mean_of_model_and_baseline(checkpoint):
    rows = kb.read(path("classify", "zh", "train")).head(40)
    audits = [kb.audit(kb.TextClassifier(checkpoint, **FEW, baseline=each), rows, folds=2) for each in (True, False)]
    both, model = ([each.probabilities for each in audit.out_of_fold.judgements] for audit in audits)
    read, labels = audits[0].read, sorted(both[0])
    for rest, part in folds_of(audits[0].task, read, 2):
        task = SimpleNamespace(labels_=labels, multi_label_=False, pairs_=False)
        tfidf = Baseline(task, [read.rows[i] for i in rest]).probabilities([read.rows[i] for i in part])
        for place, its in zip(part, tfidf, strict=True):
            expected = {label: (model[place][label] + p) / 2 for label, p in zip(labels, its, strict=True)}
            assert both[place] == pytest.approx(expected, abs=1e-5)


def test_progress_is_resumed(checkpoint, tmp_path, monkeypatch):
    rows = sample("classify")
    task = kb.TextClassifier(checkpoint, **FEW)
    first = kb.audit(task, rows, folds=2, resume_dir=tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["fold-1", "fold-2"]
    again = kb.audit(task, rows, folds=2, resume_dir=tmp_path)
    assert [line.score for line in again.lines] == [line.score for line in first.lines]


@pytest.mark.parametrize("folds", [1, 2.0, True, "two"])
def test_invalid_folds(folds):
    with pytest.raises(kb.InputError, match="folds should be a whole number of at least 2"):
        kb.audit(kb.TextClassifier(), ["好", "坏"], ["a", "b"], folds=folds)


def test_missing_package_is_named_with_its_command():
    with pytest.raises(kb.InputError, match=r"needs the package absent, which .*: pip install 'kbert-tasks\[audit\]'"):
        packages.needed("absent.part", "is not installed")


def test_command_checks_texts_without_a_model(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["text,label", "房间很干净,好", "房间很干净,坏", "早餐一般,好 ", "早餐不错,好", "太吵,坏", "！！,好"]
    (tmp_path / "train.csv").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "test.csv").write_text("text,label\n太吵,好\n", encoding="utf-8")
    assert cli.audit(["train.csv", "--test", "test.csv", "--texts-only"]) == 0
    printed = capsys.readouterr().out
    assert "train.csv: 6 rows read, 6 used, 0 skipped" in printed
    assert "Identical texts with different answers: 2" in printed
    assert "Texts that are also in the test file: 1" in printed and "Texts without letters: 1" in printed
    assert sorted(each.name for each in (tmp_path / "runs" / "audit-train").iterdir()) == [
        "audit.csv",
        "audit.html",
        "audit.jsonl",
        "correct.doccano.jsonl",
        "correct.label-studio.json",
    ]


def test_command_trains_and_deletes_its_progress(tmp_path, checkpoint, capsys):
    sample("classify").to_csv(tmp_path / "train.csv", index=False)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in FEW.items()]
    command = [str(tmp_path / "train.csv"), "--checkpoint", checkpoint, "--folds", "2", *options]
    assert cli.audit([*command, "--output", str(tmp_path / "out")]) == 0
    assert "2 folds: accuracy on the texts that a model has not seen" in capsys.readouterr().out
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out", "train.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.csv"], "absent.csv does not exist"),
        (["t.csv", "--output", "t.csv", "--texts-only"], "t.csv is a file: choose a folder"),
        (["t.csv", "--folds", "1"], "folds should be a whole number of at least 2, not 1"),
        (["t.csv", "--folds", "9"], "9 folds need at least 9 different texts, found 2"),
        (["t.csv", "--test", "e.csv", "--texts-only"], "the test file has no usable row"),
        (["t.csv", "--corrections", "t.csv", "--folds", "3"], "--corrections makes no audit: leave out --folds"),
        (["t.csv", "--corrections", "absent.jsonl"], "absent.jsonl does not exist: give the corrected file"),
        (["t.csv", "--corrections", "e.csv", "--output", "t.csv"], "t.csv is an input file and is not overwritten"),
        (["t.csv", "--corrections", "e.csv", "--output", "no/t.csv"], "there is no folder no"),
        (["t.csv", "--corrections", "e.csv", "--output", "t.parquet"], "t.parquet should end in one of"),
    ],
)
def test_invalid_commands_end_with_one_sentence(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("text,label\n好,a\n坏,b\n", encoding="utf-8")
    (tmp_path / "e.csv").write_text("text,label\n,a\n", encoding="utf-8")
    assert cli.audit(arguments) == 2
    assert message in capsys.readouterr().err
