"""Memory of a process that trains, or loads a model, many times: a Markdown table.

    python benchmarks/memory_curve.py [--times 20] [--only classify ...] [--output FILE]

Each job runs in a separate process. It measures after each training, in pretraining after each interval of four steps, which ends
with a save, and for `kb.load` after each model has been loaded and has made predictions. Before each measurement, the process
collects garbage and returns free memory to the system (`malloc_trim`). It then measures its memory and counts the live TensorFlow
variables.
"""

import argparse
import ctypes
import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import described

import kbert_tasks as kb
from kbert_tasks._keras import tensorflow
from kbert_tasks.samples import path

ROWS = {"epochs": 1, "max_length": 32, "batch_size": 8, "fgm_epsilon": 0.0, "baseline": False}
SHOWN = 1, 2, 3, 5, 10, 15, 20
MIB = 2**20


def fits(kind, times):
    """Trains a task `times` times and yields after each training."""
    from kbert_tasks import tasks

    rows = kb.read(path(kind, "zh", "train")).head(24)
    settings = {name: value for name, value in ROWS.items() if name != "baseline" or kind == "classify"}
    for _ in range(times):
        tasks.find(kind)("tiny-zh", **settings, validation_split=0.2).fit(rows)
        yield


def loads(times):
    """Loads a saved model `times` times and yields after each prediction."""
    rows = kb.read(path("classify", "zh", "train")).head(24)
    with tempfile.TemporaryDirectory() as folder:
        kb.TextClassifier("tiny-zh", **ROWS, validation_split=0.0).fit(rows).save(Path(folder) / "run")
        for _ in range(times):
            kb.load(Path(folder) / "run").predict(rows)
            yield


def intervals(times):
    """Pretrains for `times` intervals of four steps and measures after the save of each interval."""
    from kbert_tasks.pretraining import training
    from kbert_tasks.pretraining.preparing import prepare

    texts = kb.read(path("classify", "zh", "train"))["text"]
    checkpoint = kb.find_checkpoint("tiny-zh")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "text.txt"
        file.write_text(
            "\n\n".join(f"{a}\n{b}" for a, b in zip(texts[::2], texts[1::2], strict=False)), encoding="utf-8"
        )
        corpus = prepare([file], Path(folder) / "data", checkpoint.vocabulary, checkpoint.cased, held_out=0.1)
        saved = training.Saves.on_epoch_end

        def saved_and_measured(self, epoch, logs=None):
            saved(self, epoch, logs)
            measure()

        training.Saves.on_epoch_end = saved_and_measured
        training.train(
            corpus,
            Path(folder) / "out",
            checkpoint="tiny-zh",
            steps=4 * times,
            save_every=4,
            batch_size=8,
            max_length=32,
        )
    return ()


JOBS = {
    "classify": lambda times: fits("classify", times),
    "relation": lambda times: fits("relation", times),
    "subject": lambda times: fits("subject", times),
    "load and predict": loads,
    "pretraining, intervals of four steps": intervals,
}


def measure():
    """Prints [MiB of the process, number of live variables, MiB of these variables] as JSON."""
    tf = tensorflow()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    used = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    alive = [each for each in gc.get_objects() if issubclass(type(each), tf.Variable)]
    bytes_ = sum(each.shape.num_elements() * each.dtype.size for each in alive)
    print(json.dumps([round(used / MIB), len(alive), round(bytes_ / MIB, 1)]), flush=True)


def measured(name, times):
    """Runs a job in a new process and returns its measurements."""
    command = [sys.executable, __file__, "--job", name, "--times", str(times)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def table(found):
    """Yields the lines of the table: MiB after 1, 2, ... times, the mean increase from the second time on, and live variables."""
    times = max(map(len, found.values()))
    shown = [each for each in SHOWN if each <= times]
    yield f"| job | {' | '.join(map(str, shown))} | MiB added each time, from the 2nd on | live variables at the end (MiB) |"
    yield "|---" * (len(shown) + 3) + "|"
    for name, rows in found.items():
        more = (rows[-1][0] - rows[1][0]) / (len(rows) - 2) if len(rows) > 2 else float("nan")
        cells = [rows[each - 1][0] for each in shown]
        yield f"| {name} | {' | '.join(map(str, cells))} | {more:.1f} | {rows[-1][1]} ({rows[-1][2]}) |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20, help="number of trainings (default 20)")
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS), metavar="JOB")
    parser.add_argument("--output", metavar="FILE", help="file for the table, which is also printed")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)  # used by the processes that this one starts
    args = parser.parse_args()
    if args.job:
        logging.disable(logging.WARNING)
        for _ in JOBS[args.job](args.times):
            measure()
        return
    found = {}
    for name in args.only:
        found[name] = measured(name, args.times)
        print(name, *(row[0] for row in found[name]), file=sys.stderr, flush=True)
    text = "\n".join([*(f"{line}." for line in described()), "", *table(found)]) + "\n"
    print(text)
    if args.output:
        Path(args.output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
