"""Whether speed costs accuracy: the same fine-tuning by each encoder, in each kind of numbers, over several seeds.

    python benchmarks/accuracy.py --checkpoint MINILM --train train.tsv --test test.tsv [--share 0.5] [--seeds 1 2 3 4 5]

The last epoch is kept, so that nothing is chosen by any score; the test file is read at the end of each run. Prints a
Markdown table: the accuracies, their mean and its standard error, and how far the mean is from the first line's.
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
    "fast, bfloat16": {"encoder": "fast", "precision": "bfloat16"},
}


def accuracy(args, variant, seed):
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
    """The table's lines, from a dict of variants to dicts of seeds to accuracies."""
    yield f"| | {' | '.join(f'seed {seed}' for seed in next(iter(found.values())))} | mean | standard error | from the first |"
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
    parser.add_argument("--checkpoint", required=True, metavar="FOLDER", help="official format")
    parser.add_argument("--train", required=True, metavar="FILE", help="columns label and text")
    parser.add_argument("--test", required=True, metavar="FILE", help="the same columns")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the training file, always the same rows (default 1)"
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


main()
