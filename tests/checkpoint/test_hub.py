import http.server
import json
import os
import subprocess
import sys
import threading
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from kbert_tasks.checkpoint import catalog, find, hub
from kbert_tasks.errors import InputError

from .. import tiny

WORDS = tiny.vocabulary()
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.ThreadingHTTPServer):
    """The part of the Hub that `hf_hub_download` needs: HEAD and GET of files of `owner/name` at one commit."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files, self.requests = {}, []
        self.codes = True  # whether an error names what is missing; some mirrors do not do this


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        parts = self.path.removeprefix("http://hub.test").strip("/").split("/")
        repo, revision, name = "/".join(parts[:2]), *(parts[3:] + [None, None])[:2]
        body, code = self.server.files.get(name), "EntryNotFound"
        if repo in ("owner/closed", "owner/gated"):
            body, code = None, "RepoNotFound" if repo == "owner/closed" else "GatedRepo"
        elif revision not in ("main", COMMIT):
            body, code = None, "RevisionNotFound"
        status = 200 if body is not None else {"RepoNotFound": 401, "GatedRepo": 403}.get(code, 404)
        self.send_response(status)
        self.send_header("X-Repo-Commit", COMMIT)
        if body is None and self.server.codes:
            self.send_header("X-Error-Code", code)
        body = body or b""
        self.send_header("ETag", f'"{sha256(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Starts a Hub, and makes huggingface_hub use an empty cache and no other server."""
    from huggingface_hub import constants

    made = Hub()
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)  # telemetry uses the real Hub
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The files of a tiny Hugging Face model: name to content."""
    from kbert_tasks.checkpoint.convert import export_folder

    folder = tmp_path_factory.mktemp("model")
    export_folder(tiny.checkpoint(folder / "tiny", seed=3, tokens=WORDS), folder / "hf")
    return {path.name: path.read_bytes() for path in (folder / "hf").iterdir()}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_model_from_the_hub_is_converted_to_a_checkpoint(server, model, tmp_path):
    from kbert_tasks.checkpoint.checkpoint import Checkpoint

    server.files = model
    folder = hub.fetch("hf:owner/name", tmp_path / "into", mirror=server.url + "/")
    assert folder == tmp_path / "into" / "hf_owner_name"
    assert names(folder.parent) == ["hf_owner_name"]
    checkpoint, wanted = Checkpoint.open(folder), tiny.tensors(tiny.config(vocab_size=len(WORDS)), seed=3)
    assert checkpoint.cased is False
    for name, array in checkpoint.tensors().items():
        np.testing.assert_array_equal(array, wanted[name])
    assert json.loads((folder / "kbert_source.json").read_text()) == {
        "name": "hf_owner_name", "hub": "hf:owner/name", "revision": COMMIT, "cased": False,
    }  # fmt: skip

    requests_before = len(server.requests)
    assert hub.fetch("owner/name", tmp_path / "into", mirror=server.url) == folder
    assert find.locate("hf:owner/name", into=tmp_path / "into") == folder
    assert len(server.requests) == requests_before


def test_catalog_entry_keeps_its_name_and_casing(server, model, tmp_path, monkeypatch):
    from kbert_tasks.checkpoint.checkpoint import Checkpoint

    server.files = model
    entry = catalog.Entry("tiny", "Tiny", "zh", True, 2, 16, 2, len(tiny.vocabulary()), hub="hf:owner/name")
    monkeypatch.setattr(catalog, "entries", lambda: (entry,))
    folder = find.locate("tiny", into=tmp_path / "into", mirror=server.url)
    assert folder == tmp_path / "into" / "tiny"
    assert Checkpoint.open(folder).cased is True


def test_shards_and_revision_are_downloaded(server, model, tmp_path):
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}}
    server.files = {name: body for name, body in model.items() if name != "model.safetensors"} | {
        "model.safetensors.index.json": json.dumps(index).encode(),
        "model-1.safetensors": b"1",
        "model-2.safetensors": b"2",
    }
    found = hub._files("owner/name", COMMIT, server.url)
    assert {"model-1.safetensors", "model-2.safetensors", "vocab.txt", "config.json"} <= set(names(found))
    assert all(f"/resolve/{COMMIT}/" in path for path in server.requests)

    for bad in (b"[]", b"{", b'{"weight_map": {"a": "weights.bin"}}', b'{"weight_map": {"a": "none.safetensors"}}'):
        server.files["model.safetensors.index.json"] = bad
        with pytest.raises(InputError, match="use another revision"):
            hub._files("owner/other" + sha256(bad).hexdigest()[:5], None, server.url)


@pytest.mark.parametrize(
    "missing, repo, message",
    [
        ("model.safetensors", "owner/name", "no model.safetensors, and a pickle such as pytorch_model.bin"),
        ("config.json", "owner/name", "no config.json"),
        ("vocab.txt", "owner/name", "no vocab.txt and no tokenizer.json"),
        (None, "owner/closed", "check the name.*HF_TOKEN"),
        (None, "owner/gated", "requires that you accept its terms"),
        (None, "owner/name@v9", "no revision v9"),
        (None, "name", "should be hf:OWNER/NAME"),
        (None, "hf:a/b/c", "should be hf:OWNER/NAME"),
        (None, "hf:../name", "could not be downloaded"),
    ],
)
def test_unavailable_model_is_reported_in_one_sentence(server, model, tmp_path, missing, repo, message):
    server.files = {name: body for name, body in model.items() if name != missing} | {"pytorch_model.bin": b"pickle"}
    with pytest.raises(InputError, match=message) as caught:
        hub.fetch(repo, tmp_path / "into", mirror=server.url)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "into").exists() or names(tmp_path / "into") == []
    assert "pytorch_model.bin" not in "".join(server.requests)


def test_mirror_that_answers_only_404_is_supported(server, model):
    server.files, server.codes = model, False
    assert "tokenizer_config.json" in names(hub._files("owner/name", None, server.url))
    assert any("tokenizer.json" in path for path in server.requests)


def test_model_that_is_not_bert_is_rejected(server, model, tmp_path):
    server.files = model | {"config.json": model["config.json"].replace(b'"bert"', b'"gpt2"')}
    with pytest.raises(InputError):
        hub.fetch("owner/name", tmp_path / "into", mirror=server.url)
    assert names(tmp_path / "into") == []


def test_missing_network_is_reported(server, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="could not be downloaded: no config.json from .*--mirror.*--proxy"):
        hub.fetch("owner/name", tmp_path / "into", mirror=server.url)


def test_proxy_is_used_and_the_environment_is_restored(server, model):
    server.files = model
    before = dict(os.environ)
    with hub._through(server.url):
        hub._files("owner/name", None, "http://hub.test")
    assert server.requests[0].startswith("http://hub.test/owner/name/")
    assert dict(os.environ) == before


def test_endpoint_of_the_environment_is_used(server, model, tmp_path):
    server.files = model
    environment = os.environ | {
        "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    environment.pop("HF_HUB_CACHE", None)
    code = "from kbert_tasks.checkpoint import hub; print(hub._files('owner/name', None, None))"
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=60
    )
    assert "model.safetensors" in names(Path(result.stdout.strip().splitlines()[-1]))
