"""What is found without a model: duplicates, names, truncated texts, other scripts, unlabelled strings."""

import pytest

import kbert_tasks as kb
from kbert_tasks.auditing import duplicates, gold_answers, names, texts, unlabelled
from kbert_tasks.tasks.judging import Judgement

pytest.importorskip("datasketch")

LONG = "这家酒店的房间很干净，服务员也很热情，早餐的种类比较多，下次来还会再住"


def prepared(task, rows, labels=None):
    examples = task.examples(rows, labels)
    task.prepare(examples.rows)
    return task.judging(), examples


def found(findings):
    return {each.place: each for each in findings}


def test_identical_texts_with_different_labels_suggest_the_majority():
    judging, examples = prepared(
        kb.TextClassifier(), ["Good hotel", "good  hotel", "ＧＯＯＤ HOTEL", "bad"], ["+", "+", "-", "-"]
    )
    texts_ = duplicates.texts_of(judging.task, examples)
    made = found(duplicates.conflicts(judging, examples, texts_))
    assert set(made) == {0, 1, 2}
    assert made[2].suggested == "+" and made[2].reason == "the same text has another answer in rows 1, 2"
    assert made[0].suggested is None and made[0].reason == "the same text has another answer in row 3"


def test_nearly_identical_texts_with_different_labels_are_found():
    judging, examples = prepared(
        kb.TextClassifier(), [LONG, LONG + "！！", LONG[:10], LONG + "。"], ["好", "坏", "坏", "好"]
    )
    made = list(duplicates.conflicts(judging, examples, duplicates.texts_of(judging.task, examples)))
    assert {each.kind for each in made} == {"similar text"}
    assert {each.place for each in made} == {0, 1, 3}


def test_different_entities_of_nearly_identical_texts_are_no_conflict():
    rows = [
        {
            "text": f"{name}昨天在青岛参加了这次为期三天的行业会议，并且发表了讲话",
            "entities": [{"start": 0, "end": 3, "type": "人"}],
        }
        for name in ("方小雪", "方大雪")
    ]
    judging, examples = prepared(kb.EntityRecognizer(), rows)
    texts_ = duplicates.texts_of(judging.task, examples)
    assert list(duplicates.similar(texts_, texts_))
    assert not list(duplicates.conflicts(judging, examples, texts_))
    rows[1]["entities"].append({"start": 5, "end": 8, "type": "地"})
    rows[0]["text"] = rows[1]["text"].replace("大", "小")
    judging, examples = prepared(kb.EntityRecognizer(), rows)
    assert len(list(duplicates.conflicts(judging, examples, duplicates.texts_of(judging.task, examples)))) == 2


def test_texts_of_the_test_file_are_found_with_their_labels():
    task = kb.TextClassifier()
    judging, examples = prepared(task, [LONG, "太吵", "一般"], ["好", "坏", "坏"])
    test = task.examples([LONG + "。", "太吵", "太吵 "], ["坏", "坏", "好"])
    made = found(
        duplicates.in_test(
            judging,
            examples,
            *(duplicates.texts_of(task, e) for e in (examples,)),
            test,
            duplicates.texts_of(task, test),
        )
    )
    assert made[1].reason == "the same text is in rows 2, 3 of the test file with another answer"
    assert made[0].reason.endswith("is in row 1 of the test file with another answer") and 2 not in made


def test_names_that_look_alike_and_rare_names():
    judging, examples = prepared(kb.TextClassifier(), list("abcdefgh"), ["好评"] * 4 + ["好评\u200b"] + ["差评"] * 3)
    made = list(names.names(judging, examples))
    assert [(each.kind, each.place) for each in made] == [("name", 4), ("rare", 4)]
    assert (
        "'好评\\u200b' (1) differs from '好评' (4)" in made[0].reason
        and made[1].reason == "only 1 text has '好评\\u200b'"
    )


