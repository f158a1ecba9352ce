"""Several devices and several machines train as one does; what is there is found, and what is not is told."""

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks._keras import tensorflow
from kbert_tasks.data.batches import Replicas, training_batches
from kbert_tasks.training import distribution

from .. import curves, tiny

tf = tensorflow()


@pytest.fixture
def anew():
    """What an earlier test has found is forgotten."""
    distribution._found.cache_clear()
    yield
    distribution._found.cache_clear()


# What there is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda", "cpu:0", "cpu:", "gpu:1", ""])
def test_other_devices_are_refused(device):
    with pytest.raises(kb.InputError, match="device should be one of auto, cpu, gpu, tpu, or cpu:N .*, not "):
        kb.TextClassifier(device=device)


@pytest.mark.parametrize("device, what", [("tpu", "no usable TPU: ."), ("gpu", "TensorFlow finds no GPU")])
def test_a_missing_device_is_replaced_and_the_reason_is_logged(device, what, anew, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        assert kb.strategy(device).num_replicas_in_sync == 1
    assert re.search(what, caplog.text) and "training on the CPU" in caplog.text


def test_a_problem_without_words_is_a_reason_too(anew, monkeypatch):
    distribution._tpu.cache_clear()

    def connect(*_):
        raise PermissionError

    monkeypatch.setattr(tf.distribute.cluster_resolver.TPUClusterResolver, "connect", connect)
    assert distribution._tpu() == (None, "PermissionError")
    distribution._tpu.cache_clear()


def test_devices_that_are_set_too_late_are_reported(anew):
    tf.constant(1.0) + 1.0
    with pytest.raises(kb.InputError, match=r"device cpu:3 cannot be set.*kbert_tasks.strategy\('cpu:3'\)"):
        kb.strategy("cpu:3")


def test_inside_a_scope_its_strategy_is_taken():
    mine = tf.distribute.OneDeviceStrategy("/cpu:0")
    with mine.scope():
        assert kb.strategy("auto") is mine


def config(job, number, **cluster):
    return json.dumps({"cluster": cluster, "task": {"type": job, "index": number}})


def test_the_chief_is_the_first_worker(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert distribution.chief() and distribution.cluster() == []
    monkeypatch.setenv("TF_CONFIG", config("worker", 0, worker=["a:1"]))
    assert distribution.chief()
    for job, number, is_chief in (("worker", 0, True), ("worker", 1, False)):
        monkeypatch.setenv("TF_CONFIG", config(job, number, worker=["a:1", "b:1"]))
        assert distribution.chief() is is_chief
    monkeypatch.setenv("TF_CONFIG", config("worker", 0, chief=["a:1"], worker=["b:1"]))
    assert not distribution.chief() and distribution.cluster() == [("chief", 0), ("worker", 0)]


@pytest.mark.parametrize(
    "told, device, words",
    [
        ("{", "auto", "TF_CONFIG should be JSON with a cluster and a task, found '{'"),
        ("[1]", "auto", "TF_CONFIG should be JSON"),
        (config("worker", 2, worker=["a:1", "b:1"]), "auto", "the type and index of one of its workers, found .*2"),
        (config("evaluator", 0, worker=["a:1", "b:1"]), "auto", "the type and index of one of its workers"),
        (
            config("worker", 0, worker=["a:1", "b:1"]),
            "tpu",
            "2 workers, but device tpu is for one worker: use auto, cpu or gpu",
        ),
        (config("worker", 0, worker=["a:1", "b:1"]), "cpu:2", "2 workers, but device cpu:2 is for one worker"),
    ],
)
def test_what_is_wrong_with_a_cluster_is_reported(told, device, words, monkeypatch, anew):
    monkeypatch.setenv("TF_CONFIG", told)
    with pytest.raises(kb.InputError, match=words):
        kb.strategy(device)


def test_a_cluster_that_is_set_too_late_is_reported(monkeypatch, anew):
    tf.constant(1.0) + 1.0
    monkeypatch.setenv("TF_CONFIG", config("worker", 0, worker=["127.0.0.1:1", "127.0.0.1:2"]))
    with pytest.raises(kb.InputError, match="TensorFlow has already started: restart Python and call"):
        kb.strategy()


# Batches ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 8))
def test_a_batch_is_dealt_out_once(texts, copies, rows):
    replicas, found = Replicas(copies, range(copies), rows), []
    for number in range(copies):
        part, counted = replicas.part(list(range(texts)), number)
        assert len(part) == len(counted) >= rows
        found += [text for text, counts in zip(part, counted, strict=True) if counts]
    assert sorted(found) == list(range(texts))


@pytest.mark.parametrize("length", [None, 12])
def test_parts_of_batches_say_what_counts(length):
    encoded = [({"Input-Token": np.arange(1, 3 + i % 5, dtype="int32")}, i) for i in range(11)]

    def draw(x, target, chance):
        return x, {
            "spans": np.zeros((1, len(x["Input-Token"]), len(x["Input-Token"])), "int8"),
            "text": np.int32(target),
        }

    dataset, steps = training_batches(encoded, draw, 5, 1, 2, replicas=Replicas(2, range(2), 3, length))
    parts = [*dataset]
    assert steps == 3 and len(parts) == 2 * 2 * steps
    assert [int(texts) for *_, texts in parts[::2]] == [int(texts) for *_, texts in parts[1::2]]
    assert sum(float(tf.reduce_sum(counted)) for *_, counted, _ in parts) == 22
    seen = [int(text) for _, y, counted, _ in parts for text, counts in zip(y["text"], counted, strict=True) if counts]
    assert sorted(seen) == sorted([*range(11)] * 2)
    if length:
        x, y, counted, _ = dataset.element_spec
        assert (x["Input-Token"].shape, y["spans"].shape, counted.shape) == ((3, 12), (3, 1, 12, 12), (3,))
        assert all(
            (y["spans"].numpy()[:, 0, 6:] == -1).all() and not x["Input-Token"].numpy()[:, 6:].any()
            for x, y, *_ in parts
        )


# Training -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """A checkpoint without dropout, of one layer."""
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_hidden_layers": 1}
    return tiny.checkpoint(tmp_path_factory.mktemp("still") / "uncased", **off)


@pytest.fixture(scope="module")
def of_one_device(still):
    """A function of jobs: what one device makes of them, each trained once."""
    made = {}

    def of(jobs):
        made.update(curves.trained("cpu", still, {job: curves.JOBS[job] for job in jobs if job not in made}))
        return {job: made[job] for job in jobs}

    return of


def start(words, *, worker=None, ports=()):
    """A process; of `ports`, those of the cluster on this machine, the `worker`-th."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    if ports:
        environment["TF_CONFIG"] = config("worker", worker, worker=[f"127.0.0.1:{port}" for port in ports])
    return subprocess.Popen(
        [sys.executable, *map(str, words)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def same(found, wanted):
    for job, each in found.items():
        np.testing.assert_allclose(each["losses"], wanted[job]["losses"], rtol=2e-5, err_msg=job)
        assert alike(each, wanted[job]), job


def alike(one, other):
    """Equal, but for the rounding of floats."""
    if isinstance(one, float):
        return one == pytest.approx(other, abs=1e-4)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other


def test_two_devices_give_the_losses_and_answers_of_one(still, of_one_device, tmp_path):
    """The job that uses most; the next test has all of them."""
    job = "classify with much"
    ran = start(["-m", "tests.curves", "cpu:2", still, tmp_path / "losses.json", job])
    told = ran.communicate()[0].decode()
    assert ran.returncode == 0, told
    same(json.loads((tmp_path / "losses.json").read_text()), of_one_device([job]))


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu:2", "fixed"])
def test_two_devices_give_the_losses_and_answers_of_one_for_every_task(device, still, of_one_device, tmp_path):
    ran = start(["-m", "tests.curves", device, still, tmp_path / "losses.json"])
    told = ran.communicate()[0].decode()
    assert ran.returncode == 0, told
    found = json.loads((tmp_path / "losses.json").read_text())
    assert {"classify", "relation", "subject"} <= found.keys()
    same(found, of_one_device(found))


@pytest.mark.slow
def test_two_processes_give_the_losses_and_answers_of_one(still, of_one_device, tmp_path):
    ports = free_ports(2)
    files = [tmp_path / f"{number}.json" for number in range(2)]
    both = [start(["-m", "tests.curves", "auto", still, file], worker=i, ports=ports) for i, file in enumerate(files)]
    told = [each.communicate()[0].decode() for each in both]
    assert [each.returncode for each in both] == [0, 0], told
    one, other = (json.loads(file.read_text()) for file in files)
    assert one == other and one.keys() == curves.JOBS.keys()
    same(one, of_one_device(one))


@pytest.mark.slow
def test_workers_with_other_files_are_stopped(still, tmp_path):
    ports = free_ports(2)
    curves.rows("classify", 17).to_csv(tmp_path / "0.csv", index=False)
    curves.rows("classify", 16).to_csv(tmp_path / "1.csv", index=False)
    both = [start(command(still, tmp_path / f"{i}.csv", tmp_path / "run"), worker=i, ports=ports) for i in range(2)]
    told = [each.communicate()[0].decode() for each in both]
    assert [each.returncode for each in both] == [2, 2], told
    assert any("the workers do not have the same rows: give each the same command" in each for each in told), told
    assert not any("Traceback" in each for each in told)


def command(checkpoint, file, output, *more):
    words = ["--checkpoint", str(checkpoint), "--train", str(file), "--output", str(output), "--epochs", "4"]
    words += [
        "--max-length",
        "16",
        "--batch-size",
        "2",
        "--dropout",
        "0",
        "--learning-rate",
        "1e-3",
        "--precision",
        "float32",
    ]
    words += ["--save-minutes", "1e-6", "--validation-split", "0.1", *more]
    return ["-c", f"import sys; from kbert_tasks.cli import train; sys.exit(train({words!r}))"]


@pytest.mark.slow
def test_a_worker_that_was_killed_and_started_again(still, tmp_path):
    ports, file, output = free_ports(4), tmp_path / "rows.csv", tmp_path / "run"
    curves.rows("classify", 30).to_csv(file, index=False)
    first, second = (start(command(still, file, output), worker=i, ports=ports[:2]) for i in range(2))
    while not any((tmp_path / ".run.progress").glob("step-*2?")):
        assert first.poll() is None, first.stdout.read()
        time.sleep(0.01)
    os.kill(second.pid, signal.SIGKILL)
    told = first.communicate()[0].decode()
    second.communicate()
    assert first.returncode == 2 and "another worker stopped: run the command again on every worker" in told, told
    assert not output.exists()
    both = [start(command(still, file, output), worker=i, ports=ports[2:]) for i in range(2)]
    told = [each.communicate()[0].decode() for each in both]
    assert [each.returncode for each in both] == [0, 0], told
    assert all("resuming after step" in each for each in told)
    assert "saved in" in told[0] and "the first worker saved the task" in told[1]
    whole = start(command(still, file, tmp_path / "whole"))
    told = whole.communicate()[0].decode()
    assert whole.returncode == 0, told
    found, wanted = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("run", "whole"))
    losses = [[epoch["loss"] for epoch in each["history"]] for each in (found, wanted)]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert found["scores"]["dev"]["accuracy"] == wanted["scores"]["dev"]["accuracy"]
    assert not list(tmp_path.glob(".run.*"))
