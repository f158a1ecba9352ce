"""An epoch with oneDNN's kernels and with TensorFlow's own, in turn, each in a process of its own. A Markdown table.

    python benchmarks/onednn.py [--checkpoint tiny-zh] [--data-root DIR] [--rounds 3]

TensorFlow decides between the two when it is imported, by TF_ENABLE_ONEDNN_OPTS. The first epoch, in which the step is traced, is not
counted.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from machine import described

CASES = {  # the task's class, its file, texts of it, tokens
    "classify": ("TextClassifier", "zh_tnews/train.tsv", 640, 48),
    "subject": ("SubjectExtractor", "zh_ccks2019_event_subject/train.jsonl", 320, 96),
}
KERNELS = {"oneDNN's kernels": "1", "TensorFlow's own": "0"}


def epoch(args, case):
    """Seconds of an epoch, the mean of two."""
    import kbert_tasks as kb

    name, file, number, length = CASES[case]
    rows = kb.read(Path(args.data_root) / file)
    rows = rows[rows["text"].str.len() <= length - 6].head(number)
    task = getattr(kb, name)(
        args.checkpoint, epochs=3, max_length=length, validation_split=0.0, precision="float32"
    ).fit(rows)
    return statistics.mean(each["seconds"] for each in task.report_["history"][1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="tiny-zh")
    parser.add_argument("--data-root", default="../shared/data", metavar="DIR", help="of the data sets' folders")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epoch", choices=CASES, help=argparse.SUPPRESS)  # what a process of its own is asked
    args = parser.parse_args()
    if args.epoch:
        print(json.dumps(epoch(args, args.epoch)))
        return
    found = {}
    for _ in range(args.rounds):
        for case in CASES:
            for name, value in KERNELS.items():
                command = [sys.executable, *sys.argv, "--epoch", case]
                environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": value}
                done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
                found.setdefault((case, name), []).append(json.loads(done.stdout))
    print(*(f"{line}." for line in described()), sep="\n")
    print("\n| an epoch of | " + " | ".join(f"{name}, s" for name in KERNELS) + " | ratio |")
    print("|---|---|---|---|")
    for case in CASES:
        seconds = [found[case, name] for name in KERNELS]
        cells = [f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in seconds]
        print(f"| {case} | {' | '.join(cells)} | {statistics.median(seconds[1]) / statistics.median(seconds[0]):.2f} |")


main()
