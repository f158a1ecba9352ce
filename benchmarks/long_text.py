"""What becomes of texts longer than max_length: cut, cut in the middle, or read in windows. A Markdown table.

    python benchmarks/long_text.py --checkpoint CHECKPOINT --train train.tsv --test test.tsv [--labels 20] [--seeds 1 2 3 4 5]

The last epoch is kept, so that nothing is chosen by any score; the test file is read at the end of each run. Both ways to merge
windows are of one training, which makes more steps in an epoch than the others: see the seconds. The long texts of the table are
those of the test file that max_length cuts.
"""

import argparse
import dataclasses
import statistics
import sys
import time

from fixed import CLASSIFY
from machine import described

import kbert_tasks as kb

# Name to how it is trained and how it answers.
VARIANTS = {
    "cut": ({"truncation": "cut"}, ["mean"]),
    "head-tail": ({"truncation": "head-tail"}, ["mean"]),
    "windows": ({"truncation": "windows"}, ["mean", "max"]),
}


def runs(args, name, seed):
    """(name of a line, {column: number}) of each way to answer."""
    settings, merges = VARIANTS[name]
    if name == "windows":
        settings = settings | {"window_overlap": args.window_overlap}
    settings = CLASSIFY | settings
    settings |= {"epochs": args.epochs, "learning_rate": args.learning_rate, "max_length": args.max_length}
    settings |= {"batch_size": args.batch_size, "schedule": "linear", "warmup_ratio": 0.1}
    train, test = kb.read(args.train), kb.read(args.test)
    labels = train["label"].value_counts().sort_index().sort_values(ascending=False, kind="stable").index[: args.labels]
    train, test = (each[each["label"].isin(labels)].reset_index(drop=True) for each in (train, test))
    task = kb.TextClassifier(args.checkpoint, validation_split=0.0, seed=seed, **settings).fit(train)
    lengths = [len(task.tokenizer.encode(text, None, 2**31).ids) for text in test["text"]]
    long = test[[length > args.max_length for length in lengths]]
    for merge in merges:
        task.settings = dataclasses.replace(task.settings, window_pooling=merge)
        began = time.perf_counter()
        found = {"all": task.evaluate(test)["accuracy"], "answering": time.perf_counter() - began}
        found |= {"long": task.evaluate(long)["accuracy"] if len(long) else float("nan"), "count": len(long)}
        found["training"] = sum(epoch["seconds"] for epoch in task.report_["history"])
        yield name if len(merges) == 1 else f"{name}, {merge}", found


def table(found):
    """The table's lines, from a dict of variants to dicts of seeds to what `runs` gives."""
    seeds = list(next(iter(found.values())))
    count = next(iter(next(iter(found.values())).values()))["count"]
    yield (
        f"| | {' | '.join(f'seed {seed}' for seed in seeds)} | mean | standard error | from the first "
        f"| mean of the {count} long ones | training, s | answering, s |"
    )
    yield "|---" * (7 + len(seeds)) + "|"
    first = None
    for variant, each in found.items():
        scores = [run["all"] for run in each.values()]
        mean = statistics.mean(scores)
        error = statistics.stdev(scores) / len(scores) ** 0.5 if len(scores) > 1 else float("nan")
        first = mean if first is None else first
        long, training, answering = (
            statistics.mean(run[key] for run in each.values()) for key in ("long", "training", "answering")
        )
        yield (
            f"| {variant} | {' | '.join(f'{score:.4f}' for score in scores)} | {mean:.4f} | {error:.4f} | {mean - first:+.4f} "
            f"| {long:.4f} | {training:.0f} | {answering:.1f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, metavar="C", help="a folder, or a name of kbert-checkpoint list")
    parser.add_argument("--train", required=True, metavar="FILE", help="columns label and text")
    parser.add_argument("--test", required=True, metavar="FILE", help="the same columns")
    parser.add_argument(
        "--labels", type=int, metavar="N", help="the N that are most frequent in training (default all)"
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--window-overlap", type=int, help="tokens that two windows share (default: a quarter of one)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    args = parser.parse_args()
    start, found = described(), {}
    for seed in args.seeds:
        for name in args.only:
            for line, run in runs(args, name, seed):
                found.setdefault(line, {})[seed] = run
                print(f"{line}, seed {seed}: {run['all']:.4f}, {run['training']:.0f} s", file=sys.stderr, flush=True)
    print(*(f"{line}." for line in start), sep="\n")
    print(
        f"\nAccuracy, {args.epochs} epochs, batches of {args.batch_size}, highest learning rate {args.learning_rate:g}, falling to 0, "
        f"{args.max_length} tokens.\n"
    )
    print("\n".join(table(found)))


main()
