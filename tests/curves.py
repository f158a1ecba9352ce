"""Trains each task for a few steps and writes the losses, scores and answers as JSON.

`python -m tests.curves DEVICE CHECKPOINT FILE [JOB]` runs all jobs, or only JOB.

It runs in its own process, because the devices of a process are set up only once. With DEVICE `fixed`, it trains on two
devices with everything that is done for a TPU, but without a TPU.
"""

import json
import sys
from pathlib import Path

import kbert_tasks as kb
from kbert_tasks.data import tables
from kbert_tasks.encoder import precision
from kbert_tasks.samples import path
from kbert_tasks.tasks import find, names
from kbert_tasks.training import distribution

# Batches of 8, 8 and 1 texts: a second device gets no text of the last batch.
ROWS = 17
SETTINGS = {
    "epochs": 3,
    "batch_size": 8,
    "max_length": 24,
    "learning_rate": 1e-3,
    "dropout": 0.0,
    "validation_split": 0.0,
}
SETTINGS |= {
    "schedule": "constant",
    "warmup_ratio": 0.0,
    "ema_decay": 0.0,
    "fgm_epsilon": 0.0,
}  # "auto" chooses other values for a TPU
MANY_SETTINGS = {
    "micro_batches": 2,
    "fgm_epsilon": 0.5,
    "global_clipnorm": 1.0,
    "weight_decay": 0.01,
    "warmup_ratio": 0.3,
    "patience": 2,
    "ema_decay": 0.5,
}
JOBS = {
    "classify": ("classify", {}),
    "relation": ("relation", {}),
    "subject": ("subject", {}),
    "entity": ("entity", {}),
    "classify with much": ("classify", MANY_SETTINGS),
}


def rows(name, number=ROWS):
    return tables.read(path(name, "zh", "train")).head(number)


def trained(device, checkpoint, jobs=JOBS):
    """{job: {losses and development scores of each epoch, answers for 7 texts}}."""
    results = {}
    for job, (name, options) in jobs.items():
        task = find(name)(checkpoint, device=device, **SETTINGS | options)
        history = task.fit(rows(name), dev=rows(name, 5)).report_["history"]
        results[job] = {
            "losses": [epoch["loss"] for epoch in history],
            "scores": [epoch["dev"][task.MAIN_SCORE] for epoch in history],
            "answers": [task.to_dict(prediction) for prediction in task.predict(rows(name, 7))],
        }
    return json.loads(json.dumps(results))


if __name__ == "__main__":
    precision.CPU = Path("a processor without AMX")
    device, checkpoint, file, *chosen = sys.argv[1:]
    jobs = {job: JOBS[job] for job in chosen or JOBS}
    if device == "fixed":
        from kbert_tasks.encoder import ops
        from kbert_tasks.training import run, trainer

        for module in (distribution, trainer, run, ops):
            module.is_tpu = lambda strategy: True
        device, jobs = "cpu:2", {job: JOBS[job] for job in names()}
    kb.strategy(device)
    Path(file).write_text(json.dumps(trained(device, checkpoint, jobs)))
