"""Two runs with the same output: the second one stops with an error, and the first one is not affected."""

import contextlib
import os
import signal
import subprocess
import sys
import threading

import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.lock import locked

MESSAGE = "is being written by another run"
HOLD = "import sys\nfrom kbert_tasks.lock import locked\nwith locked(sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()\n"


@contextlib.contextmanager
def another_run(output):
    """Start another process that holds the lock of `output`; yields its Popen."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


@contextlib.contextmanager
def another_thread(output):
    """Hold the lock in a thread of this process, which is faster than another process."""
    held, done = threading.Event(), threading.Event()

    def run():
        with locked(output):
            held.set()
            done.wait()

    thread = threading.Thread(target=run)
    thread.start()
    assert held.wait(60)
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_error_names_the_process_that_holds_the_lock(tmp_path):
    output = tmp_path / "runs" / "hotel"
    with another_run(output) as process:
        with pytest.raises(kb.InputError, match=rf"{output} {MESSAGE} \(process {process.pid} on .+\): wait"):
            with locked(output):
                pass
        with locked(tmp_path / "runs" / "other"):
            pass
    with locked(output):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_killed_process_releases_its_lock(tmp_path):
    with another_run(tmp_path / "hotel") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / ".hotel.lock").exists()
        with locked(tmp_path / "hotel"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_lock_includes_everything_inside_the_folder(tmp_path):
    with locked(tmp_path / "a"), locked(tmp_path / "a"), locked(tmp_path / "a" / "data"):
        assert [path.name for path in tmp_path.iterdir()] == [".a.lock"]
        with another_thread(tmp_path / "b"), pytest.raises(kb.InputError, match=MESSAGE):
            with locked(tmp_path / "b"):
                pass
    with another_thread(tmp_path / "a"), pytest.raises(kb.InputError, match=MESSAGE):
        with locked(os.path.relpath(tmp_path / "a")):
            pass


def test_lock_file_deleted_after_opening_is_not_used(tmp_path, monkeypatch):
    from kbert_tasks import lock

    real, opened = lock._lock, []

    def lock_late(descriptor):
        opened.append(descriptor)
        if len(opened) == 1:  # the first run ends, and a third one starts
            (tmp_path / ".a.lock").unlink()
            (tmp_path / ".a.lock").touch()
        return real(descriptor)

    monkeypatch.setattr(lock, "_lock", lock_late)
    with locked(tmp_path / "a"):
        assert len(opened) == 2
        monkeypatch.undo()
        with another_thread(tmp_path / "b"):
            pass
        assert (tmp_path / ".a.lock").exists()


def test_file_system_without_locks_is_reported_and_used(tmp_path, monkeypatch, caplog):
    fcntl = pytest.importorskip("fcntl")
    import errno

    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with locked(tmp_path / "a"):
        assert "this file system does not support locks (No locks available)" in caplog.text


COMMANDS = [
    "train --output OUT",
    "pretrain train --text TEXT --vocab none.txt --config tiny --output OUT",
    "pretrain vocab --text TEXT --output OUT",
]


@pytest.mark.parametrize("words", COMMANDS)
def test_command_fails_while_another_run_writes_its_output(tmp_path, capsys, words):
    (tmp_path / "a.txt").write_text("房间很干净\n", encoding="utf-8")
    progress = tmp_path / ".out.progress" / "step-000000001"
    progress.mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".writing").mkdir()  # belongs to the first run, although it looks like the rest of a killed run
    command, *rest = words.replace("OUT", str(tmp_path / "out")).replace("TEXT", str(tmp_path / "a.txt")).split()
    with another_thread(tmp_path / "out"):
        before = sorted(tmp_path.rglob("*"))
        assert getattr(cli, command)(rest) == 2
        assert sorted(tmp_path.rglob("*")) == before
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"kbert-{command}: {tmp_path / 'out'} {MESSAGE}")


def assert_locked(function, *words, **options):
    with pytest.raises(kb.InputError, match=MESSAGE):
        function(*words, **options)


def test_downloads_copies_exports_and_corpora_respect_the_lock(checkpoint, hotel, tmp_path):
    from kbert_tasks.checkpoint import catalog, convert, embedded, hub, install
    from kbert_tasks.pretraining.preparing import prepare

    (tmp_path / "a.txt").write_text("房间很干净\n", encoding="utf-8")
    entry = catalog.find("bert-tiny")
    for name, function, words in (
        (entry.name, install.get, (entry, tmp_path)),
        ("hf_owner_name", hub.fetch, ("hf:owner/name", tmp_path)),
        (embedded.NAME, embedded.copied, (tmp_path,)),
        ("exported", convert.export_folder, (checkpoint, tmp_path / "exported")),
        ("data", prepare, ([tmp_path / "a.txt"], tmp_path / "data", kb.load(hotel[1]).tokenizer.vocabulary, False)),
        ("run", hotel[0].save, (tmp_path / "run",)),
        ("progress", hotel[0].fit, (["好", "坏"], ["a", "b"])),
    ):
        options = {"resume_dir": tmp_path / "progress"} if name == "progress" else {}
        with another_thread(tmp_path / name):
            assert_locked(function, *words, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_predictions_of_another_run_are_not_overwritten(hotel, tmp_path, capsys):
    (tmp_path / "in.txt").write_text("好\n", encoding="utf-8")
    writing = tmp_path / ".out.csv.writing"
    writing.write_text("of the first run")
    with another_thread(tmp_path / "out.csv"):
        assert cli.predict([str(hotel[1]), str(tmp_path / "in.txt"), "--output", str(tmp_path / "out.csv")]) == 2
    assert f"out.csv {MESSAGE}" in capsys.readouterr().err and writing.read_text() == "of the first run"


@pytest.mark.slow  # the tests above check the same with locks only
def test_second_training_does_not_affect_the_first_one(checkpoint, tmp_path):
    words = [
        "--checkpoint",
        checkpoint,
        "--output",
        str(tmp_path / "run"),
        "--epochs",
        "12",
        "--patience",
        "0",
        "--max-length",
        "32",
    ]
    program = [sys.executable, "-c", f"import sys; from kbert_tasks.cli import train; sys.exit(train({words!r}))"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as first:
        for line in first.stderr:
            if line.startswith("epoch 1"):
                break
        second = subprocess.run(program, capture_output=True, text=True)
        assert second.returncode == 2 and MESSAGE in second.stderr and len(second.stderr.splitlines()) == 1
        rest = first.stderr.read()
    assert first.returncode == 0 and "epoch 12" in rest
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
