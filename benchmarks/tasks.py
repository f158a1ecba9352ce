"""An epoch of relation and of subject extraction with the package's encoder and with keras-bert's, in turn: a Markdown table.

    python benchmarks/tasks.py --checkpoint CHECKPOINT --relation train.jsonl --subject train.jsonl [--rows 2000] [--rounds 5]

Batches, head and optimizer are the same; the table of tokens is narrowed in both. The seconds are those that `fit` notes of
an epoch; the first epoch of a fit, which traces the graph, is not counted.
"""

import argparse
import statistics
import sys

from fixed import SPANS
from machine import described

import kbert_tasks as kb

ENCODERS = "fast", "keras-bert"


def seconds(args, kind, file, encoder):
    """Of the second epoch."""
    rows = kb.read(file)[: args.rows]
    task = kind(args.checkpoint, encoder=encoder, epochs=2, validation_split=0.0, max_length=args.max_length, **SPANS)
    return task.fit(rows).report_["history"][-1]["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, metavar="FOLDER", help="official format")
    parser.add_argument("--relation", required=True, metavar="FILE", help="JSON lines of text and spo_list")
    parser.add_argument("--subject", required=True, metavar="FILE", help="JSON lines of text, event type and subject")
    parser.add_argument("--rows", type=int, default=2000, help="of each file, the first ones (default 2000)")
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
    print("| task | keras-bert's graph, s | the package's, s | ratio |\n|---|---|---|---|")
    for name, spent in found.items():
        ours, theirs = (statistics.median(spent[encoder]) for encoder in ENCODERS)
        print(f"| {name} | {theirs:.1f} | {ours:.1f} | {theirs / ours:.2f} |")


main()
