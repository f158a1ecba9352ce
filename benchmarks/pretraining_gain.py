"""Effect of pretraining: a pretrained checkpoint, an earlier one and random weights, fine-tuned alike on Chinese tasks.

    python benchmarks/pretraining_gain.py CHECKPOINT [--earlier CHECKPOINT] [--data-root DIR] [--seeds 1 2 3] [--results FILE]
    python benchmarks/pretraining_gain.py CHECKPOINT --only zh_tnews --seeds 1 --results FILE    (a part)

All use the same settings, rows and seeds. The random weights have the shape of CHECKPOINT and are initialised as at the start of
pretraining, differently for each seed. The best epoch, and the threshold for spans, is chosen on a held-out tenth of the training
rows, the same for all. The test rows are used for the final score only. The learning rate is the tested one with the best score
of tiny-zh on the held-out rows (use --learning-rate with --test-rows 0 to test rates), for DuIE that of CCKS; on TNEWS, random
weights need a lower one (benchmarks/pretraining.md). If a data set has no published labelled test split, its development split is
the test set and is used for nothing else; for ChnSentiCorp, both splits are the test set.

The script prints a Markdown table. With --results, each run is a line of JSON in that file, and runs that the file already contains
are not repeated.
"""

import argparse
import dataclasses
import hashlib
import json
import math
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from fixed import CLASSIFY, SPANS

