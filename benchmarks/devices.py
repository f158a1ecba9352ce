"""Losses of each task on one device, on two devices of one process, and on two processes: a Markdown table.

    python benchmarks/devices.py [--checkpoint tiny-zh] [--rows 200] [--epochs 3] [--batch-size 16]

The script trains on the samples of the package without dropout, so that only the order of sums differs. The two devices share the
processor of this machine, and the two processes communicate through its loopback address. The result shows that the numbers are
right; it does not show how fast several machines are.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from fixed import SPANS
from machine import described

TASKS = ("classify", "relation", "subject")
OFF = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def without_dropout(checkpoint, folder):
    """Copies a checkpoint, sets the dropout rates of its config to 0, and returns the folder of the copy."""
    from kbert_tasks import find_checkpoint

    found = find_checkpoint(checkpoint)
    copy = Path(shutil.copytree(Path(found.config_file).parent, folder / found.name))
    file = copy / Path(found.config_file).name
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | OFF), encoding="utf-8")
    return copy


def losses(device, job):
    """Trains each task and returns a dict of task to the losses of its epochs."""
    import kbert_tasks as kb
    from kbert_tasks import samples, tasks

    kb.strategy(device)
    settings = SPANS | {
        "epochs": job["epochs"],
        "batch_size": job["batch_size"],
        "learning_rate": 1e-4,
        "precision": "float32",
    }
    found = {}
    for name in TASKS:
        task = tasks.find(name)(job["checkpoint"], device=device, dropout=0.0, validation_split=0.0, **settings)
        task.fit(kb.read(samples.path(name, "zh", "train"))[: job["rows"]])
        found[name] = [epoch["loss"] for epoch in task.report_["history"]]
    return found


def answers(device, job, workers=1):
    """Runs `losses` in `workers` processes at the same time and returns a list of their results."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    running = []
    for number in range(workers):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
        environment = os.environ | ({"TF_CONFIG": json.dumps(task)} if workers > 1 else {})
        words = [sys.executable, __file__, "--answer", json.dumps([device, job])]
        running.append(subprocess.Popen(words, env=environment, stdout=subprocess.PIPE))
    outputs = [each.communicate()[0] for each in running]
    if any(each.returncode for each in running):
        sys.exit("a process failed, see its message above")
    return [json.loads(each) for each in outputs]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", default="tiny-zh", metavar="C", help="folder or name (default tiny-zh)")
    parser.add_argument("--rows", type=int, default=200, help="number of rows of each sample (default 200)")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.answer:
        print(json.dumps(losses(*json.loads(args.answer))))
        return
    print(*(f"{line}." for line in described()), sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        job = {name: getattr(args, name) for name in ("rows", "epochs", "batch_size")}
        job["checkpoint"] = str(without_dropout(args.checkpoint, Path(folder)))
        (one,), (two,), both = answers("cpu", job), answers("cpu:2", job), answers("auto", job, workers=2)
    print("\n| task | epoch | one device | two devices | two processes | largest difference, relative |")
    print("|---|---|---|---|---|---|")
    for name in TASKS:
        for epoch, each in enumerate(zip(one[name], two[name], both[0][name], both[1][name], strict=True), 1):
            far = max(abs(loss / each[0] - 1) for loss in each)
            print(f"| {name} | {epoch} | {' | '.join(f'{loss:.6f}' for loss in each[:3])} | {far:.1e} |")


if __name__ == "__main__":
    main()
