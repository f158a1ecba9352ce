"""Memory of one process that trains, or loads, again and again: Markdown tables.

    python benchmarks/memory_curve.py [--times 20] [--only classify ...] [--output FILE]

Each job is a process of its own. After each training (in pretraining after each stretch of steps, which ends in a save;
for `kb.load` after each model that was loaded and has answered) all garbage is collected and free memory is returned to the
system (`malloc_trim`). Then it prints the memory that the process holds and the TensorFlow variables that are alive.
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

ROWS = {"epochs": 1, "max_length": 32, "batch_size": 8, "baseline": False}
SHOWN = 1, 2, 3, 5, 10, 15, 20
MIB = 2**20


def fits(kind, times):
    from kbert_tasks import tasks

    rows = kb.read(path(kind, "zh", "train")).head(24)
    settings = {name: value for name, value in ROWS.items() if name != "baseline" or kind == "classify"}
    for _ in range(times):
        tasks.find(kind)("tiny-zh", **settings, validation_split=0.2).fit(rows)
        yield


def loads(times):
    rows = kb.read(path("classify", "zh", "train")).head(24)
    with tempfile.TemporaryDirectory() as folder:
        kb.TextClassifier("tiny-zh", **ROWS, validation_split=0.0).fit(rows).save(Path(folder) / "run")
        for _ in range(times):
            kb.load(Path(folder) / "run").predict(rows)
            yield


def stretches(times):
    """`times` stretches of four steps of one pretraining; it yields where a stretch has been saved."""
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
    "kb.load and predict": loads,
    "pretraining, stretches": stretches,
}


def measure():
    """Prints (MiB held, live variables, MiB of them) as JSON."""
    tf = tensorflow()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    held = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    alive = [each for each in gc.get_objects() if issubclass(type(each), tf.Variable)]
    bytes_ = sum(each.shape.num_elements() * each.dtype.size for each in alive)
    print(json.dumps([round(held / MIB), len(alive), round(bytes_ / MIB, 1)]), flush=True)


def measured(name, times):
    """The rows that a process of its own prints."""
    command = [sys.executable, __file__, "--job", name, "--times", str(times)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def table(found):
    """MiB held after so many times, what each time from the second on added, and the variables at the end."""
    times = max(map(len, found.values()))
    shown = [each for each in SHOWN if each <= times]
    yield f"| job | {' | '.join(map(str, shown))} | MiB more each time, from the 2nd on | live variables at the end (MiB) |"
    yield "|---" * (len(shown) + 3) + "|"
    for name, rows in found.items():
        more = (rows[-1][0] - rows[1][0]) / (len(rows) - 2)
        cells = [rows[each - 1][0] for each in shown]
        yield f"| {name} | {' | '.join(map(str, cells))} | {more:.1f} | {rows[-1][1]} ({rows[-1][2]}) |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS), metavar="JOB")
    parser.add_argument("--output", metavar="FILE", help="for the text, which is printed too")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)  # in a process of its own
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


main()
