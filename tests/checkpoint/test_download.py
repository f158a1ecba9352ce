import http.server
import io
import json
import ssl
import stat
import struct
import threading
import urllib.error
import urllib.request
import zipfile
from hashlib import sha256

import pytest

from kbert_tasks.checkpoint import archive as archives
from kbert_tasks.checkpoint import catalog, download, find, install
from kbert_tasks.errors import InputError

from .. import tiny

CONTENT = bytes(range(256)) * 40  # 10,240 bytes, each block of 256 the same: a shift by less would show
NAMES = ["bert_config.json", "bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index", "vocab.txt"]


class Server(http.server.ThreadingHTTPServer):
    """Files from memory, with Range and If-Range, and with the faults that a test sets."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files, self.requests = {}, []
        self.cuts = []  # for each coming answer: bytes after which the connection ends
        self.statuses = []  # for each coming answer: a status instead of the file
        self.ranges, self.versions, self.if_range = True, True, True
        self.extra = 0  # what Content-Length says too much


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        path = self.path.removeprefix("http://google.test")  # as a proxy gets it
        server.requests.append((self.path, self.headers.get("Range")))
        body = server.files.get(path)
        if body is None or server.statuses:
            self.send_error(server.statuses.pop(0) if server.statuses else 404)
            return
        etag, asked, start = f'"{sha256(body).hexdigest()}"', self.headers.get("Range"), 0
        unchanged = not server.if_range or self.headers.get("If-Range") in (None, etag)
        if asked and server.ranges and unchanged:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if server.versions:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body) - start + server.extra))
        self.end_headers()
        end = start + server.cuts.pop(0) if server.cuts else None
        self.wfile.write(body[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """No waiting, and none of this machine's proxies."""
    monkeypatch.setattr(download, "PAUSES", (0, 0, 0, 0))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "kbert_mirror"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server():
    made = Server()
    made.files["/file.zip"] = CONTENT
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "file.zip"


def fetch(server, target, **options):
    target.parent.mkdir(exist_ok=True)
    return download.fetch(server.url + "/file.zip", target, **options)


def whole(target, content=CONTENT):
    return target.read_bytes() == content and [p.name for p in target.parent.iterdir()] == [target.name]


def ranges(server):
    return [asked for _, asked in server.requests]


def test_a_file_comes_whole_and_silently(server, target, capfd):
    assert fetch(server, target) == target
    assert whole(target)
    assert capfd.readouterr() == ("", "")
    fetch(server, target)
    assert len(server.requests) == 1


def test_a_cut_connection_is_taken_up_where_it_ended(server, target):
    server.cuts = [1000, 500]
    fetch(server, target)
    assert whole(target)
    assert ranges(server) == [None, "bytes=1000-", "bytes=1500-"]


def test_after_giving_up_the_next_call_continues_the_download(server, target):
    server.cuts = [1000] * 5
    with pytest.raises(InputError, match=r"received 5,000 of 10,240 bytes.*to continue the download.*--mirror"):
        fetch(server, target)
    assert not target.exists()
    server.requests.clear()
    fetch(server, target)
    assert whole(target)
    assert ranges(server) == ["bytes=5000-"]


def test_tries_that_bring_much_are_not_counted(server, target, monkeypatch):
    monkeypatch.setattr(download, "GAIN", 1000)
    server.cuts = [1000] * 10
    fetch(server, target)
    assert whole(target)


def test_a_server_without_ranges_restarts_the_download(server, target):
    server.ranges, server.cuts = False, [1000]
    fetch(server, target)
    assert whole(target)


@pytest.mark.parametrize("new, if_range", [(b"other" * 3000, True), (b"short", True), (b"short", False)])
def test_a_file_that_changed_is_not_patched_together(server, target, new, if_range):
    server.cuts = [1000] * 5
    with pytest.raises(InputError):
        fetch(server, target)
    server.files["/file.zip"], server.if_range = new, if_range
    fetch(server, target)
    assert whole(target, new)


def test_without_a_version_nothing_is_patched_together(server, target):
    server.versions, server.cuts = False, [1000]
    fetch(server, target)
    assert whole(target)
    assert ranges(server) == [None, None]


def test_a_part_of_another_address_is_not_used(server, target):
    server.cuts = [1000] * 5
    with pytest.raises(InputError):
        fetch(server, target)
    server.files["/other.zip"] = b"other" * 3000
    download.fetch(server.url + "/other.zip", target)
    assert whole(target, b"other" * 3000)


def test_a_length_that_is_not_kept(server, target):
    server.ranges, server.extra = False, 1
    with pytest.raises(InputError, match="received 10,240 of 10,241 bytes, then the connection was closed"):
        fetch(server, target)


def test_a_part_that_is_whole_is_only_renamed(server, target):
    fetch(server, target)
    target.rename(target.with_name("file.zip.part"))
    note = {"url": server.url + "/file.zip", "version": f'"{sha256(CONTENT).hexdigest()}"'}
    target.with_name("file.zip.part.json").write_text(json.dumps(note))
    fetch(server, target)
    assert whole(target)
    assert ranges(server) == [None, f"bytes={len(CONTENT)}-"]


