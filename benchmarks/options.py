"""Effect of each training option: the score of the same task with and without it, over several seeds.

    python benchmarks/options.py CHECKPOINT [--data-root DIR] [--seeds 1 2 3 4 5] [--results FILE]
    python benchmarks/options.py CHECKPOINT --only subject --options none "ema_decay 0.99" --seeds 1 --results FILE    (a part)
    python benchmarks/options.py CHECKPOINT --defaults       (candidates for the default)

All runs of a task use the same training, development and test rows. The seed determines the head, the order and the dropout. The
best epoch and the threshold are chosen on the development rows, which are held out of the training file; the test rows are used for
the final score only. The learning rate is the same for all options and was not tuned. The first row of the table is Adam with a
constant rate. Options that do not change the result (micro_batches) are not compared.

The script prints a Markdown table: the mean score of the first row, then for each option the mean difference between runs of the
same seed with and without it, with the standard error of this mean. With --results, each run is a line of JSON in that file, and
runs that the file already contains are not repeated.
"""

import argparse
import functools
import json
import statistics
import time
from pathlib import Path

import numpy as np
from fixed import SPANS

import kbert_tasks as kb

# Small batches, so that a few texts are enough steps.
SMALL_BATCHES = SPANS | {"learning_rate": 3e-4, "batch_size": 8}
CASES = {  # (class, files, score, numbers of training, development and test rows, settings)
    "classify": (
        "TextClassifier",
        ("zh_tnews/train.tsv", "zh_tnews/dev.tsv"),
        "accuracy",
        (600, 300, 1000),
        SMALL_BATCHES | {"pooling": "cls"} | {"epochs": 4, "max_length": 48},
    ),
    "classify-en": (
        "TextClassifier",
        ("en_sst2/train.tsv", "en_sst2/test.tsv"),
        "accuracy",
        (800, 200, 800),
        SMALL_BATCHES | {"pooling": "cls"} | {"epochs": 3, "max_length": 64},
    ),
    "relation-en": (
        "RelationExtractor",
        ("en_webnlg/train.jsonl", "en_webnlg/test.jsonl"),
        "f1",
        (800, 150, 300),
        SMALL_BATCHES | {"epochs": 3, "max_length": 48},
    ),
    "subject": (
        "SubjectExtractor",
        ("zh_ccks2019_event_subject/train.jsonl", "zh_ccks2019_event_subject/test.jsonl"),
        "f1",
        (400, 150, 400),
        SMALL_BATCHES | {"epochs": 4, "max_length": 64},
    ),
    "relation": (
        "RelationExtractor",
        ("zh_duie2_sample/train.jsonl", "zh_duie2_sample/dev.jsonl"),
        "f1",
        (500, 150, 300),
        SMALL_BATCHES | {"epochs": 6, "max_length": 48},
    ),
}
LONGEST = {
    "relation": 40,
    "subject": 60,
    "relation-en": 100,
}  # maximum number of characters of a text, so that five seeds take minutes
DEFAULTS = {
    "constant, 1e-5": {"schedule": "constant", "learning_rate": 1e-5},
    "linear, 5e-5": {"schedule": "linear", "warmup_ratio": 0.1, "learning_rate": 5e-5},
    "constant, 5e-5": {"schedule": "constant", "learning_rate": 5e-5},
    "linear, 5e-5, ema_decay 0.99": {
        "schedule": "linear",
        "warmup_ratio": 0.1,
        "learning_rate": 5e-5,
        "ema_decay": 0.99,
    },
    "constant, 5e-5, ema_decay 0.99": {"schedule": "constant", "learning_rate": 5e-5, "ema_decay": 0.99},
}
OPTIONS = {
    "none": {},
    "linear": {"warmup_ratio": 0.1, "schedule": "linear"},
    "learning_rate 6e-4": {"learning_rate": 6e-4},
    "linear, learning_rate 6e-4": {"learning_rate": 6e-4, "warmup_ratio": 0.1, "schedule": "linear"},
    "weight_decay 0.01": {"weight_decay": 0.01},
    "global_clipnorm 1": {"global_clipnorm": 1.0},
    "layerwise_lr_decay 0.8": {"layerwise_lr_decay": 0.8},
    "freeze_layers 2": {"freeze_layers": 2},
    "ema_decay 0.99": {"ema_decay": 0.99},
    "fgm_epsilon 0.5": {"fgm_epsilon": 0.5},
    "dropout 0.3": {"dropout": 0.3},
    "class_weight balanced": {"class_weight": "balanced"},
    "focal_gamma 2": {"focal_gamma": 2.0},
    "label_smoothing 0.1": {"label_smoothing": 0.1},
}


def options(args, case):
    """Returns a dict of name to settings: the selected options that the task of a case has."""
    _, _, _, _, settings = CASES[case]
    fixed = {name: settings[name] for name in (*SPANS, "pooling") if name in settings}
    if args.defaults:
        return {
            name: {"max_length": settings["max_length"], "epochs": 3} | fixed | DEFAULTS[name] for name in args.options
        }
    names = getattr(kb, CASES[case][0]).Settings.__dataclass_fields__
    return {name: settings | OPTIONS[name] for name in args.options if OPTIONS[name].keys() <= names.keys()}


