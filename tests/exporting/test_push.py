"""Uploading to the Hugging Face Hub, with a local server in its place."""

import base64
import http.server
import json
import shutil
import threading

import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.saving import folder as layout

TOKEN = "hf_writer"


class Hub(http.server.ThreadingHTTPServer):
    """The part of the Hub that `create_repo` and `create_commit` need; `files` are those of the repositories."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.private, self.files, self.tokens, self.bodies = {}, {}, set(), []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.server.tokens.add(token)
        parts = self.path.split("?")[0].strip("/").split("/")
        if token == "hf_unknown":
            return self.answer(401, {"error": "Invalid username or password."})
        if parts[:2] == ["api", "repos"]:
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            if token == "hf_reader":
                return self.answer(403, {"error": f"You don't have the rights to create {name}"})
            if name in self.server.private:
                return self.answer(409, {"url": f"{self.server.url}/{name}"})
            self.server.private[name] = asked.get("private", asked.get("visibility") == "private")
            return self.answer(200, {"url": f"{self.server.url}/{name}"})
        if parts[-1] == "validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        _, _, owner, name, action, revision = parts
        if revision != "main":
            return self.answer(404, {"error": "no such branch"}, "RevisionNotFound")
        if action == "preupload":
            files = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False, "oid": None} for path in files]
            return self.answer(200, {"files": modes})
        found = self.server.files.setdefault(f"{owner}/{name}", {})
        for line in body.splitlines():
            each = json.loads(line)
            if each["key"] == "file":
                found[each["value"]["path"]] = base64.b64decode(each["value"]["content"])
        url = f"{self.server.url}/{owner}/{name}/commit/1"
        return self.answer(200, {"commitUrl": url, "commitOid": "0" * 40, "success": True})

    def answer(self, status, content, code=None):
        body = json.dumps(content).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    made = Hub()
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def run(hotel, tmp_path):
    """A copy of the saved folder, with evaluated texts and paths of this machine."""
    run = shutil.copytree(hotel[1], tmp_path / "run")
    answer = {
        "row": 1,
        "text": "secret text",
        "gold": "好",
        "predicted": "坏",
        "right": False,
        "loss": 1.0,
        "tokens": 3,
    }
    for name in (layout.ERRORS, layout.ANSWERS):
        (run / name).write_text(json.dumps(answer, ensure_ascii=False) + "\n", encoding="utf-8")
    (run / layout.PAGE).write_text("<p>secret text</p>", encoding="utf-8")
    for name in (layout.REPORT, layout.TASK):
        content = json.loads((run / name).read_text(encoding="utf-8"))
        content["settings"]["tensorboard"] = "/home/secret"
        if name == layout.REPORT:
            content |= {"command": "kbert-train /home/secret", "files": {"train": "/home/secret/train.csv"}}
            content["plan"]["lines"].append("/home/secret/train.xlsx: the first of two sheets")
        (run / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return run


def downloaded(server, repo, folder):
    folder.mkdir()
    for name, content in server.files[repo].items():
        (folder / name).write_bytes(content)
    return folder


def test_uploaded_task_loads_and_contains_no_texts_and_no_paths(server, run, tmp_path):
    url = kb.push_to_hub(run, "owner/hotel", endpoint=server.url)
    assert url == f"{server.url}/owner/hotel/commit/1"
    assert server.private == {"owner/hotel": True} and server.tokens == {TOKEN}
    found = server.files["owner/hotel"]
    assert found.keys() == layout.LAYOUT.keys() - {layout.PAGE, layout.RUN}
    assert found[layout.ERRORS] == found[layout.ANSWERS] == b""
    assert not any(b"secret" in content for content in [*found.values(), *server.bodies])
    card = found[layout.CARD].decode()
    assert 'snapshot_download("owner/hotel")' in card and "OWNER/NAME" not in card
    task = kb.load(downloaded(server, "owner/hotel", tmp_path / "copy"))
    assert task.predict(["好"]) == kb.load(run).predict(["好"])
    kb.report(task, tmp_path / "report.html")


def test_texts_are_uploaded_if_asked(server, run):
    kb.push_to_hub(run, "owner/hotel", endpoint=server.url, texts=True)
    found = server.files["owner/hotel"]
    assert found.keys() == layout.LAYOUT.keys() - {layout.RUN}
    assert all(b"secret text" in found[name] for name in (layout.ERRORS, layout.ANSWERS, layout.PAGE))


def test_trained_task_is_uploaded_without_a_folder(server, hotel):
    kb.push_to_hub(hotel[0], "owner/hotel", endpoint=server.url, private=False, token="hf_other")
    assert server.private == {"owner/hotel": False} and server.tokens == {"hf_other"}
    assert server.files["owner/hotel"][layout.CARD].decode().count("# hotel\n") == 1


def test_command_uploads_tasks_and_checkpoints(server, run, checkpoint, tmp_path, capsys):
    assert cli.checkpoint(["push", str(run), "owner/hotel", "--endpoint", server.url, "--public"]) == 0
    assert capsys.readouterr().out == f"{server.url}/owner/hotel/commit/1\n"
    assert server.private == {"owner/hotel": False}
    assert cli.checkpoint(["push", str(checkpoint), "owner/tiny", "--endpoint", server.url]) == 0
    from kbert_tasks.checkpoint.convert import import_folder

    made = import_folder(downloaded(server, "owner/tiny", tmp_path / "hf"), tmp_path / "back")
    assert kb.Checkpoint.open(made).config["hidden_size"] == kb.Checkpoint.open(checkpoint).config["hidden_size"]
    assert cli.checkpoint(["push", str(checkpoint), "owner/tiny", "--texts", "--endpoint", server.url]) == 2
    assert "--texts is for trained tasks" in capsys.readouterr().err


def error(*arguments, **options):
    with pytest.raises(kb.InputError) as found:
        kb.push_to_hub(*arguments, **options)
    return str(found.value)


def test_errors_are_one_sentence(server, run, tmp_path, monkeypatch):
    import huggingface_hub

    assert "does not exist" in error(tmp_path / "nowhere", "owner/hotel", endpoint=server.url)
    assert "should be OWNER/NAME" in error(run, "hotel", endpoint=server.url)
    assert "token is not valid" in error(run, "owner/a", endpoint=server.url, token="hf_unknown")
    assert "may not write there" in error(run, "owner/b", endpoint=server.url, token="hf_reader")
    assert "has no branch v9" in error(run, "owner/c", endpoint=server.url, revision="v9")
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    assert "needs a token that may write" in error(run, "owner/d", endpoint=server.url)
    assert not any(b"secret" in body for body in server.bodies)


def test_unreachable_server_is_named(run):
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as closed:
        url = f"http://127.0.0.1:{closed.server_port}"
    assert f"could not be uploaded to {url}: " in error(run, "owner/a", endpoint=url, token=TOKEN)
