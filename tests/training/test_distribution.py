"""Training on several devices or machines gives the results of one device; missing devices and wrong clusters are reported."""

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
from kbert_tasks.tasks import names
from kbert_tasks.training import distribution

from .. import curves, tiny

tf = tensorflow()


@pytest.fixture
def clear_cache():
    """Clears the cached devices before and after a test."""
    distribution._found.cache_clear()
    yield
    distribution._found.cache_clear()


# Devices and clusters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda", "cpu:0", "cpu:", "gpu:1", ""])
def test_unknown_devices_are_rejected(device):
    with pytest.raises(kb.InputError, match="device should be one of auto, cpu, gpu, tpu, or cpu:N .*, not "):
        kb.TextClassifier(device=device)


@pytest.mark.parametrize("device, reason", [("tpu", "no usable TPU: ."), ("gpu", "TensorFlow finds no GPU")])
def test_missing_device_falls_back_to_cpu_and_logs_the_reason(device, reason, clear_cache, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        assert kb.strategy(device).num_replicas_in_sync == 1
    assert re.search(reason, caplog.text) and "training on the CPU" in caplog.text


def test_exception_without_message_is_reported_by_its_type(clear_cache, monkeypatch):
    distribution._tpu.cache_clear()

    def connect(*_):
        raise PermissionError

    monkeypatch.setattr(tf.distribute.cluster_resolver.TPUClusterResolver, "connect", connect)
    assert distribution._tpu() == (None, "PermissionError")
    distribution._tpu.cache_clear()


def test_setting_devices_too_late_is_reported(clear_cache):
    tf.constant(1.0) + 1.0
    with pytest.raises(kb.InputError, match=r"device cpu:3 cannot be set.*kbert_tasks.strategy\('cpu:3'\)"):
        kb.strategy("cpu:3")


def test_strategy_of_the_current_scope_is_used():
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        assert kb.strategy("auto") is strategy


def config(job, number, **cluster):
    return json.dumps({"cluster": cluster, "task": {"type": job, "index": number}})


def test_first_worker_is_the_chief(monkeypatch):
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
    "tf_config, device, message",
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
def test_invalid_cluster_is_reported(tf_config, device, message, monkeypatch, clear_cache):
    monkeypatch.setenv("TF_CONFIG", tf_config)
    with pytest.raises(kb.InputError, match=message):
        kb.strategy(device)


def test_setting_a_cluster_too_late_is_reported(monkeypatch, clear_cache):
    tf.constant(1.0) + 1.0
    monkeypatch.setenv("TF_CONFIG", config("worker", 0, worker=["127.0.0.1:1", "127.0.0.1:2"]))
    with pytest.raises(kb.InputError, match="TensorFlow has already started: restart Python and call"):
        kb.strategy()


# Batches ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 8))
def test_each_text_of_a_batch_counts_in_one_replica(texts, replica_count, rows):
    replicas, found = Replicas(replica_count, range(replica_count), rows), []
    for number in range(replica_count):
        part, counted = replicas.part(list(range(texts)), number)
        assert len(part) == len(counted) >= rows
        found += [text for text, counts in zip(part, counted, strict=True) if counts]
    assert sorted(found) == list(range(texts))


@pytest.mark.parametrize("length", [None, 12])
def test_parts_of_batches_mark_the_texts_that_count(length):
    encoded = [({"Input-Token": np.arange(1, 3 + i % 5, dtype="int32")}, i) for i in range(11)]

    def sample_target(x, target, chance):
        return x, {
            "spans": np.zeros((1, len(x["Input-Token"]), len(x["Input-Token"])), "int8"),
            "text": np.int32(target),
        }

    dataset, steps = training_batches(encoded, sample_target, 5, 1, 2, replicas=Replicas(2, range(2), 3, length))
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
def no_dropout_checkpoint(tmp_path_factory):
    """A checkpoint of one layer without dropout."""
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_hidden_layers": 1}
    return tiny.checkpoint(tmp_path_factory.mktemp("no_dropout") / "uncased", **off)


@pytest.fixture(scope="module")
def single_device_results(no_dropout_checkpoint):
    """A function that returns the results of jobs on one device. Each job is trained once."""
    results = {}

    def results_of(jobs):
        results.update(
            curves.trained("cpu", no_dropout_checkpoint, {job: curves.JOBS[job] for job in jobs if job not in results})
        )
        return {job: results[job] for job in jobs}

    return results_of


def start(arguments, *, worker=None, ports=()):
    """Starts a Python process. With `ports`, it is the worker with index `worker` of a local cluster."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    if ports:
        environment["TF_CONFIG"] = config("worker", worker, worker=[f"127.0.0.1:{port}" for port in ports])
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def assert_same_results(found, expected):
    for job, each in found.items():
        np.testing.assert_allclose(each["losses"], expected[job]["losses"], rtol=2e-5, err_msg=job)
        assert equal_up_to_rounding(each, expected[job]), job


def equal_up_to_rounding(one, other):
    """Returns whether two results are equal up to the rounding of floats."""
    if isinstance(one, float):
        return one == pytest.approx(other, abs=1e-4)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal_up_to_rounding(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal_up_to_rounding, one, other))
    return one == other


def test_two_devices_give_the_same_losses_and_answers_as_one(no_dropout_checkpoint, single_device_results, tmp_path):
    """Runs the job with the most settings. The next test runs all jobs."""
    job = "classify with much"
    process = start(["-m", "tests.curves", "cpu:2", no_dropout_checkpoint, tmp_path / "losses.json", job])
    log = process.communicate()[0].decode()
    assert process.returncode == 0, log
    assert_same_results(json.loads((tmp_path / "losses.json").read_text()), single_device_results([job]))


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu:2", "fixed"])
def test_two_devices_give_the_same_losses_and_answers_as_one_for_every_task(
    device, no_dropout_checkpoint, single_device_results, tmp_path
):
    process = start(["-m", "tests.curves", device, no_dropout_checkpoint, tmp_path / "losses.json"])
    log = process.communicate()[0].decode()
    assert process.returncode == 0, log
    found = json.loads((tmp_path / "losses.json").read_text())
    assert {*names()} <= found.keys()
    assert_same_results(found, single_device_results(found))


@pytest.mark.slow
def test_two_processes_give_the_same_losses_and_answers_as_one(no_dropout_checkpoint, single_device_results, tmp_path):
    ports = free_ports(2)
    files = [tmp_path / f"{number}.json" for number in range(2)]
    workers = [
        start(["-m", "tests.curves", "auto", no_dropout_checkpoint, file], worker=i, ports=ports)
        for i, file in enumerate(files)
    ]
    logs = [each.communicate()[0].decode() for each in workers]
    assert [each.returncode for each in workers] == [0, 0], logs
    one, other = (json.loads(file.read_text()) for file in files)
    assert one == other and one.keys() == curves.JOBS.keys()
    assert_same_results(one, single_device_results(one))


@pytest.mark.slow
def test_workers_with_different_files_are_stopped(no_dropout_checkpoint, tmp_path):
    ports = free_ports(2)
    curves.rows("classify", 17).to_csv(tmp_path / "0.csv", index=False)
    curves.rows("classify", 16).to_csv(tmp_path / "1.csv", index=False)
    workers = [
        start(command(no_dropout_checkpoint, tmp_path / f"{i}.csv", tmp_path / "run"), worker=i, ports=ports)
        for i in range(2)
    ]
    logs = [each.communicate()[0].decode() for each in workers]
    assert [each.returncode for each in workers] == [2, 2], logs
    assert any("the workers do not have the same rows: give each the same command" in each for each in logs), logs
    assert not any("Traceback" in each for each in logs)


def command(checkpoint, file, output, *options):
    arguments = ["--checkpoint", str(checkpoint), "--train", str(file), "--output", str(output), "--epochs", "4"]
    arguments += [
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
    arguments += ["--save-minutes", "1e-6", "--validation-split", "0.1", *options]
    return ["-c", f"import sys; from kbert_tasks.cli import train; sys.exit(train({arguments!r}))"]


@pytest.mark.slow
def test_killed_worker_can_be_started_again(no_dropout_checkpoint, tmp_path):
    ports, file, output = free_ports(4), tmp_path / "rows.csv", tmp_path / "run"
    curves.rows("classify", 30).to_csv(file, index=False)
    first, second = (start(command(no_dropout_checkpoint, file, output), worker=i, ports=ports[:2]) for i in range(2))
    while not any((tmp_path / ".run.progress").glob("step-*2?")):
        assert first.poll() is None, first.stdout.read()
        time.sleep(0.01)
    os.kill(second.pid, signal.SIGKILL)
    log = first.communicate()[0].decode()
    second.communicate()
    assert first.returncode == 2 and "another worker stopped: run the command again on every worker" in log, log
    assert not output.exists()
    workers = [start(command(no_dropout_checkpoint, file, output), worker=i, ports=ports[2:]) for i in range(2)]
    logs = [each.communicate()[0].decode() for each in workers]
    assert [each.returncode for each in workers] == [0, 0], logs
    assert all("resuming after step" in each for each in logs)
    assert "saved in" in logs[0] and "the first worker saved the task" in logs[1]
    whole = start(command(no_dropout_checkpoint, file, tmp_path / "whole"))
    log = whole.communicate()[0].decode()
    assert whole.returncode == 0, log
    found, expected = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("run", "whole"))
    losses = [[epoch["loss"] for epoch in each["history"]] for each in (found, expected)]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert found["scores"]["dev"]["accuracy"] == expected["scores"]["dev"]["accuracy"]
    assert not list(tmp_path.glob(".run.*"))
