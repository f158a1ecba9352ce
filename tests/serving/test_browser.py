"""The page of the server in headless Chromium, for each task, in a wide and a narrow window; skipped if there is no Chromium."""

import json
import socket
import threading

import pytest
import uvicorn

import kbert_tasks as kb
from kbert_tasks import tasks
from kbert_tasks.samples import path
from kbert_tasks.serving.application import application
from kbert_tasks.serving.models import Models

from .browser import CHROMIUM, Browser
from .test_tasks import QUICK

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]
NAMES = [name for name in tasks.names() if path(name, "zh", "train").is_file()]
HOSTILE = "<script>document.title = 'x'</script><img src=x onerror=\"document.title = 'x'\"> [SEP] &amp; "
# Enters a text, and waits until the server has answered and, if wanted, explained its first answer.
ASK = """
(async () => {
  const form = document.getElementById("ask"), part = (id) => document.getElementById(id), root = document.documentElement;
  const until = async (condition) => { while (!condition()) await new Promise((done) => setTimeout(done, 50)); };
  const shown = (id) => () => part(id).innerText || part("status").classList.contains("wrong");
  await until(() => form.elements.model.value);
  form.elements.model.value = MODEL;
  form.elements.model.dispatchEvent(new Event("change"));
  form.elements.text.value = TEXT;
  form.elements.text_b.value = SECOND;
  form.requestSubmit();
  await until(shown("answer"));
  await until(() => !document.querySelector("button:disabled"));
  document.querySelector("button.explain").click();
  await until(shown("explanation"));
  return {
    says: part("status").textContent, title: document.title, overflow: root.scrollWidth - root.clientWidth,
    answer: part("answer").innerText, explanation: part("explanation").innerText,
    marks: part("answer").querySelectorAll("mark").length, elements: document.querySelectorAll("main script, main img").length,
  };
})()
"""


@pytest.fixture(scope="module")
def address(checkpoint, tmp_path_factory):
    """The address of a server with a model of each task."""
    folders = {}
    for name in NAMES:
        kind = tasks.find(name)
        low = {"threshold": 0.05} if hasattr(kind.Settings, "threshold") else {}  # so that it gives answers
        task = kind(checkpoint, **QUICK, **low).fit(kb.read(path(name, "zh", "train")).head(40))
        folders[name] = tmp_path_factory.mktemp("served") / name
        task.save(folders[name])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(application(Models(folders, "keras")), log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield "http://{}:{}".format(*listening.getsockname())
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.mark.parametrize("width", [1400, 375])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", NAMES)
def test_page(address, browser, name, language, width):
    browser.messages.clear()
    browser.open(f"{address}/?lang={language}", width)
    row = kb.read(path(name, "zh", "test")).iloc[0]
    asked = {"MODEL": name, "TEXT": HOSTILE + row["text"], "SECOND": row.get("event_type", "")}
    code = ASK
    for word, value in asked.items():
        code = code.replace(word, json.dumps(value))
    found = browser.run(code)
    assert found["overflow"] == found["elements"] == 0 and found["title"] in ("Models of this server", "本服务器的模型")
    assert ("解释" if language == "zh" else "Explain") in found["answer"]
    if found["says"]:  # there is nothing to explain
        assert "the model finds no" in found["says"]
    else:
        assert ("支持" if language == "zh" else "supports") in found["explanation"]
        assert (
            not tasks.find(name).presentation.keys
            or found["marks"]
            or "probable" in found["answer"]
            or "足够高" in found["answer"]
        )
    errors = [each for each in browser.messages if "422" not in str(each)]  # Chromium logs each response with an error
    assert errors == [] and all(url.startswith(address) for url in browser.requests)


@pytest.mark.parametrize("width", [1400, 375])
def test_description(address, browser, width):
    browser.messages.clear()
    browser.open(f"{address}/docs", width)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.run(overflow) == 0 and browser.messages == []
    fonts = "document.fonts.ready.then(() => [...document.fonts].every((font) => font.status === 'loaded'))"
    assert browser.run(fonts)