def test_a_busy_server_is_asked_again(server, target):
    server.statuses = [503, 429, 500]
    fetch(server, target)
    assert whole(target)
    server.statuses = [503] * 9
    with pytest.raises(InputError, match="unknown number of bytes, then the server answered 503"):
        fetch(server, target.with_name("again.zip"))


@pytest.mark.parametrize("status, words", [(404, "does not exist"), (403, "denies access"), (407, "NAME:PASSWORD")])
def test_a_refusal_names_the_other_ways(server, target, status, words):
    server.statuses = [status]
    with pytest.raises(InputError, match=f"HTTP {status}.*{words}.*--mirror.*KBERT_MIRROR.*--proxy"):
        fetch(server, target)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "reason, words",
    [(OSError(-2, "Name or service not known"), "Name or service not known"), (TimeoutError(), "no answer for 30"),
     (ConnectionRefusedError(111, "Connection refused"), "Connection refused")],
)  # fmt: skip
def test_an_unreachable_server_is_reported_at_once(target, monkeypatch, reason, words):
    calls = []

    def fail(*_, **__):
        calls.append(1)
        raise urllib.error.URLError(reason)

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", fail)
    with pytest.raises(InputError, match=f"could not be reached .{words}.*--mirror"):
        download.fetch("https://storage.googleapis.com/x.zip", target)
    assert len(calls) == 1


def test_an_untrusted_certificate(target, monkeypatch):
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_message = "self-signed certificate"

    def fail(*_, **__):
        raise urllib.error.URLError(error)

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", fail)
    with pytest.raises(InputError, match="certificate is not trusted .self-signed.*SSL_CERT_FILE"):
        download.fetch("https://storage.googleapis.com/x.zip", target)


@pytest.mark.parametrize("way", ["option", "environment"])
def test_proxies(server, target, monkeypatch, way):
    if way == "environment":
        monkeypatch.setenv("http_proxy", server.url)
    target.parent.mkdir()
    download.fetch("http://google.test/file.zip", target, proxy=server.url if way == "option" else None)
    assert whole(target)
    assert server.requests[0][0] == "http://google.test/file.zip"


def test_addresses_that_cannot_work(target):
    with pytest.raises(InputError, match="HTTP proxy"):
        download.fetch("https://google.test/x.zip", target, proxy="socks5://127.0.0.1:1080")
    with pytest.raises(InputError, match="begin with https"):
        download.fetch("mirror.test/x.zip", target)


def test_a_disk_without_room(server, target, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: type("", (), {"free": 100}))
    with pytest.raises(InputError, match="100 bytes free.*needs 10,240"):
        fetch(server, target)


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="could not be written"):
        download.fetch(server.url + "/file.zip", tmp_path / "file" / "file.zip")


# Archives


def archive(path, files=None, home="publish/", compression=zipfile.ZIP_DEFLATED):
    """A zip of `files` (name to bytes), or of the files a release has."""
    files = {home + name: name.encode() * 100 for name in NAMES} if files is None else files
    with zipfile.ZipFile(path, "w", compression) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


def left_in(path):
    return sorted(p.name for p in path.iterdir())


@pytest.mark.parametrize("home", ["", "publish/", "a/b/c/"])
def test_unpack_takes_the_files_of_the_checkpoint_only(tmp_path, home):
    files = {home + name: name.encode() for name in (*NAMES, "other.ckpt.meta", "run.py", "deeper/vocab.txt")}
    files |= {"__MACOSX/" + home + "._bert_config.json": b"", "README": b""}
    (tmp_path / "in").mkdir()
    archives.unpack(archive(tmp_path / "in" / "x.zip", files), tmp_path / "new")
    assert left_in(tmp_path / "new") == sorted([*NAMES, "other.ckpt.meta"])
    assert (tmp_path / "new" / "vocab.txt").read_bytes() == b"vocab.txt"
    assert left_in(tmp_path) == ["in", "new"]
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "in").stat().st_mode  # not the 0700 of a temporary folder


def with_extra(path, name, mode=0o100644, content=b""):
    archive(path)
    info = zipfile.ZipInfo("placeholder")
    info.filename, info.external_attr = name, mode << 16
    with zipfile.ZipFile(path, "a") as made:
        made.writestr(info, content)


