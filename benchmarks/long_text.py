"""Accuracy for texts longer than max_length: cut at the end, cut in the middle, or read in windows. A Markdown table.

    python benchmarks/long_text.py --checkpoint CHECKPOINT --train train.tsv --test test.tsv [--labels 20] [--seeds 1 2 3 4 5]

No score is used to choose anything: the weights of the last epoch are kept. Each run is scored once on the test file. Both values of
window_pooling use the same trained model; with windows, an epoch has more steps than with truncation (see the seconds). The long
texts in the table are the texts of the test file that are longer than max_length.
"""

import argparse
import dataclasses
import statistics
import sys
import time

from fixed import CLASSIFY
from machine import described

import kbert_tasks as kb

# Name to settings of the training and values of window_pooling for prediction.
VARIANTS = {
    "cut": ({"truncation": "cut"}, ["mean"]),
    "head-tail": ({"truncation": "head-tail"}, ["mean"]),
    "windows": ({"truncation": "windows"}, ["mean", "max"]),
}


def runs(args, name, seed):
    """Trains one model and yields (name of the row, {column: number}) for each window_pooling."""
    settings, poolings = VARIANTS[name]
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
    for pooling in poolings:
        task.settings = dataclasses.replace(task.settings, window_pooling=pooling)
        began = time.perf_counter()
        found = {"all": task.evaluate(test)["accuracy"], "prediction": time.perf_counter() - began}
        found |= {"long": task.evaluate(long)["accuracy"] if len(long) else float("nan"), "count": len(long)}
        found["training"] = sum(epoch["seconds"] for epoch in task.report_["history"])
        yield name if len(poolings) == 1 else f"{name}, {pooling}", found


def table(found):
    """Yields the lines of the table; `found` is a dict of row to a dict of seed to the numbers from `runs`."""
    seeds = list(next(iter(found.values())))
    count = next(iter(next(iter(found.values())).values()))["count"]
    yield (
        f"| | {' | '.join(f'seed {seed}' for seed in seeds)} | mean | standard error | difference to the first row "
        f"| mean on the {count} long texts | training, s | prediction, s |"
    )
    yield "|---" * (7 + len(seeds)) + "|"
    first = None
    for variant, each in found.items():
        scores = [run["all"] for run in each.values()]
        mean = statistics.mean(scores)
        error = statistics.stdev(scores) / len(scores) ** 0.5 if len(scores) > 1 else float("nan")
        first = mean if first is None else first
        long, training, prediction = (
            statistics.mean(run[key] for run in each.values()) for key in ("long", "training", "prediction")
        )
        yield (
            f"| {variant} | {' | '.join(f'{score:.4f}' for score in scores)} | {mean:.4f} | {error:.4f} | {mean - first:+.4f} "
            f"| {long:.4f} | {training:.0f} | {prediction:.1f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, metavar="C", help="folder, or name in kbert-checkpoint list")
    parser.add_argument("--train", required=True, metavar="FILE", help="training file with the columns label and text")
    parser.add_argument("--test", required=True, metavar="FILE", help="test file with the same columns")
    parser.add_argument(
        "--labels", type=int, metavar="N", help="use only the N most frequent labels of the training file (default all)"
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument(
        "--window-overlap", type=int, help="tokens that two windows share (default a quarter of max_length)"
    )
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
        f"\nAccuracy, {args.epochs} epochs, batches of {args.batch_size}, warm-up to learning rate {args.learning_rate:g}, "
        f"then linear decay to 0, {args.max_length} tokens.\n"
    )
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
