"""Regret of the automatic defaults: for each checkpoint, task and number of rows, `auto` beside the best of a grid of settings.

    python benchmarks/defaults.py --zh CHECKPOINT --en CHECKPOINT --results FILE [--cells NAME ...] [--rows 200 1000 5000]
    python benchmarks/defaults.py --zh CHECKPOINT --en CHECKPOINT --results FILE --table      (only print the table)
    python benchmarks/defaults.py --zh CHECKPOINT --en CHECKPOINT --results FILE --test       (auto on the test files, next to TF-IDF)

Every run is what a user does: `fit` gets the training rows and nothing else, and holds out what it needs itself. The score is that
of further rows of the training file, which no run trains on; test files are read with --test alone. The grid has 12 settings: four
learning rates, each with three trainings, and for classification a fourth with adversarial training. Each finished run is a line
of JSON in the results file and is not run again, so the benchmark can be stopped at any time.
"""

import argparse
import hashlib
import itertools
import json
import time
from pathlib import Path

import numpy as np

import kbert_tasks as kb

SCORED = {"TextClassifier": 1500, "RelationExtractor": 500, "SubjectExtractor": 1000}  # rows that are scored
CELLS = {  # class, training file, test file, max_length, language
    "zh_tnews": ("TextClassifier", "zh_tnews/train.tsv", "zh_tnews/dev.tsv", 64, "zh"),
    "zh_chnsenticorp": ("TextClassifier", "zh_chnsenticorp/train.tsv", "zh_chnsenticorp/test.tsv", 128, "zh"),
    "zh_afqmc": ("TextClassifier", "zh_afqmc/train.tsv", "zh_afqmc/dev.tsv", 64, "zh"),
    "zh_ccks": (
        "SubjectExtractor",
        "zh_ccks2019_event_subject/train.jsonl",
        "zh_ccks2019_event_subject/test.jsonl",
        128,
        "zh",
    ),
    "zh_duie": ("RelationExtractor", "zh_duie2_sample/train*.jsonl", "zh_duie2_sample/dev.jsonl", 128, "zh"),
    "en_sst2": ("TextClassifier", "en_sst2/train.tsv", "en_sst2/test.tsv", 128, "en"),
    "en_snips": ("TextClassifier", "en_snips/train.tsv", "en_snips/test.tsv", 128, "en"),
    "en_webnlg": ("RelationExtractor", "en_webnlg/train.jsonl", "en_webnlg/test.jsonl", 128, "en"),
    "en_webnlg_subject": ("SubjectExtractor", "en_webnlg/train.jsonl", "en_webnlg/test.jsonl", 128, "en"),
}


def rows_of(cell, root, part):
    """A DataFrame of one part of a data set; of WebNLG as subjects, a row for each subject of a text and predicate."""
    import pandas as pd

    kind, train, test, _, _ = CELLS[cell]
    files = sorted(Path(root).glob(train if part == "train" else test))
    table = pd.concat([kb.read(file) for file in files], ignore_index=True).rename(columns={"text_a": "text"})
    if kind == "SubjectExtractor" and "spo_list" in table:
        found = [
            (row.text, triple["predicate"], triple["subject"]) for row in table.itertuples() for triple in row.spo_list
        ]
        table = pd.DataFrame(found, columns=["text", "event_type", "subject"]).drop_duplicates(ignore_index=True)
    return table


def split(cell, root, number):
    """(training rows, rows that are scored), the same for all runs; no text is in both."""
    table = rows_of(cell, root, "train")
    whole = table.text + ("\t" + table.text_b if "text_b" in table else "")
    texts = whole.unique()
    texts = texts[np.random.default_rng(0).permutation(len(texts))]
    scored = SCORED[CELLS[cell][0]]
    return [table[whole.isin(set(part))] for part in (texts[scored : scored + number], texts[:scored])]


def run(cell, checkpoint, number, settings, seed, root):
    """Trains once and scores: a dict."""
    kind, _, _, length, _ = CELLS[cell]
    train, scored = split(cell, root, number)
    began = time.perf_counter()
    task = getattr(kb, kind)(checkpoint, max_length=length, seed=seed, **settings)
    task.fit(train)
    seconds = time.perf_counter() - began
    scores = task.evaluate(scored).numbers()
    report = task.report_
    return {
        "score": scores[task.MAIN_SCORE],
        "history": [
            {"loss": round(e["loss"], 4), "dev": e.get("dev", {}).get(task.MAIN_SCORE)} for e in report["history"]
        ],
        "best_epoch": report["best_epoch"],
        "resolved": report.get("resolved"),
        "seconds": round(seconds, 1),
    }


def key_of(cell, checkpoint, number, settings, seed):
    index = Path(kb.find_checkpoint(checkpoint).checkpoint_file + ".index")
    weights = hashlib.sha256(index.read_bytes()).hexdigest()[:12]
    return {"cell": cell, "weights": weights, "rows": number, "settings": settings, "seed": seed}


