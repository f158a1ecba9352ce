"""The batcher: each answer belongs to its request, and one request cannot harm another."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kbert_tasks.errors import InputError
from kbert_tasks.serving import batching
from kbert_tasks.serving.batching import Batcher, Question, chosen
from kbert_tasks.serving.questions import with_options

WORDS = ["房间很干净", "太吵", "好", "坏", "the room was clean", "酒店环境不错", "food is bad"]
TEXTS = [" ".join(WORDS[i % 7 : i % 7 + 1 + i % 5]) + "!" * (i % 11) for i in range(60)]


@pytest.fixture
def batcher():
    made = Batcher(256, 0.005)
    yield made
    made.stop()


def same(one, other):
    return one.label == other.label and one.probability == pytest.approx(other.probability, abs=1e-5)


def test_batch_begins_with_the_oldest_text_and_takes_those_of_similar_length():
    assert chosen([10, 50, 11, 9], [1, 1, 1, 1], 33) == [0, 2, 3]
    assert chosen([10, 50, 11, 9], [1, 1, 1, 1], 32) == [0, 2]
    assert chosen([10, 50, 11, 9], [1, 1, 1, 1], 1000) == [0, 2, 3, 1]
    assert chosen([10, 10], [1, 5], 50) == [0]  # a long text has several windows
    assert chosen([500, 1], [1, 1], 10) == [0]  # larger than a batch


def test_each_answer_belongs_to_its_request(hotel, batcher):
    task = hotel[0]
    expected = [task.predict([text])[0] for text in TEXTS]
    with ThreadPoolExecutor(16) as pool:
        found = [*pool.map(lambda text: batcher.ask(Question(task, [text])).result(60), TEXTS)]
    for one, answered in zip(expected, found, strict=True):
        assert len(answered.predictions) == 1 and same(one, answered.predictions[0])


def test_requests_of_many_forms_together(hotel, batcher):
    task = hotel[0]
    rows = [["好", "", "坏"], [{"text": "太吵", "other": 1}, {"text": None}], [""], ["房间"] * 70]
    futures = [batcher.ask(Question(task, each)) for each in rows]
    for given, future in zip(rows, futures, strict=True):
        answered = future.result(60)
        expected = task.predict(given)
        assert [p is None for p in answered.predictions] == [p is None for p in expected]
        assert all(same(*each) for each in zip(expected, answered.predictions, strict=True) if each[0] is not None)
        assert sum(answered.skipped.values()) == expected.count(None)


def test_requests_with_different_options_are_not_mixed(hotel, batcher):
    sure = with_options(hotel[0], {"min_confidence": 1.0})
    asked = [Question(task, [text]) for text in TEXTS[:10] for task in (hotel[0], sure)]
    found = [each.result(60).predictions[0].label for each in [batcher.ask(question) for question in asked]]
    assert None not in found[::2] and set(found[1::2]) == {None}
    assert hotel[0].settings.min_confidence is None


def test_unreadable_rows_fail_only_their_request(hotel, batcher):
    futures = [batcher.ask(Question(hotel[0], rows)) for rows in ([{"text": [1]}], [{"text": "好"}], ["好"])]
    with pytest.raises(InputError, match="expected a text or a number"):
        futures[0].result(60)
    assert all(future.result(60).predictions[0] for future in futures[1:])


def test_text_that_causes_an_error_fails_only_its_request(hotel, batcher, monkeypatch, caplog):
    real = batching.decoded

    def failing(task, examples, encoded):
        if any(example.text == "坏" for example in examples):
            raise RuntimeError(examples[0].text)
        return real(task, examples, encoded)

    monkeypatch.setattr(batching, "decoded", failing)
    futures = [batcher.ask(Question(hotel[0], [text])) for text in ("好", "坏", "吵", "坏")]
    assert [future.exception(60) is None for future in futures] == [True, False, True, False]
    assert "RuntimeError" in caplog.text and "坏" not in caplog.text
    assert batcher.alive


def test_texts_that_are_read_again_after_an_error_are_answered(hotel, monkeypatch):
    """The texts of several requests are tokenized together; if one of them fails, the others are tokenized again."""
    real = hotel[0].encode

    def failing(example):
        if example.text == "坏":
            raise RuntimeError
        return real(example)

    monkeypatch.setattr(hotel[0], "encode", failing, raising=False)
    questions = [Question(hotel[0], [text]) for text in ("好", "坏", "吵")]
    batcher = Batcher(256, 0)
    batcher._prepare(questions)
    batcher.ask(Question(hotel[0], ["好"])).result(60)
    batcher.stop()
    assert [each.future.exception(60) is None for each in questions] == [True, False, True]


def test_batches_are_limited_and_counted(hotel):
    batches = []
    batcher = Batcher(100, 0, lambda *numbers: batches.append(numbers))
    batcher.ask(Question(hotel[0], ["好" * 8] * 30)).result(60)
    batcher.stop()
    assert sum(texts for texts, _, _ in batches) == 30
    assert all(tokens <= 100 for _, tokens, _ in batches) and len(batches) == 3


def test_stopping_answers_what_was_asked(hotel):
    batcher = Batcher(64, 0.005)
    futures = [batcher.ask(Question(hotel[0], [text] * 3)) for text in TEXTS]
    batcher.stop()
    assert all(len(future.result(0).predictions) == 3 for future in futures) and not batcher.alive


def test_cancelled_request_is_not_computed(hotel, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    real, seen = batching.decoded, []

    def slow(task, examples, encoded):
        begun.set()
        go.wait(60)
        seen.extend(example.text for example in examples)
        return real(task, examples, encoded)

    monkeypatch.setattr(batching, "decoded", slow)
    batcher = Batcher(1, 0)
    first = batcher.ask(Question(hotel[0], ["好"]))
    begun.wait(60)
    second = batcher.ask(Question(hotel[0], ["坏"]))
    second.cancel()
    go.set()
    first.result(60)
    batcher.stop()
    assert seen == ["好"]