import kbert_tasks as kb
from kbert_tasks.checkpoint import google_format
from kbert_tasks.pretraining import model


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set: its task, its files (one or more for the test), its score, and settings for a small model."""

    task: str
    train: str
    test: tuple
    score: str
    rows: int
    max_length: int
    pooling: str | None = "mean"
    epochs: int = 4
    schedule: str = "constant"
    learning_rate: float = 5e-4


DATA = {
    "zh_chnsenticorp": DataSet(
        "TextClassifier",
        "train.tsv",
        ("dev.tsv", "test.tsv"),
        "accuracy",
        rows=9600,
        max_length=64,
        epochs=1,
        schedule="linear",
        learning_rate=1e-3,
    ),  # with a constant rate, the scores of seeds differ by several points after one epoch
    "zh_tnews": DataSet("TextClassifier", "train.tsv", ("dev.tsv",), "accuracy", rows=2000, max_length=48),
    "zh_ccks2019_event_subject": DataSet(
        "SubjectExtractor", "train.jsonl", ("test.jsonl",), "f1", rows=1000, max_length=96, pooling=None
    ),
    "zh_duie2_sample": DataSet(
        "RelationExtractor", "train.jsonl", ("dev.jsonl",), "f1", rows=2000, max_length=96, pooling=None, epochs=6
    ),
}


def randomised(checkpoint, folder, seed):
    """Writes a checkpoint with the same config and vocabulary and the random weights of a new pretraining."""
    config = checkpoint.config | {"do_lower_case": not checkpoint.cased}
    google_format.write(folder, config, checkpoint.vocabulary, model.drawn(config, seed))
    return folder


def drawn(rows, number):
    """Samples `number` rows of a table, the same ones for each run; all rows if it has no more or `number` is None."""
    if number is None or number >= len(rows):
        return rows
    order = np.random.default_rng(0).permutation(len(rows))[:number]
    return rows.iloc[np.sort(order)].reset_index(drop=True)


def run(args, name, start, seed):
    """Trains and tests one model; returns a dict, the line in the results file."""
    data, root = args.data[name], Path(args.data_root) / name
    fixed = CLASSIFY if data.task == "TextClassifier" else SPANS
    settings = fixed | {"epochs": data.epochs, "max_length": data.max_length, "learning_rate": data.learning_rate}
    settings |= {"schedule": data.schedule, "warmup_ratio": 0.1 if data.schedule == "linear" else 0.0}
    settings |= {"pooling": data.pooling} if data.pooling else {}
    rows = drawn(kb.read(root / data.train), data.rows)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        weights = args.starts.get(start) or randomised(args.starts["pretrained"], Path(folder) / "random", seed)
        task = getattr(kb, data.task)(weights, seed=seed, batch_size=32, validation_split=0.1, **settings)
        task.fit(rows)
    held_out = max(epoch["dev"][task.MAIN_SCORE] for epoch in task.report_["history"])
    found = {"held_out": held_out, "train_rows": len(rows), "history": task.report_["history"]}
    if args.test_rows == 0:  # choose settings on the held-out rows
        return found | {"score": held_out, "test_rows": 0, "seconds": round(time.perf_counter() - began, 1)}
    tests = {file: drawn(kb.read(root / file), args.test_rows) for file in data.test}
    scores = task.evaluate(pd.concat(tests.values(), ignore_index=True)).numbers()
    found |= {"score": scores[data.score], "scores": scores, "test_rows": sum(map(len, tests.values()))}
    if len(tests) > 1:
        found["files"] = {file: task.evaluate(test).numbers()[data.score] for file, test in tests.items()}
    return found | {"seconds": round(time.perf_counter() - began, 1)}


def done(file):
    """Reads the results file and returns a dict of the description of each run, as JSON, to its line."""
    if file is None or not Path(file).is_file():
        return {}
    lines = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines() if line.strip()]
    return {json.dumps(line["run"], sort_keys=True): line for line in lines}


def keyed(args, name, start, seed, weights):
    """Returns everything that determines the score, so that a result is reused only for an identical run."""
    key = {"data": name, "start": start, "seed": seed, "checkpoint": weights, "test_rows": args.test_rows}
    return key | dataclasses.asdict(args.data[name])


def fingerprint(checkpoint):
    """Returns a hash of the files with config, vocabulary and weights."""
    digest = hashlib.sha256()
    prefix = Path(checkpoint.checkpoint_file)
    for file in (checkpoint.config_file, checkpoint.vocabulary_file, *sorted(prefix.parent.glob(f"{prefix.name}.*"))):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]


def table(args, found):
    """Yields the lines of the table; `found` is a dict of (data set, start) to a dict of seed to result."""
    seeds = " / ".join(map(str, args.seeds))
    yield f"| data, score | start | seeds {seeds} | mean ± sd | difference to the first row, points | in standard errors |"
    yield "|---|---|---|---|---|---|"
    for name in args.only:
        first = None
        for start in args.starts:
            scores = [100 * each["score"] for each in found[name, start].values()]
            mean, sd = statistics.mean(scores), statistics.stdev(scores) if len(scores) > 1 else float("nan")
            cells = [" / ".join(f"{each:.2f}" for each in scores), f"{mean:.2f}" + f" ± {sd:.2f}" * (len(scores) > 1)]
            if first is None:
                first, cells = (mean, sd), [*cells, "", ""]
            else:
                error = math.hypot(sd, first[1]) / len(scores) ** 0.5  # Welch: the two variances may differ
                cells += [f"{mean - first[0]:+.2f}", f"{(mean - first[0]) / error:+.1f}" if error > 0 else ""]
            yield f"| {name}, {args.data[name].score} | {start} | {' | '.join(cells)} |"


def described(args, found):
    """Yields a line for each data set about its rows and settings."""
    for name in args.only:
        data, results = args.data[name], [r for start in args.starts for r in found[name, start].values()]
        published = ", as no labelled test split is published" if data.test == ("dev.tsv",) else ""
        yield (
            f"- {name}: {results[0]['train_rows']} rows of {data.train}, {data.epochs} epochs, batches of 32, rate "
            f"{data.learning_rate}, {data.schedule}, at most {data.max_length} tokens; tested on {results[0]['test_rows']} rows of "
            f"{' and '.join(data.test)}{published}; {sum(each['seconds'] for each in results):.0f} s in all"
        )


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="folder in Google's format, or a name")
    parser.add_argument("--earlier", metavar="CHECKPOINT", help="another pretrained checkpoint to compare with")
    parser.add_argument("--data-root", default="../shared/data", metavar="DIR", help="folder of the data sets")
    parser.add_argument("--only", nargs="+", choices=DATA, default=list(DATA), metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--results", metavar="FILE", help="JSON lines: finished runs, which are not repeated")
    parser.add_argument(
        "--test-rows",
        type=int,
        metavar="N",
        help="number of rows of each test file (default all); 0: score the held-out rows instead",
    )
    defaults = {key: ", ".join(str(getattr(each, key)) for each in DATA.values()) for key in CHANGES}
    for key, kind in CHANGES.items():
        help = f"value for all selected data sets (default for {', '.join(DATA)}: {defaults[key]})"
        parser.add_argument("--" + key.replace("_", "-"), type=kind, help=help)
    args = parser.parse_args()
    changes = {key: getattr(args, key) for key in CHANGES if getattr(args, key) is not None}
    args.data = {name: dataclasses.replace(DATA[name], **changes) for name in DATA}
    return args


CHANGES = {"rows": int, "epochs": int, "max_length": int, "learning_rate": float}


def main():
    args = arguments()
    args.starts = {"pretrained": kb.find_checkpoint(args.checkpoint)}
    args.starts |= {"earlier": kb.find_checkpoint(args.earlier)} if args.earlier else {}
    args.starts["random"] = None
    before, found = done(args.results), {}

    def result(name, start, seed):
        key = keyed(args, name, start, seed, fingerprint(args.starts[start] or args.starts["pretrained"]))
        found = before.get(json.dumps(key, sort_keys=True))
        if found is None:
            found = {"run": key} | run(args, name, start, seed)
            if args.results:
                with open(args.results, "a", encoding="utf-8") as file:
                    file.write(json.dumps(found, ensure_ascii=False) + "\n")
        score, held_out = 100 * found["score"], 100 * found["held_out"]
        print(f"{name}, {start}, seed {seed}: {score:.2f}, held out {held_out:.2f}", flush=True)
        return found

    for name in args.only:
        for start in args.starts:
            found[name, start] = {seed: result(name, start, seed) for seed in args.seeds}
    print("", *table(args, found), "", *described(args, found), sep="\n")


if __name__ == "__main__":
    main()