def test_truncated_texts_texts_without_letters_and_other_scripts():
    task = kb.TextClassifier()
    rows = [f"房间{n}很干净，服务也不错，下次" for n in "一二三四五六"] + [
        "The room was very clean",
        "？！",
        "早餐\ufffd",
        "好吃。",
    ]
    examples = task.examples(rows, ["好", "坏"] * 5)
    made = [(each.kind, each.place) for each in texts.texts(examples)]
    assert made == [("script", 6), ("empty", 7), ("truncated", 8)] or sorted(made) == sorted(
        [("script", 6), ("empty", 7), ("truncated", 8)]
    )
    rows = [text for text in rows if "The" not in text]
    made = [(each.kind, each.place) for each in texts.texts(task.examples(rows, ["好"] * 9))]
    assert [place for kind, place in made if kind == "truncated"] == [0, 1, 2, 3, 4, 5, 7]


def test_entity_strings_without_a_label_are_found_where_no_other_entity_covers_them():
    def row(text, *entities):
        return {"text": text, "entities": [{"start": s, "end": e, "type": t} for s, e, t in entities]}

    rows = [
        row("方小雪来了", (0, 3, "人")),
        row("方小雪走了", (0, 3, "人")),
        row("他见到方小雪"),
        row("方小雪奖颁发了", (0, 4, "奖")),
        row("没有人"),
    ]
    judging, examples = prepared(kb.EntityRecognizer(), rows)
    made = found(unlabelled.unlabelled(judging, examples))
    assert set(made) == {2} and made[2].reason == "'方小雪 | 人' is an answer in rows 1, 2, not here"


def test_words_inside_other_words_are_not_unlabelled():
    rows = [{"text": text, "entities": [{"start": 0, "end": 3, "type": "P"}]} for text in ("Ann came", "Ann left")]
    rows.append({"text": "Annabel stayed", "entities": []})
    assert not list(unlabelled.unlabelled(*prepared(kb.EntityRecognizer(), rows)))


def test_subjects_of_other_events_are_not_unlabelled():
    rows = [
        (f"长河科技公告{n}", kind, subject)
        for n, kind, subject in ((1, "减持", "长河科技"), (2, "减持", "长河科技"), (3, "减持", ""), (4, "增持", ""))
    ]
    table = [dict(zip(("text", "event_type", "subject"), each, strict=True)) for each in rows]
    made = found(unlabelled.unlabelled(*prepared(kb.SubjectExtractor(), table)))
    assert set(made) == {2}


def judgement(gold, other, spurious=False):
    return Judgement(gold, other, gold * (1 - other), None, "", spurious=spurious)


def test_gold_answers_are_suspicious_if_they_are_improbable_and_another_one_is_as_probable_as_gold_answers_are():
    doubtful = [(0.02, 0.95), (0.3, 0.95), (0.02, 0.4), (1e-5, 0.0, True), (0.02, 0.0, True)]
    judgements = [judgement(0.9, 0.0)] * 8 + [judgement(*each) for each in doubtful]
    scores, suspicious = gold_answers.suspects(judgements)
    assert suspicious.tolist() == [False] * 8 + [True, False, False, True, False]
    assert scores.argsort()[:2].tolist() == [11, 8]


def test_models_that_find_hardly_any_answer_suspect_none():
    _, suspicious = gold_answers.suspects([judgement(1e-5, 0.0, True)] * 30 + [judgement(0.02, 0.01)])
    assert not suspicious.any()
    assert gold_answers.suspects([])[1].tolist() == []


def test_page_escapes_texts_labels_and_file_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "<i>.csv"
    file.write_text("text,label\n<script>x</script>,<b>\n<script>x</script>,&\n", encoding="utf-8")
    kb.audit(kb.TextClassifier(), file, texts_only=True).write("out")
    page = (tmp_path / "out" / "audit.html").read_text("utf-8")
    assert "<script>" not in page and "&lt;script&gt;x&lt;/script&gt;" in page
    assert "&lt;b&gt;" in page and "&lt;i&gt;.csv" in page and "<i>" not in page
    assert 'id="same-text"' in page and "Content-Security-Policy" in page
