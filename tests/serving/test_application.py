"""The endpoints: answers as those of kbert-predict, and one sentence for every request that cannot be answered."""

import io
import json
import logging
import threading
from concurrent.futures import Future
from unittest import mock

import anyio
import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.serving import answering, batching
from kbert_tasks.serving.application import application
from kbert_tasks.serving.limits import Limits

PREDICT = "/models/hotel/predict"
TEXTS = ["房间很干净", "太吵", "", "好 \U0001f600", "  ", "the room was clean"]


def error(response, status):
    """The sentence of an error; checks the form of the response."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json" and set(response.json()) == {"error"}
    sentence = response.json()["error"]
    assert sentence and "\n" not in sentence and "Traceback" not in sentence and len(sentence) < 510
    return sentence


def test_answers_are_those_of_kbert_predict(client, hotel, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\n".join(TEXTS).encode())))
    assert cli.predict([str(hotel[1]), "-", "--format", "jsonl"]) == 0
    expected = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    response = client.post(PREDICT, json={"texts": TEXTS})
    assert response.status_code == 200 and response.json()["model"] == "hotel"
    for one, other in zip(expected, response.json()["answers"], strict=True):
        assert one.pop("text") is not None
        assert one["label"] == other["label"] and one["probability"] == pytest.approx(other["probability"], abs=2e-5)
    assert response.json()["skipped"] == {"empty text": 2}


def test_rows_and_options(client):
    rows = {"rows": [{"review": "好", "stars": 3}, {"review": 7}], "options": {"text_column": "review"}}
    assert len(client.post(PREDICT, json=rows).json()["answers"]) == 2
    sure = {"texts": ["好"], "options": {"min_confidence": 1}, "all_probabilities": True}
    (answer,) = client.post(PREDICT, json=sure).json()["answers"]
    assert answer["label"] is None and set(answer["probabilities"]) == {"好", "坏"}
    assert client.post(PREDICT, json={"texts": ["好"]}).json()["answers"][0]["label"] is not None


BAD = [
    (b"", 400),
    (b"\xff", 400),
    (b"[" * 200_000, 400),
    (b'{"texts": [NaN]}', 400),
    (b'{"texts": ["\\udc00"]}', 400),
    (b'{"texts": []}', 422),
    (b'{"pairs": []}', 422),
    (b'{"rows": []}', 422),
    (b'{"rows": [{}]}', 422),
    (b'{"rows": [{"text": {}}]}', 422),
    (b'{"rows": [{"text": "a", "text ": "b"}]}', 422),
    (b"{}", 422),
    (b"[]", 422),
    (b"3", 422),
    (b'{"texts": ["a"], "rows": []}', 422),
    (b'{"texts": [null]}', 422),
    (b'{"pairs": [["a", "b"]]}', 422),
    (b'{"texts": ["a"], "options": {"epochs": 3}}', 422),
    (b'{"texts": ["a"], "options": {"min_confidence": 2}}', 422),
    (b'{"texts": ["a"], "options": {"min_confidence": 1e999}}', 422),
    (b'{"texts": ["a"], "options": {"min_confidence": {"a": []}}}', 422),
    (b'{"texts": ["a"], "options": {"text_column": 3}}', 422),
    (json.dumps({"rows": [{str(i): 1 for i in range(70)}]}).encode(), 422),
    (json.dumps({"texts": ["a"] * 257}).encode(), 413),
    (json.dumps({"texts": ["a" * 10_001]}).encode(), 413),
    (json.dumps({"rows": [{"text": "a", "more": "a" * 10_001}]}).encode(), 413),
    (b" " * 1_100_000, 413),
    (b'{"texts": ["a"], "options": {"min_confidence": ' + b"[" * 900 + b"]" * 900 + b"}}", 400),
    (json.dumps({"rows": [{"a\nb": "c"}], "options": {"text_column": "x" * 9000}}).encode(), 422),
    (json.dumps({"texts": ["a"], "options": {"min_confidence": "x" * 9000}}).encode(), 422),
]


@pytest.mark.parametrize("raw, status", BAD, ids=[f"{raw[:40]!r}" for raw, _ in BAD])
def test_invalid_requests(client, raw, status):
    error(client.post(PREDICT, content=raw, headers={"Content-Type": "application/json"}), status)
    assert client.get("/ready").status_code == 200


def test_body_without_a_length_is_limited(client):
    parts = (b" " * 100_000 for _ in range(20))
    error(client.post(PREDICT, content=parts, headers={"Content-Type": "application/json"}), 413)


def test_other_paths_methods_and_types(client):
    assert "models: hotel" in error(client.post("/models/other/predict", json={}), 404)
    assert "models: hotel" in error(client.post("/models/%FF%00/predict", json={}), 404)
    error(client.get("/nothing"), 404)
    error(client.get(PREDICT), 405)
    for path in (
        "/models/",
        f"{PREDICT}/",
    ):  # a redirect would name the address that the client gave in the header Host
        error(client.post(path, json={}, follow_redirects=False), 404)
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "multipart/form-data"}):
        assert "application/json" in error(client.post(PREDICT, content=b'{"texts": ["a"]}', headers=headers), 415)


def test_columns_are_named(client):
    asked = {"rows": [{"text": "a"}, {"review": "b", "stars": 1}]}
    assert error(client.post(PREDICT, json=asked), 422) == "rows[1] has no key 'text', found: review, stars"


def test_models_and_states(client, hotel):
    (model,) = client.get("/models").json()["models"]
    assert model["name"] == "hotel" and model["title_zh"] == "文本分类" and model["second_text"] is None
    assert model["engine"] == "keras" and model["options"]["min_confidence"] is None
    assert client.get("/health").status_code == client.get("/ready").status_code == 200


def test_explanation_is_that_of_kbert_explain(client, hotel):
    asked = {"text": "房间很干净", "answer": "坏", "steps": 3}
    found = client.post("/models/hotel/explain", json=asked).json()
    expected = kb.explain(hotel[0], "房间很干净", answer="坏", steps=3).as_dict()
    assert found["answer"] == "坏" and [t["token"] for t in found["tokens"]] == [t["token"] for t in expected["tokens"]]
    assert found["score"] == pytest.approx(expected["score"], abs=1e-4)


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"text": ""}, "there is nothing to explain"),
        ({"text": "a", "text_b": "b"}, "single texts"),
        ({"text": "a", "answer": "better"}, "is not a label"),
        ({"text": "a", "answer": {"a": [1]}}, "is not a label"),
        ({"text": "a", "answer": [[]]}, "is not a label"),
        ({"text": "a", "steps": 0}, "steps should be greater than or equal to 1"),
        ({"text": "a", "steps": 10**9}, "steps should be less than"),
        ({"text": "a", "options": {"x": 1}}, "no option"),
    ],
)
def test_explanations_that_are_not_possible(client, asked, words):
    assert words in error(client.post("/models/hotel/explain", json=asked), 422)


def test_key(started):
    with started(key="secret") as client:
        asked = {"json": {"texts": ["好"]}}
        for headers in (
            {},
            {"X-API-Key": "secre"},
            {"X-API-Key": "密"},
            {"Authorization": "Bearer x"},
            {"X-API-Key": ""},
        ):
            response = client.post(PREDICT, headers={name: value.encode() for name, value in headers.items()}, **asked)
            assert "X-API-Key" in error(response, 401) and response.headers["WWW-Authenticate"] == "Bearer"
        for headers in ({"X-API-Key": "secret"}, {"Authorization": "Bearer secret"}):
            assert client.post(PREDICT, headers=headers, **asked).status_code == 200
            assert client.get("/models", headers=headers).status_code == 200
        for path in ("/models", "/metrics"):
            error(client.get(path), 401)
        for path in ("/page/hotel/answer", "/models/hotel/explain", "/models/other/predict"):
            error(client.post(path, json={"text": "a"}), 401)
        for path in ("/health", "/ready", "/", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 200


def test_too_many_waiting_requests(started, monkeypatch):
    go, begun, real = threading.Event(), threading.Event(), batching.decoded

    def slow(*arguments):
        begun.set()
        go.wait(60)
        return real(*arguments)

    monkeypatch.setattr(batching, "decoded", slow)
    with started({"max_waiting": 1}) as client:
        found = []
        first = threading.Thread(target=lambda: found.append(client.post(PREDICT, json={"texts": ["好"]})))
        first.start()
        begun.wait(60)
        response = client.post(PREDICT, json={"texts": ["坏"]})
        assert "1 requests are waiting" in error(response, 429) and response.headers["Retry-After"] == "1"
        assert client.get("/ready").status_code == 503 and client.get("/health").status_code == 200
        go.set()
        first.join()
        assert found[0].status_code == 200 and client.get("/ready").status_code == 200


def test_time_limit(started, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(batching, "decoded", lambda *_: go.wait(60))
    with started({"timeout": 0.2}) as client:
        response = client.post(PREDICT, json={"texts": ["好"]})
        assert "within 0.2 seconds" in error(response, 503) and response.headers["Retry-After"] == "1"
        go.set()


def test_time_limit_includes_the_time_to_receive_the_body(models):
    """A body that needs half of the time leaves the other half for the answer."""
    app = application(models, Limits(timeout=1.0))
    answerer, sent = app.state.answerer, []

    async def receive():
        await anyio.sleep(0.6)
        return {"type": "http.request", "body": b'{"texts": ["a"]}'}

    async def send(message):
        sent.append(message)

    async def main():
        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": PREDICT, "headers": headers, "query_string": b"", "app": app}
        began = anyio.current_time()
        with mock.patch.object(answerer._batcher, "ask", lambda _: Future()):
            await app(scope, receive, send)
        return anyio.current_time() - began

    took = anyio.run(main)
    answerer.stop()
    assert sent[0]["status"] == 503 and took < 1.5


def test_unexpected_error_is_one_sentence_without_the_text(started, monkeypatch, caplog):
    message = f"{'房间'} is {'secret'}"

    def failing(*_, **__):
        raise RuntimeError(message)

    monkeypatch.setattr(batching, "decoded", failing)
    monkeypatch.setattr(answering, "explain", failing)
    with started() as client:
        for path, asked in ((PREDICT, {"texts": ["房间"]}), ("/models/hotel/explain", {"text": "房间"})):
            assert "secret" not in error(client.post(path, json=asked), 500)
    assert "RuntimeError" in caplog.text and "secret" not in caplog.text


def test_metrics(started):
    with started() as client:
        client.post(PREDICT, json={"texts": ["好", "坏"]})
        client.post("/models/other/predict", json={})
        client.get("/" + "x" * 50)
        text = client.get("/metrics").text
    ends = [
        'kbert_requests_total{endpoint="/models/{name}/predict",model="hotel",status="200"} 1.0',
        'kbert_requests_total{endpoint="/models/{name}/predict",model="",status="404"} 1.0',
        'kbert_requests_total{endpoint="other",model="",status="404"} 1.0',
        'kbert_texts_total{model="hotel"} 2.0',
        "kbert_batch_texts_sum 2.0",
        "kbert_waiting_requests 0.0",
    ]
    assert [each for each in ends if each not in text] == [] and "xxx" not in text


@pytest.mark.parametrize("log", ["errors", "requests", "texts"])
def test_texts_are_logged_only_on_request(started, log, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    with started(log=log) as client:
        client.post(PREDICT, json={"texts": ["房间"]})
        client.post(PREDICT, json={"texts": []})
        client.get("/health")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert [line["status"] for line in lines] == ([] if log == "errors" else [200, 422])
    assert ["房间" in json.dumps(line, ensure_ascii=False) for line in lines] == [log == "texts", False][: len(lines)]
    assert "房间" not in caplog.text
    if log == "texts":
        assert lines[0]["rows"] == ["房间"] and lines[0]["answers"][0]["label"]


def test_schema_describes_every_endpoint(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {f"/models/{{name}}/{each}" for each in ("predict", "explain")} | {
        "/models", "/health", "/ready", "/metrics"
    }  # fmt: skip
    body = paths["/models/{name}/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"texts", "pairs", "rows", "options", "all_probabilities"}