def numbers(args, case):
    """Returns the numbers of training, development and test rows."""
    number, held_out, tested = args.rows or CASES[case][3]
    return int(number * args.times), held_out, tested


@functools.cache
def rows(case, root, number, held_out, tested):
    """Returns the training, development and test rows of a case, the same ones for each run."""
    train, test = CASES[case][1]
    tables = [kb.read(Path(root) / file) for file in (train, test)]
    if case in LONGEST:
        tables = [table[table["text"].str.len() <= LONGEST[case]] for table in tables]
    some, test = (drawn(*each) for each in zip(tables, (number + held_out, tested), strict=True))
    return some.iloc[held_out:].reset_index(drop=True), some.iloc[:held_out].reset_index(drop=True), test


def drawn(table, number):
    """Samples rows of a table, the same ones for each run."""
    return table.iloc[np.random.default_rng(0).permutation(len(table))[:number]].reset_index(drop=True)


def run(args, case, settings, seed):
    """Trains and tests one model; returns a dict, the line in the results file."""
    train, dev, test = rows(case, args.data_root, *numbers(args, case))
    began = time.perf_counter()
    task = getattr(kb, CASES[case][0])(args.checkpoint, seed=seed, **settings).fit(train, dev=dev)
    trained = time.perf_counter()
    scores = task.evaluate(test).numbers()
    return {
        "score": scores[CASES[case][2]],
        "dev": [epoch["dev"] for epoch in task.report_["history"]],
        "scores": scores,
        "train_seconds": round(trained - began, 1),
        "seconds": round(time.perf_counter() - began, 1),
    }


def table(args, found):
    """Yields the lines of the table, with a row for each option and a column for each task."""
    yield f"| | {' | '.join(f'{case}, {CASES[case][2]}' for case in args.only)} |"
    yield "|---" * (1 + len(args.only)) + "|"
    first = args.options[0]
    for option in args.options:
        cells = [cell(found, case, option, first) for case in args.only]
        if any(cells):
            yield f"| {option} | {' | '.join(cells)} |"


def cell(found, case, option, first):
    """Returns the mean score of the first option, or the mean difference of another one to it, with standard error, in points."""
    without, with_ = found.get((case, first), {}), found.get((case, option), {})
    seeds = [seed for seed in with_ if seed in without]
    if not seeds:
        return ""
    points = [100 * (with_[seed]["score"] - (option != first) * without[seed]["score"]) for seed in seeds]
    error = f" ± {statistics.stdev(points) / len(points) ** 0.5:.1f}" if len(points) > 1 else ""
    return (f"{statistics.mean(points):.1f}" if option == first else f"{statistics.mean(points):+.1f}") + error


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="folder or name")
    parser.add_argument("--data-root", default="../shared/data", metavar="DIR", help="folder of the data sets")
    parser.add_argument("--only", nargs="+", choices=CASES, default=["classify", "subject", "relation"])
    parser.add_argument(
        "--options", nargs="+", metavar="NAME", help="options to compare; the first one is the reference"
    )
    parser.add_argument("--defaults", action="store_true", help="compare candidates for the default settings")
    parser.add_argument("--times", type=float, default=1, metavar="N", help="multiply the number of training rows by N")
    parser.add_argument("--rows", nargs=3, type=int, metavar="N", help="numbers of training, development and test rows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--results", metavar="FILE", help="JSON lines: finished runs, which are not repeated")
    args = parser.parse_args()
    known = DEFAULTS if args.defaults else OPTIONS
    args.options = args.options or list(known)
    if unknown := set(args.options) - known.keys():
        parser.error(f"unknown --options: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return args


def main():
    args, found, before = arguments(), {}, {}
    if args.results and Path(args.results).is_file():
        lines = map(json.loads, Path(args.results).read_text(encoding="utf-8").splitlines())
        before = {json.dumps(line["run"], sort_keys=True): line for line in lines}
    for seed in args.seeds:
        for case in args.only:
            for option, settings in options(args, case).items():
                key = {"case": case, "seed": seed, "checkpoint": Path(args.checkpoint).name, "settings": settings}
                key["rows"] = list(numbers(args, case))
                result = before.get(json.dumps(key, sort_keys=True))
                if result is None:
                    result = {"run": key} | run(args, case, settings, seed)
                    if args.results:
                        with open(args.results, "a", encoding="utf-8") as file:
                            file.write(json.dumps(result, ensure_ascii=False) + "\n")
                print(f"{case}, {option}, seed {seed}: {100 * result['score']:.2f}, {result['seconds']} s", flush=True)
                found.setdefault((case, option), {})[seed] = result
    print("", *table(args, found), sep="\n")


if __name__ == "__main__":
    main()
