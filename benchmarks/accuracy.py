"""Test accuracy of the same fine-tuning with each encoder and number format, over several seeds.

    python benchmarks/accuracy.py --checkpoint MINILM --train train.tsv --test test.tsv [--share 0.5] [--seeds 1 2 3 4 5]

No score is used to choose anything: the weights of the last epoch are kept. Each run is scored once on the test file. The script
prints a Markdown table with the accuracies, their mean, its standard error, and the difference to the mean of the first row.
"""

import argparse
import statistics
import sys
import time

from fixed import CLASSIFY

import kbert_tasks as kb

VARIANTS = {
    "fast, float32": {"encoder": "fast", "precision": "float32"},
    "keras-bert, float32": {"encoder": "keras-bert", "precision": "float32"},
    "fast, bfloat16": {"encoder": "fast", "precision": "bfloat16", "compile": "off"},
    "fast, bfloat16, compiled": {"encoder": "fast", "precision": "bfloat16", "compile": "on"},
}


def accuracy(args, variant, seed):
    """Trains one model and returns its test accuracy."""
    rows = kb.read(args.train)
    rows = rows.sample(round(args.share * len(rows)), random_state=0)
    settings = CLASSIFY | {
        "epochs": args.epochs,
        "learning_rate": args.learning_rate,
        "validation_split": 0.0,
        "seed": seed,
    }
    task = kb.TextClassifier(args.checkpoint, **settings, **VARIANTS[variant]).fit(rows)
    return task.evaluate(kb.read(args.test)).numbers()["accuracy"]


def table(found):
    """Yields the lines of the table; `found` is a dict of variant to a dict of seed to accuracy."""
    yield f"| | {' | '.join(f'seed {seed}' for seed in next(iter(found.values())))} | mean | standard error | difference to the first row |"
    yield "|---" * (4 + len(next(iter(found.values())))) + "|"
    first = None
    for variant, scores in found.items():
        mean = statistics.mean(scores.values())
        error = statistics.stdev(scores.values()) / len(scores) ** 0.5 if len(scores) > 1 else float("nan")
        first = mean if first is None else first
        each = " | ".join(f"{score:.4f}" for score in scores.values())
        yield f"| {variant} | {each} | {mean:.4f} | {error:.4f} | {mean - first:+.4f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, metavar="FOLDER", help="folder in Google's format")
    parser.add_argument("--train", required=True, metavar="FILE", help="training file with the columns label and text")
    parser.add_argument("--test", required=True, metavar="FILE", help="test file with the same columns")
    parser.add_argument(
        "--share", type=float, default=1.0, help="share of the training rows, the same for all runs (default 1)"
    )
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    args = parser.parse_args()
    found = {variant: {} for variant in args.only}
    for seed in args.seeds:
        for variant in args.only:
            began = time.perf_counter()
            found[variant][seed] = accuracy(args, variant, seed)
            spent = time.perf_counter() - began
            print(f"{variant}, seed {seed}: {found[variant][seed]:.4f}, {spent:.0f} s", file=sys.stderr, flush=True)
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