class Results:
    """Finished runs, one line of JSON each."""

    def __init__(self, file):
        self.file, self.found = Path(file), {}
        if self.file.is_file():
            for line in self.file.read_text("utf-8").splitlines():
                each = json.loads(line)
                self.found[json.dumps(each["run"], sort_keys=True)] = each

    def get(self, key):
        return self.found.get(json.dumps(key, sort_keys=True))

    def add(self, key, result):
        self.found[json.dumps(key, sort_keys=True)] = {"run": key} | result
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"run": key} | result, ensure_ascii=False) + "\n")


def grid(cell, number):
    """The settings that `auto` is compared with: four learning rates, each with three trainings."""
    spans = CELLS[cell][0] != "TextClassifier"
    steps = -(-number // 32)
    least, most = ((400, 1000) if spans else (150, 400)) if number < 5000 else ((600, 1000) if spans else (400, 800))
    short, long = (max(2, round(each / steps)) for each in (least, most))
    trainings = (
        {"epochs": short, "schedule": "linear", "warmup_ratio": 0.1, "ema_decay": 0.0, "patience": 0},
        {"epochs": long, "schedule": "linear", "warmup_ratio": 0.1, "ema_decay": 0.0, "patience": 0},
        {"epochs": long, "schedule": "constant", "warmup_ratio": 0.1, "ema_decay": 0.99, "patience": 0},
    )
    trainings = [each | {"fgm_epsilon": 0.0} for each in trainings]
    if not spans:  # adversarial training takes too long for the other tasks
        trainings.append(trainings[-1] | {"fgm_epsilon": 1.0})
    heads = {"head_lr_multiplier": 5.0 if spans else 1.0}
    for rate in RATES[CELLS[cell][4]]:
        for training in trainings:
            yield {"learning_rate": rate} | training | heads


RATES = {"zh": (1e-4, 2e-4, 4e-4, 8e-4), "en": (2e-5, 5e-5, 1e-4, 2e-4)}


def measure(args, results):
    for number in args.rows:
        for cell in args.cells:
            checkpoint = args.zh if CELLS[cell][4] == "zh" else args.en
            for settings in ({}, *grid(cell, number)):
                key = key_of(cell, checkpoint, number, settings, args.seed)
                if results.get(key) is None:
                    result = run(cell, checkpoint, number, settings, args.seed, args.data_root)
                    results.add(key, result)
                    print(cell, number, settings, f"{result['score']:.4f}", f"{result['seconds']} s", flush=True)


def table(args, results):
    """Prints a Markdown table of `auto`, the best of the grid, and the difference in points."""
    print("| data, rows | auto | best of the grid | its settings | regret, points |\n|---|---|---|---|---|")
    regrets = []
    for cell in args.cells:
        checkpoint = args.zh if CELLS[cell][4] == "zh" else args.en
        for number in args.rows:
            auto = results.get(key_of(cell, checkpoint, number, {}, args.seed))
            others = [results.get(key_of(cell, checkpoint, number, s, args.seed)) for s in grid(cell, number)]
            others = [each for each in others if each]
            if not auto or not others:
                continue
            best = max(others, key=lambda each: each["score"])
            regrets.append(100 * (best["score"] - auto["score"]))
            s = best["run"]["settings"]
            shown = f"{s['learning_rate']:g}, {s['epochs']} epochs, {s['schedule']}"
            print(f"| {cell}, {number} | {auto['score']:.3f} | {best['score']:.3f} | {shown} | {regrets[-1]:+.1f} |")
    if regrets:
        print(f"\nMean regret {np.mean(regrets):.1f} points, largest {max(regrets):.1f}, of {len(regrets)} cells.")


def test(args, results):
    """`auto` on the test files, beside the TF-IDF baseline that the command fits."""
    print("| data, rows | seed | TF-IDF | auto |\n|---|---|---|---|")
    for cell in args.cells:
        kind, _, _, length, language = CELLS[cell]
        checkpoint = args.zh if language == "zh" else args.en
        for number, seed in itertools.product(args.rows, range(1, 4)):
            key = key_of(cell, checkpoint, number, {}, seed) | {"test": True}
            result = results.get(key)
            if result is None:
                train, _ = split(cell, args.data_root, number)
                test_rows = rows_of(cell, args.data_root, "test")
                name = getattr(kb, kind).MAIN_SCORE
                task = getattr(kb, kind)(checkpoint, max_length=length, seed=seed).fit(train)
                examples = task.examples(test_rows)
                task.add_test(task.evaluate(examples), 0.0, examples.rows)
                baseline = task.report_.get("baseline", {"scores": {}})["scores"].get("test", {}).get(name)
                result = {"score": task.report_["scores"]["test"][name], "baseline": baseline}
                results.add(key, result)
            other = "" if result["baseline"] is None else f"{result['baseline']:.4f}"
            print(f"| {cell}, {number} | {seed} | {other} | {result['score']:.4f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zh", required=True, metavar="CHECKPOINT", help="Chinese")
    parser.add_argument("--en", required=True, metavar="CHECKPOINT", help="English")
    parser.add_argument("--results", required=True, metavar="FILE")
    parser.add_argument("--data-root", default="../shared/data", metavar="DIR")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--rows", nargs="+", type=int, default=[200, 1000, 5000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--test", action="store_true")
    args = parser.parse_args()
    results = Results(args.results)
    if args.test:
        return test(args, results)
    if not args.table:
        measure(args, results)
    table(args, results)


if __name__ == "__main__":
    main()
