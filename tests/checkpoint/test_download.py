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

CONTENT = bytes(range(256)) * 40  # 10,240 bytes: 40 equal blocks, so that a shift by fewer than 256 bytes is detected
NAMES = ["bert_config.json", "bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index", "vocab.txt"]


class Server(http.server.ThreadingHTTPServer):
    """Serves files from memory, with Range and If-Range requests and the faults that a test sets."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files, self.requests = {}, []
        self.cuts = []  # for each of the next answers: the number of bytes after which the connection closes
        self.statuses = []  # for each of the next answers: a status that is sent instead of the file
        self.ranges, self.versions, self.if_range = True, True, True
        self.extra = 0  # number of bytes by which Content-Length is too high


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        path = self.path.removeprefix("http://google.test")  # a proxy receives the full address
        server.requests.append((self.path, self.headers.get("Range")))
        body = server.files.get(path)
        if body is None or server.statuses:
            self.send_error(server.statuses.pop(0) if server.statuses else 404)
            return
        etag, range_header, start = f'"{sha256(body).hexdigest()}"', self.headers.get("Range"), 0
        unchanged = not server.if_range or self.headers.get("If-Range") in (None, etag)
        if range_header and server.ranges and unchanged:
            start = int(range_header.removeprefix("bytes=").removesuffix("-"))
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
    """Removes the waiting times and the proxies of this machine."""
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


def is_complete(target, content=CONTENT):
    return target.read_bytes() == content and [p.name for p in target.parent.iterdir()] == [target.name]


def requested_ranges(server):
    return [range_header for _, range_header in server.requests]


def test_file_is_downloaded_completely_and_without_output(server, target, capfd):
    assert fetch(server, target) == target
    assert is_complete(target)
    assert capfd.readouterr() == ("", "")
    fetch(server, target)
    assert len(server.requests) == 1


def test_interrupted_download_resumes_at_the_last_byte(server, target):
    server.cuts = [1000, 500]
    fetch(server, target)
    assert is_complete(target)
    assert requested_ranges(server) == [None, "bytes=1000-", "bytes=1500-"]


def test_next_call_continues_a_failed_download(server, target):
    server.cuts = [1000] * 5
    with pytest.raises(InputError, match=r"received 5,000 of 10,240 bytes.*to continue the download.*--mirror"):
        fetch(server, target)
    assert not target.exists()
    server.requests.clear()
    fetch(server, target)
    assert is_complete(target)
    assert requested_ranges(server) == ["bytes=5000-"]


def test_attempts_that_receive_enough_bytes_are_not_counted(server, target, monkeypatch):
    monkeypatch.setattr(download, "GAIN", 1000)
    server.cuts = [1000] * 10
    fetch(server, target)
    assert is_complete(target)


def test_download_restarts_if_the_server_does_not_support_ranges(server, target):
    server.ranges, server.cuts = False, [1000]
    fetch(server, target)
    assert is_complete(target)


@pytest.mark.parametrize("new, if_range", [(b"other" * 3000, True), (b"short", True), (b"short", False)])
def test_download_restarts_if_the_file_on_the_server_changed(server, target, new, if_range):
    server.cuts = [1000] * 5
    with pytest.raises(InputError):
        fetch(server, target)
    server.files["/file.zip"], server.if_range = new, if_range
    fetch(server, target)
    assert is_complete(target, new)


def test_download_restarts_if_the_server_sends_no_version(server, target):
    server.versions, server.cuts = False, [1000]
    fetch(server, target)
    assert is_complete(target)
    assert requested_ranges(server) == [None, None]


def test_partial_file_from_another_address_is_not_used(server, target):
    server.cuts = [1000] * 5
    with pytest.raises(InputError):
        fetch(server, target)
    server.files["/other.zip"] = b"other" * 3000
    download.fetch(server.url + "/other.zip", target)
    assert is_complete(target, b"other" * 3000)


def test_file_shorter_than_content_length_is_rejected(server, target):
    server.ranges, server.extra = False, 1
    with pytest.raises(InputError, match="received 10,240 of 10,241 bytes, then the connection was closed"):
        fetch(server, target)


def test_complete_partial_file_is_only_renamed(server, target):
    fetch(server, target)
    target.rename(target.with_name("file.zip.part"))
    note = {"url": server.url + "/file.zip", "version": f'"{sha256(CONTENT).hexdigest()}"'}
    target.with_name("file.zip.part.json").write_text(json.dumps(note))
    fetch(server, target)
    assert is_complete(target)
    assert requested_ranges(server) == [None, f"bytes={len(CONTENT)}-"]


def test_request_is_repeated_if_the_server_is_busy(server, target):
    server.statuses = [503, 429, 500]
    fetch(server, target)
    assert is_complete(target)
    server.statuses = [503] * 9
    with pytest.raises(InputError, match="unknown number of bytes, then the server answered 503"):
        fetch(server, target.with_name("again.zip"))


@pytest.mark.parametrize("status, message", [(404, "does not exist"), (403, "denies access"), (407, "NAME:PASSWORD")])
def test_http_error_names_the_alternatives(server, target, status, message):
    server.statuses = [status]
    with pytest.raises(InputError, match=f"HTTP {status}.*{message}.*--mirror.*KBERT_MIRROR.*--proxy"):
        fetch(server, target)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "reason, message",
    [(OSError(-2, "Name or service not known"), "Name or service not known"), (TimeoutError(), "no answer for 30"),
     (ConnectionRefusedError(111, "Connection refused"), "Connection refused")],
)  # fmt: skip
def test_unreachable_server_is_reported_without_retries(target, monkeypatch, reason, message):
    calls = []

    def fail(*_, **__):
        calls.append(1)
        raise urllib.error.URLError(reason)

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", fail)
    with pytest.raises(InputError, match=f"could not be reached .{message}.*--mirror"):
        download.fetch("https://storage.googleapis.com/x.zip", target)
    assert len(calls) == 1


def test_untrusted_certificate_is_reported(target, monkeypatch):
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_message = "self-signed certificate"

    def fail(*_, **__):
        raise urllib.error.URLError(error)

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", fail)
    with pytest.raises(InputError, match="certificate is not trusted .self-signed.*SSL_CERT_FILE"):
        download.fetch("https://storage.googleapis.com/x.zip", target)


@pytest.mark.parametrize("source", ["option", "environment"])
def test_proxy_is_taken_from_the_option_or_the_environment(server, target, monkeypatch, source):
    if source == "environment":
        monkeypatch.setenv("http_proxy", server.url)
    target.parent.mkdir()
    download.fetch("http://google.test/file.zip", target, proxy=server.url if source == "option" else None)
    assert is_complete(target)
    assert server.requests[0][0] == "http://google.test/file.zip"


def test_unsupported_addresses_are_rejected(target):
    with pytest.raises(InputError, match="HTTP proxy"):
        download.fetch("https://google.test/x.zip", target, proxy="socks5://127.0.0.1:1080")
    with pytest.raises(InputError, match="begin with https"):
        download.fetch("mirror.test/x.zip", target)


def test_download_is_rejected_if_the_disk_is_too_full(server, target, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: type("", (), {"free": 100}))
    with pytest.raises(InputError, match="100 bytes free.*needs 10,240"):
        fetch(server, target)


def test_folder_that_cannot_be_written_is_reported(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="could not be written"):
        download.fetch(server.url + "/file.zip", tmp_path / "file" / "file.zip")


# Archives


def archive(path, files=None, prefix="publish/", compression=zipfile.ZIP_DEFLATED):
    """Writes a zip archive of `files` (name to bytes); by default the files of a release."""
    files = {prefix + name: name.encode() * 100 for name in NAMES} if files is None else files
    with zipfile.ZipFile(path, "w", compression) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


def left_in(path):
    return sorted(p.name for p in path.iterdir())


@pytest.mark.parametrize("prefix", ["", "publish/", "a/b/c/"])
def test_unpack_extracts_only_the_files_of_the_checkpoint(tmp_path, prefix):
    files = {prefix + name: name.encode() for name in (*NAMES, "other.ckpt.meta", "run.py", "deeper/vocab.txt")}
    files |= {"__MACOSX/" + prefix + "._bert_config.json": b"", "README": b""}
    (tmp_path / "in").mkdir()
    archives.unpack(archive(tmp_path / "in" / "x.zip", files), tmp_path / "new")
    assert left_in(tmp_path / "new") == sorted([*NAMES, "other.ckpt.meta"])
    assert (tmp_path / "new" / "vocab.txt").read_bytes() == b"vocab.txt"
    assert left_in(tmp_path) == ["in", "new"]
    assert (tmp_path / "new").stat().st_mode == (
        tmp_path / "in"
    ).stat().st_mode  # not 0700, the mode of a temporary folder


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
    """Changes the size of the first member in the central directory."""
    content = bytearray(archive(path).read_bytes())
    entry = content.index(b"PK\1\2")
    content[entry + 24 : entry + 28] = struct.pack("<I", size)
    path.write_bytes(content)


def encrypted(path):
    content = bytearray(archive(path).read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "make, message",
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
def test_unpack_rejects_damaged_and_unsafe_archives(tmp_path, make, message):
    (tmp_path / "in").mkdir()
    make(tmp_path / "in" / "x.zip")
    with pytest.raises(InputError, match=message):
        archives.unpack(tmp_path / "in" / "x.zip", tmp_path / "in" / "new")
    assert left_in(tmp_path) == ["in"]
    assert left_in(tmp_path / "in") == ["x.zip"]


def test_unpack_rejects_an_archive_above_the_size_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LIMIT", 10_000)
    archive(tmp_path / "x.zip", {"bert_config.json": b"", "other": bytes(10_001)})
    with pytest.raises(InputError, match="unpacks to 10,001 bytes"):
        archives.unpack(tmp_path / "x.zip", tmp_path / "new")


def test_unpack_does_not_overwrite_an_existing_folder(tmp_path):
    (tmp_path / "new").mkdir()
    with pytest.raises(InputError, match="already exists"):
        archives.unpack(archive(tmp_path / "x.zip"), tmp_path / "new")
    with pytest.raises(InputError, match="not a file"):
        archives.unpack(tmp_path / "y.zip", tmp_path / "other")


# From download to checkpoint


def entry(name="tiny", cased=True):
    url = download.GOOGLE + "/bert_models/file.zip"
    return catalog.Entry(name, "Tiny", "zh", cased, 2, 16, 2, len(tiny.vocabulary()), url=url)


@pytest.fixture
def release(server, tmp_path):
    """Puts a tiny checkpoint on the server as an archive."""
    folder = tiny.checkpoint(tmp_path / "made", tokens=tiny.vocabulary())
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as zipped:
        for path in sorted((tmp_path / "made").iterdir()):
            zipped.write(path, f"publish/{path.name}")
    server.files["/bert_models/file.zip"] = memory.getvalue()
    return folder


def test_get_installs_a_checkpoint(server, release, tmp_path, monkeypatch):
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


def test_get_deletes_an_unusable_download(server, release, tmp_path):
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


def test_get_reports_what_blocks_the_target_folder(server, tmp_path):
    (tmp_path / "tiny").mkdir()
    with pytest.raises(InputError, match="already exists"):
        install.get(entry(), tmp_path, mirror=server.url)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="could not be written.*KBERT_CHECKPOINTS"):
        install.get(entry(), tmp_path / "file", mirror=server.url)
    assert not server.requests
