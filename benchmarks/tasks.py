"""Seconds of an epoch of relation and of subject extraction with the encoders of this package and of keras-bert: a table.

    python benchmarks/tasks.py --checkpoint CHECKPOINT --relation train.jsonl --subject train.jsonl [--rows 2000] [--rounds 5]

Both use the same batches, head, optimizer and embedding subset, and run in turn. The seconds are those in the training history. The
first epoch of each training, in which TensorFlow traces the graph, is not counted.
"""

import argparse
import statistics
import sys

from fixed import SPANS
from machine import described

import kbert_tasks as kb

ENCODERS = "fast", "keras-bert"


def seconds(args, kind, file, encoder):
    """Trains two epochs and returns the seconds of the second."""
    rows = kb.read(file)[: args.rows]
    task = kind(args.checkpoint, encoder=encoder, epochs=2, validation_split=0.0, max_length=args.max_length, **SPANS)
    return task.fit(rows).report_["history"][-1]["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, metavar="FOLDER", help="folder in Google's format")
    parser.add_argument("--relation", required=True, metavar="FILE", help="JSON lines with text and spo_list")
    parser.add_argument("--subject", required=True, metavar="FILE", help="JSON lines with text, event_type and subject")
    parser.add_argument("--rows", type=int, default=2000, help="number of rows of each file (default 2000)")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    jobs = {"relation": (kb.RelationExtractor, args.relation), "subject": (kb.SubjectExtractor, args.subject)}
    start, found = described(), {}
    for number in range(args.rounds):
        for name, job in jobs.items():
            for encoder in ENCODERS:
                spent = seconds(args, *job, encoder)
                found.setdefault(name, {}).setdefault(encoder, []).append(spent)
                print(f"round {number + 1}, {name}, {encoder}: {spent:.1f} s", file=sys.stderr, flush=True)
    print(*(f"{line}." for line in start), sep="\n")
    print(f"\nMedians of {args.rounds} rounds, {args.rows} rows.\n")
    print("| task | keras-bert's graph, s | this package's graph, s | ratio |\n|---|---|---|---|")
    for name, spent in found.items():
        ours, theirs = (statistics.median(spent[encoder]) for encoder in ENCODERS)
        print(f"| {name} | {theirs:.1f} | {ours:.1f} | {theirs / ours:.2f} |")


if __name__ == "__main__":
    main()
