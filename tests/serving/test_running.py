"""A real process: SIGHUP and SIGTERM under load lose no request, and other people's clients cannot stop it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from shutil import copytree

import httpx
import pytest

from .test_models import swapped

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")]
TEXTS = ["房间很干净", "太吵", "好", "坏", "the room was clean", "food is bad"]


class Server:
    """A running kbert-serve, with the lines that it has printed."""

    def __init__(self, *words, code="from kbert_tasks import cli; raise SystemExit(cli.serve())"):
        command = [sys.executable, "-c", code, *words, "--port", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8")
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True)
        self.reader.start()
        self.url = self.line(r"at (http://\S+)")[1]
        host, port = self.url.removeprefix("http://").split(":")
        socket.create_connection((host, int(port)), 30).close()  # possible as soon as the address is printed

    def line(self, pattern):
        """Waits for a line."""
        until = time.monotonic() + 300
        while time.monotonic() < until:
            more = self.reader.is_alive()  # until the process has ended
            for line in [*self.lines]:
                if found := re.search(pattern, line):
                    return found
            if not more:
                break
            time.sleep(0.05)
        raise AssertionError(self.lines)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


@pytest.fixture
def server(hotel, tmp_path):
    copytree(hotel[1], tmp_path / "hotel")
    made = Server(str(tmp_path / "hotel"), "--engine", "keras")
    yield made
    made.process.kill()
    made.process.wait()
    made.process.stderr.close()


def answers(server, text, found, until):
    """Sends requests with one text until a connection is refused; adds (text, status, label)."""
    with httpx.Client(timeout=60) as client:
        while not until.is_set():
            try:
                response = client.post(f"{server.url}/models/hotel/predict", json={"texts": [text]})
            except httpx.TransportError as error:
                found.append((text, type(error).__name__, None))
                return
            found.append((text, response.status_code, response.json()["answers"][0]["label"]))


@pytest.fixture
def load(server):
    """(list of the answers, event that ends the load, threads)."""
    found, until = [], threading.Event()
    threads = [threading.Thread(target=answers, args=(server, text, found, until)) for text in TEXTS * 2]
    for each in threads:
        each.start()
    while len(found) < 50:
        time.sleep(0.01)
    yield found, until, threads
    until.set()
    for each in threads:
        each.join()


def test_reload_loses_no_request(server, load, tmp_path, hotel):
    found, until, threads = load
    before = {text: label for text, _, label in found}
    swapped(tmp_path / "hotel")
    os.kill(server.process.pid, signal.SIGHUP)
    server.line("hotel: reloaded")
    size = len(found)
    while len(found) < size + 100:
        time.sleep(0.01)
    until.set()
    for each in threads:
        each.join()
    assert {status for _, status, _ in found} == {200}
    after = {text: label for text, _, label in found[-len(TEXTS) :]}
    assert all(before[text] != label for text, label in after.items())
    assert server.end() == 0


def test_stopping_answers_every_accepted_request(server, load):
    found, _, threads = load
    assert server.end() == 0
    for each in threads:
        each.join()
    accepted, unanswered = map(int, server.line(r"stopped; (\d+) requests were accepted, (\d+) of them").groups())
    assert unanswered == 0 and accepted == sum(status == 200 for _, status, _ in found)
    assert {status for _, status, _ in found} - {200} <= {
        "ConnectError",
        "ReadError",
        "RemoteProtocolError",
        "WriteError",
    }


def test_hangup_while_loading_reloads_after_the_start(hotel, tmp_path):
    copytree(hotel[1], tmp_path / "hotel")
    code = (
        "import os, signal; from kbert_tasks import cli; from kbert_tasks.serving import hangups; real = hangups.calling\n"
        "def calling(function): os.kill(os.getpid(), signal.SIGHUP); return real(function)\n"
        "hangups.calling = calling; raise SystemExit(cli.serve())"
    )
    made = Server(str(tmp_path / "hotel"), "--engine", "keras", code=code)
    made.line("hotel: unchanged")
    assert made.end() == 0
    made.process.stderr.close()


def test_hostile_clients(server):
    address = server.url.removeprefix("http://").split(":")
    address = (address[0], int(address[1]))
    head = b"POST /models/hotel/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    for raw in (
        b"\x00\xff\r\n\r\n", head + b"Content-Length: x\r\n\r\n", head + b"Content-Length: -1\r\n\r\n",
        head + b"Content-Length: 104857600\r\n\r\n" + b" " * 100_000, head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
    ):  # fmt: skip
        with socket.create_connection(address, 30) as raw_client:
            raw_client.sendall(raw)
            status = raw_client.recv(20)
            assert re.match(rb"HTTP/1.1 4\d\d", status), (raw[:60], status)
    body = b'{"texts": ["' + b"a" * (100 << 20) + b'"]}'
    headers = {"Content-Type": "application/json"}
    url = f"{server.url}/models/hotel/predict"
    response = httpx.post(url, content=body, headers=headers, timeout=60)
    assert response.status_code == 413 and "1024 KiB" in response.json()["error"]
    for path, status in ((url, 413), (f"{server.url}/models/other/predict", 404)):  # with "Connection: close"
        with pytest.raises(urllib.error.HTTPError) as found:
            urllib.request.urlopen(urllib.request.Request(path, body, headers), timeout=60)
        assert found.value.code == status
        found.value.close()
    assert httpx.get(f"{server.url}/ready").status_code == 200
    assert server.end() == 0 and not any("Traceback" in line for line in server.lines)