def cut_short(path):
    content = archive(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flipped(path):
    content = bytearray(archive(path, compression=zipfile.ZIP_STORED).read_bytes())
    content[300] ^= 1
    path.write_bytes(content)


def declaring(path, size):
    """The central directory says another size for the first member."""
    content = bytearray(archive(path).read_bytes())
    entry = content.index(b"PK\1\2")
    content[entry + 24 : entry + 28] = struct.pack("<I", size)
    path.write_bytes(content)


def encrypted(path):
    content = bytearray(archive(path).read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda p: with_extra(p, "../evil.txt"), "outside the target folder"),
        (lambda p: with_extra(p, "publish/../../evil.txt"), "outside the target folder"),
        (lambda p: with_extra(p, "publish\\..\\evil.txt"), "outside the target folder"),
        (lambda p: with_extra(p, "/etc/evil.txt"), "absolute"),
        (lambda p: with_extra(p, "C:\\evil.txt"), "absolute"),
        (lambda p: with_extra(p, "publish/link.txt", stat.S_IFLNK | 0o777, b"/etc/passwd"), "symbolic link"),
        (lambda p: p.write_bytes(b"<html>not found</html>"), "not a valid zip"),
        (lambda p: p.write_bytes(b""), "not a valid zip"),
        (cut_short, "not a valid zip"),
        (flipped, "damaged"),
        (encrypted, "damaged"),
        (lambda p: declaring(p, 0xF0000000), "damaged|bytes"),
        (lambda p: declaring(p, 10), "damaged"),
        (lambda p: archive(p, {"a/readme.txt": b""}), "found: a/readme.txt"),
        (lambda p: archive(p, {"a/bert_config.json": b"", "b/bert_config.json": b""}), "found: 2 of them"),
    ],
)
def test_unpack_refuses(tmp_path, make, words):
    (tmp_path / "in").mkdir()
    make(tmp_path / "in" / "x.zip")
    with pytest.raises(InputError, match=words):
        archives.unpack(tmp_path / "in" / "x.zip", tmp_path / "in" / "new")
    assert left_in(tmp_path) == ["in"]
    assert left_in(tmp_path / "in") == ["x.zip"]


def test_unpack_refuses_what_would_fill_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LIMIT", 10_000)
    archive(tmp_path / "x.zip", {"bert_config.json": b"", "other": bytes(10_001)})
    with pytest.raises(InputError, match="unpacks to 10,001 bytes"):
        archives.unpack(tmp_path / "x.zip", tmp_path / "new")


def test_unpack_replaces_nothing(tmp_path):
    (tmp_path / "new").mkdir()
    with pytest.raises(InputError, match="already exists"):
        archives.unpack(archive(tmp_path / "x.zip"), tmp_path / "new")
    with pytest.raises(InputError, match="not a file"):
        archives.unpack(tmp_path / "y.zip", tmp_path / "other")


# The whole way


def entry(name="tiny", cased=True):
    url = download.GOOGLE + "/bert_models/file.zip"
    return catalog.Entry(name, "Tiny", "zh", cased, 2, 16, 2, len(tiny.vocabulary()), url=url)


@pytest.fixture
def release(server, tmp_path):
    """A tiny checkpoint as an archive on the server."""
    made = tiny.checkpoint(tmp_path / "made", tokens=tiny.vocabulary())
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as zipped:
        for path in sorted((tmp_path / "made").iterdir()):
            zipped.write(path, f"publish/{path.name}")
    server.files["/bert_models/file.zip"] = memory.getvalue()
    return made


def test_get_makes_a_checkpoint(server, release, tmp_path, monkeypatch):
    from kbert_tasks.checkpoint.checkpoint import Checkpoint

    folder = install.get(entry(), tmp_path / "into", mirror=server.url + "/")
    assert folder == tmp_path / "into" / "tiny"
    assert left_in(folder) == sorted([*NAMES, "kbert_source.json"])
    assert left_in(folder.parent) == ["tiny"]
    assert Checkpoint.open(folder).cased is True
    assert json.loads((folder / "kbert_source.json").read_text()) == {
        "name": "tiny",
        "url": server.url + "/bert_models/file.zip",
        "sha256": sha256(server.files["/bert_models/file.zip"]).hexdigest(),
        "cased": True,
    }
    install.get(entry(), tmp_path / "into", mirror=server.url)
    assert len(server.requests) == 1

    monkeypatch.setenv("KBERT_MIRROR", server.url)
    monkeypatch.setattr(catalog, "entries", lambda: (entry("other", cased=False),))
    folder = find.locate("OTHER", into=tmp_path / "into")
    assert Checkpoint.open(folder).cased is False


def test_get_keeps_nothing_that_is_broken(server, release, tmp_path):
    good = server.files["/bert_models/file.zip"]
    for bad in (good[:-100], good.replace(b"hotel\n", b"\xff\xfe\xfd\n\n\n")):
        server.files["/bert_models/file.zip"] = bad
        with pytest.raises(InputError, match="is not a usable checkpoint, the download was deleted"):
            install.get(entry(), tmp_path / "into", mirror=server.url)
        assert left_in(tmp_path / "into") == []
    memory = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(memory, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"hotel\n", b""))
    server.files["/bert_models/file.zip"] = memory.getvalue()
    with pytest.raises(InputError, match=r"into/tiny/vocab.txt has \d+ tokens"):
        install.get(entry(), tmp_path / "into", mirror=server.url)
    assert left_in(tmp_path / "into") == []


def test_get_says_what_is_in_the_way(server, tmp_path):
    (tmp_path / "tiny").mkdir()
    with pytest.raises(InputError, match="already exists"):
        install.get(entry(), tmp_path, mirror=server.url)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="could not be written.*KBERT_CHECKPOINTS"):
        install.get(entry(), tmp_path / "file", mirror=server.url)
    assert not server.requests
