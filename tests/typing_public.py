"""What a type checker should infer about the public names. Never run: `tests/test_typing.py` passes it to mypy.

A line with `type: ignore` must contain an error, otherwise mypy reports the comment.
"""

from collections import Counter
from typing import Any

from typing_extensions import assert_type

import kbert_tasks as kb
from kbert_tasks.auditing.audit import Audit
from kbert_tasks.comparison.compare import Comparison
from kbert_tasks.explanation.explanation import Explanation
from kbert_tasks.tasks.base import Task
from kbert_tasks.tasks.classify import task as classify
from kbert_tasks.tasks.entity import task as entity
from kbert_tasks.tasks.entity.entities import Entity
from kbert_tasks.tasks.relation import task as relation
from kbert_tasks.tasks.relation.triples import Triple
from kbert_tasks.tasks.subject import task as subject
from kbert_tasks.tasks.subject.subjects import Subject
from kbert_tasks.text.spans import Span


def classification() -> None:
    task = kb.TextClassifier("checkpoint", epochs=3, pooling="mean")
    assert_type(task.fit(kb.read("train.csv"), dev=kb.read("dev.csv")), kb.TextClassifier)
    task.fit(["good", "bad"], ["+", "-"], dev=(["fine"], ["+"]), resume_dir="kept")
    task.fit([("one", "other")], ["+"])
    task.fit([{"text": "good", "label": "+"}])
    task.fit(["good"], labels=3)  # type: ignore[arg-type]
    for answer in task.predict(["good"]):
        assert_type(answer, classify.Prediction | None)
        if answer:
            assert_type(answer.label, str | tuple[str, ...] | None)
            assert_type(answer.probability, float | tuple[float, ...])
            assert_type(answer.probabilities, dict[str, float])
            print(answer.lable)  # type: ignore[attr-defined]
    assert_type(task.settings.pooling, str)
    assert_type(task.config, dict[str, Any])
    assert_type(task.tokenizer, kb.Tokenizer)
    task.save("run")


def span_tasks() -> None:
    for found in kb.RelationExtractor(kb.Checkpoint.open("checkpoint")).predict("test.jsonl"):
        assert_type(found, relation.Prediction | None)
        for triple in found.triples if found else ():
            assert_type(triple, Triple)
            assert_type(triple.strings, tuple[str, str, str])
            assert_type(triple.subject_span, Span | None)
            assert_type(triple.as_dict(), dict[str, Any])
    for answer in kb.SubjectExtractor().predict([("text", "type")]):
        assert_type(answer, subject.Prediction | None)
        for each in answer.subjects if answer else ():
            assert_type(each, Subject)
            if each.span:
                assert_type(each.span.start, int)
    for recognized in kb.EntityRecognizer("checkpoint", flat=True).fit("train.jsonl").predict(["text"]):
        assert_type(recognized, entity.Prediction | None)
        for one in recognized.entities if recognized else ():
            assert_type(one, Entity)
            assert_type((one.entity, one.type, one.start, one.end), tuple[str, str, int, int])
            assert_type(one.probability, float | None)


def evaluation() -> None:
    task = kb.load("run", engine="openvino")
    assert_type(task, Task[Any])
    report = task.evaluate(kb.read("test.xlsx", header=False, encoding="gb18030", sheet=2))
    assert_type(report, kb.Report)
    assert_type(report.numbers(), dict[str, int | float])
    assert_type(report.errors, list[dict[str, Any]])
    assert_type(kb.fit_seeds(kb.TextClassifier(), "train.csv", seeds=3, test="test.csv"), kb.TextClassifier)
    assert_type(kb.fit_folds(kb.SubjectExtractor(), "train.csv", folds=3), kb.SubjectExtractor)
    curve = kb.fit_learning_curve(kb.TextClassifier(), ["a"], ["x"], shares=[0.1, 1], seeds=3, dev="dev.csv")
    assert_type(curve, kb.TextClassifier)
    space = {"dropout": {"low": 0, "high": 0.3}, "batch_size": [16, 32]}
    assert_type(kb.search(kb.EntityRecognizer(), "train.jsonl", space=space, trials=5), kb.EntityRecognizer)
    kb.search(kb.TextClassifier(), "train.csv", trials="5")  # type: ignore[arg-type]
    kb.fit_seeds("classify", "train.csv")  # type: ignore[type-var]


def annotation() -> None:
    rows = kb.annotate(kb.load("run"), ["text"], uncertain_first=True)
    assert_type(kb.write(rows, "new.jsonl", "doccano"), Counter[str])
    kb.annotate("run", ["text"])  # type: ignore[arg-type]


def sharing() -> None:
    assert_type(kb.push_to_hub("run", "owner/name", private=False), str)
    kb.push_to_hub(kb.load("run"), "owner/name", token="hf_...")
    kb.push_to_hub("run")  # type: ignore[call-arg]
    kb.export("run", "out", "openvino", int8=True, calibrate="train.csv", tolerance=0.1)
    kb.TextClassifier().fit("train.csv", teacher="run", unlabelled=["text"])
    kb.fit_seeds(kb.TextClassifier(), "train.csv", teacher=kb.load("run"), unlabelled="more.txt")


def explanation_and_comparison() -> None:
    task = kb.load("run")
    found = kb.explain(task, "text", answer="+")
    assert_type(found, Explanation)
    assert_type(found.shown, str)
    kb.explain("run", "text")  # type: ignore[arg-type]
    compared = kb.compare(["one", "other"])
    assert_type(compared, Comparison)
    assert_type(compared.differences[0].texts, int)
    audited = kb.audit(kb.TextClassifier(), "train.csv", test="test.csv", folds=3)
    assert_type(audited, Audit)
    assert_type(audited.counts, dict[str, int])
    kb.audit("classify", "train.csv")  # type: ignore[arg-type]
    kb.strategy("cpu")
    kb.strategy(0)  # type: ignore[arg-type]


def checkpoints_and_tokenizers() -> None:
    checkpoint = kb.find_checkpoint("checkpoint", cased=True)
    assert_type(checkpoint, kb.Checkpoint)
    assert_type(checkpoint.vocabulary, list[str])
    assert_type(checkpoint.name, str)
    kb.load_trained_model_from_checkpoint(checkpoint.config_file, checkpoint.checkpoint_file, seq_len=128)
    kb.load_trained_model_from_checkpoint("bert_config.json")  # type: ignore[call-arg]
    assert_type(kb.fill_mask(checkpoint, "[MASK]", top=3), list[list[tuple[str, float]]])
    tokenizer = kb.Tokenizer.from_file("vocab.txt", cased=False)
    assert_type(tokenizer.tokens(tokenizer.encode("text").ids), list[str])


def unknown_name() -> None:
    try:
        kb.TextClasifier()  # type: ignore[attr-defined]
    except kb.InputError as error:
        assert_type(error, kb.InputError)
