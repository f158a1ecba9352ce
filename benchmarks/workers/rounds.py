"""What all workers share: the job, the texts, and an answer to each "go" with the time that a round took.

`speed.py` starts a worker with its job as JSON. The worker loads, does an untimed warm-up, says that it is ready, and
then does one round for each line on its standard input. While it waits for one it computes nothing.
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

BATCH, LENGTH = 32, 128  # texts in a step, and tokens at most, of the jobs epoch and predict
STEP = 16, 128  # texts and tokens of the job step
USED = 11_567  # different tokens in SST-2's training file; the texts of the job step are drawn from so many
BASE = {
    "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 768,
    "initializer_range": 0.02, "intermediate_size": 3072, "max_position_embeddings": 512, "num_attention_heads": 12,
    "num_hidden_layers": 12, "type_vocab_size": 2, "vocab_size": 30522,
}  # fmt: skip

_answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # what libraries print goes where their warnings go


class Skip(Exception):
    """This job cannot be done here; says why."""


def serve(packages, **jobs):
    """Does the job that the command line holds, by the function of its name.

    Args:
        packages: whose versions the table names, where they are there.
        **jobs: functions of the job, that warm up and then do the `rounds`.
    """
    job = types.SimpleNamespace(**json.loads(sys.argv[1]))
    versions = {"Python": platform.python_version()}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    _say(versions=versions)
    try:
        jobs[job.job](job)
    except Skip as reason:
        _say(skip=str(reason))


def rounds():
    """Yields for each "go"; what is done until the next value is asked for is the round, and its times are answered."""
    _say(ready=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        seconds, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        _say(seconds=seconds, cpu_seconds=cpu, peak_bytes=peak)


def _say(**answer):
    _answers.write(json.dumps(answer) + "\n")


def examples(job):
    """(texts, labels as numbers from 0) of the share of the file that the job wants."""
    with open(job.data, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t")[:2] for line in file][1:]
    rows = random.Random(1).sample(rows, min(job.texts, len(rows)))
    names = sorted({label for label, _ in rows})
    return [text for _, text in rows], [names.index(label) for label, _ in rows]


def tenth(rows):
    """What the warm-up is done on."""
    return rows[: max(BATCH + 1, len(rows) // 10)]  # a batch that is not full is traced too


def random_batch():
    """(tokens (16, 128), labels (16,)): int32, no padding."""
    draw = np.random.default_rng(1)
    return draw.integers(1, USED, STEP, "int32"), draw.integers(0, 2, STEP[0], "int32")


def prepared(job):
    """(the model's config, the batches) of the job pretrain: a dict, and a list of (x, y), dicts of int32 arrays.

    x: `Input-Token` and `Input-Segment` (64, 128), `Masked-Position` (64, masked); y: `MLM` (64, masked), the ids that
    stood there, -1 for none, and `NSP` (64, 1), 0 where the second part follows the first.
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
    """Lists of numbers as one int32 array, padded with 0 to the longest."""
    array = np.zeros((len(rows), max(map(len, rows))), "int32")
    for line, row in zip(array, rows, strict=True):
        line[: len(row)] = row
    return array
