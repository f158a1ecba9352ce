"""Every task can be served without a line of its own: answers, explanations and pages."""

import json
import re

import pytest

import kbert_tasks as kb
from kbert_tasks import tasks
from kbert_tasks.samples import path
from kbert_tasks.serving.models import Models

QUICK = {"epochs": 1, "max_length": 32, "learning_rate": 1e-4, "ema_decay": 0.0, "head_lr_multiplier": 1.0}


@pytest.fixture(scope="module", params=[name for name in tasks.names() if path(name, "zh", "train").is_file()])
def served(request, checkpoint, started, tmp_path_factory):
    """(client, task, rows) of a task that was trained on a few rows of its sample."""
    kind = tasks.find(request.param)
    low = {"threshold": 0.05} if hasattr(kind.Settings, "threshold") else {}  # so that it gives answers
    task = kind(checkpoint, **QUICK, **low).fit(kb.read(path(request.param, "zh", "train")).head(40))
    folder = tmp_path_factory.mktemp("served") / "run"
    task.save(folder)
    rows = kb.read(path(request.param, "zh", "test")).head(6)
    with started(served=Models({"it": folder}, "keras")) as client:
        yield client, task, json.loads(rows.to_json(orient="records"))


def texts_of(task, rows):
    return [task.texts_of(example) for example in task.examples(rows, gold=False).rows]


def test_answers_and_explanations(served):
    client, task, rows = served
    response = client.post("/models/it/predict", json={"rows": rows})
    assert response.status_code == 200, response.text
    expected = [task.to_json(each) for each in task.predict(rows)]
    for one, other in zip(expected, response.json()["answers"], strict=True):
        assert set(other) == set(task.ANSWER)
        assert one[task.ANSWER[0]] == other[task.ANSWER[0]] or isinstance(one[task.ANSWER[0]], list)


def test_page(served):
    client, task, rows = served
    (example,) = task.examples(rows[:1], gold=False).rows
    second = getattr(example, task.presentation.question[-1], None) if task.paired else None
    asked = {"text": example.text} | ({} if second is None else {"text_b": second})
    answer = client.post("/page/it/answer", json=asked)
    assert answer.status_code == 200 and "explain" in answer.text, answer.text
    if task.presentation.keys:
        assert 'class="marked"' in answer.text
        table = re.search(r"<thead>(.*?)</thead>", answer.text)
        assert table is None or "event" not in table[1]  # this model does not find event types
        chinese = client.post("/page/it/answer", json=asked | {"language": "zh"}).text
        assert not re.findall(r'<th scope="col"[^>]*>[a-z_]+</th>', chinese)
    explained = client.post("/page/it/explanation", json=asked | {"steps": 2})
    assert explained.status_code in (200, 422), explained.text
    if second is not None:
        assert client.get("/models").json()["models"][0]["second_text"] in task.SECOND_TEXT
        assert client.post("/models/it/predict", json={"texts": ["好"]}).status_code == 422
        pairs = client.post("/models/it/predict", json={"pairs": [[example.text, second]]})
        assert len(pairs.json()["answers"]) == 1
