"""Seconds of an epoch computed in two ways on the CPU, in turn: a Markdown table.

    python benchmarks/cpu.py --compare kernels|precision [--checkpoint tiny-zh] [--data-root DIR] [--rounds 3] [--rows N]

`kernels` compares oneDNN's kernels with TensorFlow's own kernels, in float32. The environment variable TF_ENABLE_ONEDNN_OPTS
selects them when TensorFlow is imported, so each training runs in a new process. `precision` compares bfloat16 with float32. The
first epoch, in which TensorFlow traces the step, is not counted.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from machine import described

CASES = {  # class of the task, file, number of texts, max_length
    "classify": ("TextClassifier", "zh_tnews/train.tsv", 640, 48),
    "subject": ("SubjectExtractor", "zh_ccks2019_event_subject/train.jsonl", 320, 96),
}
WAYS = {  # name: (environment, precision)
    "kernels": {
        "oneDNN's kernels": ({"TF_ENABLE_ONEDNN_OPTS": "1"}, "float32"),
        "TensorFlow's own": ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "float32"),
    },
    "precision": {"bfloat16": ({}, "bfloat16"), "float32": ({}, "float32")},
}


def epoch(args, case, precision):
    """Trains three epochs and returns the mean seconds of the second and the third."""
    import kbert_tasks as kb

    name, file, number, length = CASES[case]
    rows = kb.read(Path(args.data_root) / file)
    rows = rows[rows["text"].str.len() <= length - 6].head(min(number, args.rows or number))
    task = getattr(kb, name)(
        args.checkpoint, epochs=3, max_length=length, validation_split=0.0, precision=precision, fgm_epsilon=0.0
    ).fit(rows)
    return statistics.mean(each["seconds"] for each in task.report_["history"][1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compare", choices=WAYS, required=True)
    parser.add_argument("--checkpoint", default="tiny-zh")
    parser.add_argument("--data-root", default="../shared/data", metavar="DIR", help="folder of the data sets")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, metavar="N", help="use at most N texts of each file (default 640 and 320)")
    parser.add_argument("--epoch", nargs=2, help=argparse.SUPPRESS)  # used by the processes that this one starts
    args = parser.parse_args()
    if args.epoch:
        print(json.dumps(epoch(args, *args.epoch)))
        return
    ways, found = WAYS[args.compare], {}
    for _ in range(args.rounds):
        for case in CASES:
            for name, (environment, precision) in ways.items():
                command = [sys.executable, *sys.argv, "--epoch", case, precision]
                done = subprocess.run(
                    command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
                )
                found.setdefault((case, name), []).append(json.loads(done.stdout))
    print(*(f"{line}." for line in described()), sep="\n")
    print("\n| an epoch of | " + " | ".join(f"{name}, s" for name in ways) + " | ratio |")
    print("|---|---|---|---|")
    for case in CASES:
        seconds = [found[case, name] for name in ways]
        cells = [f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in seconds]
        print(f"| {case} | {' | '.join(cells)} | {statistics.median(seconds[1]) / statistics.median(seconds[0]):.2f} |")


if __name__ == "__main__":
    main()
