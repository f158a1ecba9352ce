"""Code shared by all workers: the job, the texts, and the rounds with their times.

`speed.py` starts a worker with its job as JSON. The worker loads its model, does an untimed warm-up, reports that it is ready, and
then does one round for each line on its standard input. It computes nothing while it waits.
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import random
import resource
import sys
import time
import types

import numpy as np

BATCH, LENGTH = 32, 128  # texts in a step and maximum number of tokens, for the jobs epoch and predict
USED = 11_567  # number of different tokens in the training file of SST-2, used for the texts of the job step
BASE = {
    "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 768,
    "initializer_range": 0.02, "intermediate_size": 3072, "max_position_embeddings": 512, "num_attention_heads": 12,
    "num_hidden_layers": 12, "type_vocab_size": 2, "vocab_size": 30522,
}  # fmt: skip

_answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # output of libraries goes to standard error


class Skip(Exception):
    """This job cannot run here; the message is the reason."""


def serve(packages, **jobs):
    """Runs the job of the command line.

    Args:
        packages: names of packages whose versions are reported, if they are installed.
        **jobs: for each name of a job a function of the job, which warms up and then runs the `rounds`.
    """
    job = types.SimpleNamespace(**json.loads(sys.argv[1]))
    versions = {"Python": platform.python_version()}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    _send(versions=versions)
    try:
        jobs[job.job](job)
    except Skip as reason:
        _send(skip=str(reason))


def rounds(**about):
    """Yields for each line of standard input; the body of the loop is the round, and its times are sent afterwards.

    `about` is sent to `speed.py` with the report that the worker is ready.
    """
    _send(ready=True, **about)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        seconds, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        _send(seconds=seconds, cpu_seconds=cpu, peak_bytes=peak)


def _send(**answer):
    """Writes a message to `speed.py`."""
    _answers.write(json.dumps(answer) + "\n")


def examples(job):
    """Returns (texts, labels as numbers from 0), a sample of the file of the size that the job needs."""
    with open(job.data, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t")[:2] for line in file][1:]
    rows = random.Random(1).sample(rows, min(job.texts, len(rows)))
    names = sorted({label for label, _ in rows})
    return [text for _, text in rows], [names.index(label) for label, _ in rows]


def tenth(rows):
    """Returns the rows for the warm-up."""
    return rows[
        : max(BATCH + 1, len(rows) // 10)
    ]  # more than one batch, because a batch that is not full is traced too


def base(job):
    """Returns the config of the job step."""
    return BASE | {"attention_probs_dropout_prob": job.attention_dropout}


def random_batch(job):
    """Returns tokens (texts, tokens) and labels (texts,), int32 without padding, of the shape of the job."""
    draw = np.random.default_rng(1)
    return draw.integers(1, USED, job.shape, "int32"), draw.integers(0, 2, job.shape[0], "int32")


def prepared(job):
    """Returns the config (dict) and the batches of the job pretrain: a list of (x, y), dicts of int32 arrays.

    x: `Input-Token` and `Input-Segment` (64, 128), `Masked-Position` (64, masked). y: `MLM` (64, masked), the original ids at these
    positions, -1 for padding, and `NSP` (64, 1), 0 if the second part follows the first.
    """
    with open(os.path.join(job.prepared, "bert_config.json"), encoding="utf-8") as file:
        config = json.load(file)
    batches = [({}, {}) for _ in range(job.steps)]
    with np.load(os.path.join(job.prepared, "batches.npz")) as arrays:
        for key, array in arrays.items():
            number, name = key.split(" ")
            batches[int(number)][name in ("MLM", "NSP")][name] = array
    return config, batches


def padded(rows):
    """Converts lists of numbers to an int32 array, padded with 0."""
    array = np.zeros((len(rows), max(map(len, rows))), "int32")
    for line, row in zip(array, rows, strict=True):
        line[: len(row)] = row
    return array
