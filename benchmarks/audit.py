"""Change a share of the labels of a file with a seed, and count how many of the changed rows an audit ranks first.

    python benchmarks/audit.py en_sst2 --checkpoint CHECKPOINT --train train.tsv [--rows 5000] [--test test.tsv] --output FILE

The audit is compared with cleanlab on TF-IDF and logistic regression (the baseline of this package), on the same folds. With
--test, a model is also trained on the changed rows, on those rows without the suspicious ones, and on the original rows.
Each result is appended to a JSONL file, from which `--table FILES` prints the table of benchmarks/audit.md.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import numpy as np
from machine import described

import kbert_tasks as kb
from kbert_tasks.auditing import label_errors
from kbert_tasks.data.split import folds_of
from kbert_tasks.tasks.classify.baseline import Baseline, _features, _texts
from kbert_tasks.tasks.judging import Judgement

METHODS = {"audit": "`kbert-audit`", "tf-idf": "cleanlab on TF-IDF with logistic regression"}


def changed(rows, share, seed):
    """Returns (rows with other labels in a share of them, the indices of these rows)."""
    rng = random.Random(seed)
    labels = sorted(set(rows["label"]))
    places = sorted(rng.sample(range(len(rows)), round(share * len(rows))))
    rows = rows.copy()
    for place in places:
        rows.loc[place, "label"] = rng.choice([each for each in labels if each != rows.loc[place, "label"]])
    return rows, places


def measures(scores, suspicious, places):
    """Returns the share of changed rows among the first suspects, and the precision and recall of the suspicious rows."""
    wrong = set(places)
    first = np.argsort(scores, kind="stable")[: len(places)]
    marked = set(np.flatnonzero(suspicious).tolist())
    return {
        "first": sum(int(i) in wrong for i in first) / len(places),
        "suspicious": len(marked),
        "precision": len(marked & wrong) / len(marked) if marked else None,
        "recall": len(marked & wrong) / len(wrong),
    }


def by_baseline(task, examples, folds):
    """Returns (scores, suspicious) of cleanlab on the baseline, on the folds of the audit."""
    found = [None] * len(examples.rows)
    for rest, part in folds_of(task, examples, folds):
        fitted = Baseline(task, [examples.rows[i] for i in rest])
        rows = [examples.rows[i] for i in part]
        p = fitted.classifier.predict_proba(_features(fitted.ngrams.transform(_texts(rows)), len(rows)))
        names = [str(each) for each in fitted.classifier.classes_]
        for place, row in zip(part, p, strict=True):
            found[place] = Judgement(0, 0, 0, None, "", dict(zip(names, map(float, row), strict=True)))
    return label_errors.suspects([example.labels for example in examples.rows], found, False)


def accuracy(args, rows, test):
    task = kb.TextClassifier(args.checkpoint, max_length=args.max_length, baseline=False)
    return task.fit(rows).evaluate(test)["accuracy"]


def measure(args):
    began = time.perf_counter()
    original = kb.read(args.train)
    if args.rows:
        original = original.sample(args.rows, random_state=args.seed).reset_index(drop=True)
    rows, places = changed(original, args.share, args.seed)
    task = kb.TextClassifier(args.checkpoint, max_length=args.max_length)
    audit = kb.audit(task, rows, folds=args.folds)
    lines = sorted((line for line in audit.lines if line.place is not None), key=lambda line: line.place)
    kept = [line.rows[0] - 1 for line in lines]  # rows without a usable text are not judged
    places = [kept.index(place) for place in places if place in set(kept)]
    own = audit.task
    scores = [1.0 if line.score is None else line.score for line in lines]
    suspicious = [line.suspicious for line in lines]
    found = {
        "data": args.name,
        "rows": len(rows),
        "changed": len(places),
        "checkpoint": Path(args.checkpoint).name if args.label is None else args.label,
        "folds": args.folds,
        "accuracy": audit.out_of_fold.scores,
        "audit": measures(scores, suspicious, places),
        "tf-idf": measures(*by_baseline(own, audit.read, args.folds), places),
        "seconds": round(time.perf_counter() - began),
        "machine": described(),
    }
    if args.test:
        test = kb.read(args.test)
        rest = rows.drop(index=[kept[i] for i in np.flatnonzero(suspicious)])
        cases = {"changed": rows, "without suspicious rows": rest, "original": original}
        found["test"] = {name: accuracy(args, each, test) for name, each in cases.items()}
    with open(args.output, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(found) + "\n")
    print(json.dumps(found, indent=2))


def table(files):
    found = [json.loads(line) for file in files for line in Path(file).read_text(encoding="utf-8").splitlines()]
    print("| data | rows | method | changed rows among the first suspects | suspicious rows | precision | recall |")
    print("|---|---|---|---|---|---|---|")
    for each in found:
        for method, name in METHODS.items():
            m = each[method]
            model = f" ({each['checkpoint']})" if method == "audit" else ""
            print(
                f"| {each['data']} | {each['rows']:,} | {name}{model} | {m['first']:.3f} | {m['suspicious']:,} "
                f"| {m['precision'] or 0:.3f} | {m['recall']:.3f} |"
            )
    if any("test" in each for each in found):
        print("\n| data | trained on | test accuracy |\n|---|---|---|")
        for each in found:
            for name, score in each.get("test", {}).items():
                print(f"| {each['data']} | {name} | {score:.4f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", help="name of the data set in the table")
    parser.add_argument("--table", nargs="+", metavar="FILE", help="print the table of these JSONL files")
    parser.add_argument("--checkpoint", default="tiny-zh")
    parser.add_argument("--label", help="name of the checkpoint in the table (default: the name of its folder)")
    parser.add_argument("--train", metavar="FILE", help="file with the columns text and label")
    parser.add_argument("--test", metavar="FILE")
    parser.add_argument("--rows", type=int, help="number of rows, chosen with the seed (default: all)")
    parser.add_argument("--share", type=float, default=0.05, help="share of the labels that are changed (default 0.05)")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", metavar="FILE", help="JSONL file that the result is appended to")
    args = parser.parse_args()
    if args.table:
        return table(args.table)
    if not (args.name and args.train and args.output):
        sys.exit("give a name, --train and --output, or --table")
    measure(args)


if __name__ == "__main__":
    main()
