"""kbert-serve: wrong arguments are one sentence."""

import importlib.util
import socket

import pytest

from kbert_tasks import cli
from kbert_tasks.serving import running


def refused(capsys, *words):
    assert cli.serve([*words]) == 2
    message = capsys.readouterr().err
    assert message.startswith("kbert-serve: ") and "Traceback" not in message
    return message


def test_wrong_arguments(hotel, tmp_path, capsys):
    run = str(hotel[1])
    assert "does not exist" in refused(capsys, str(tmp_path / "none"), "--port", "0")
    assert "two models have the name run" in refused(capsys, run, run, "--port", "0")
    assert "max_texts should be at least 1" in refused(capsys, run, "--max-texts", "0")
    assert "timeout should be above 0" in refused(capsys, run, "--timeout", "0")
    assert "invalid choice" in refused(capsys, run, "--engine", "x")
    for port in ("65536", "-1"):
        assert f"port should be from 0 to 65535, not {port}" in refused(capsys, run, "--port", port)
    assert "cannot be opened" in refused(capsys, run, "--host", "no.such.host.invalid")


def test_port_that_is_in_use(hotel, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert f"port {port} of 127.0.0.1 cannot be opened" in refused(capsys, str(hotel[1]), "--port", port)


@pytest.mark.parametrize("key", ["", " ", "a b ", "密", "a\nb"])
def test_unusable_key(hotel, capsys, monkeypatch, key):
    monkeypatch.setenv("KBERT_API_KEY", key)
    assert "KBERT_API_KEY should contain a key" in refused(capsys, str(hotel[1]))


def test_missing_package(hotel, capsys, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "fastapi" else real(name))
    assert "pip install 'kbert-tasks[serve]'" in refused(capsys, str(hotel[1]))


def test_small_answers_are_sent_at_once():
    """asyncio sets TCP_NODELAY only for sockets with this protocol; without it, an answer waits 40 ms for an acknowledgement."""
    with running.opened("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
