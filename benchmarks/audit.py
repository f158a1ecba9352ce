"""Change a share of the answers of a file with a seed, and count how many of the changed texts an audit ranks first.

    python benchmarks/audit.py en_sst2 --checkpoint CHECKPOINT --train train.tsv --progress DIR --output FILE

The audit is compared with its two parts on the same folds: the model alone, and cleanlab on TF-IDF and logistic regression (the
baseline of this package). The folds are saved in --progress, so that an interrupted run continues. With --test, a model is also
trained on the changed rows, on those rows without the suspicious ones, and on the original rows. A subject (--task subject) is
changed to another part of the text with the same length; TF-IDF cannot judge it.
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
from kbert_tasks import tasks
from kbert_tasks.auditing import label_errors
from kbert_tasks.data.split import folds_of
from kbert_tasks.tasks.classify.baseline import Baseline
from kbert_tasks.tasks.judging import Judgement

METHODS = {
    "audit": "`kbert-audit`: the mean of both",
    "model": "the model alone",
    "tf-idf": "TF-IDF alone",
}


def changed(rows, share, seed):
    """Returns (rows with other answers in a share of them, the indices of these rows)."""
    rng = random.Random(seed)
    rows = rows.copy()
    if "subject" not in rows:
        places = sorted(rng.sample(range(len(rows)), round(share * len(rows))))
        labels = sorted(set(rows["label"]))
        for place in places:
            rows.loc[place, "label"] = rng.choice([each for each in labels if each != rows.loc[place, "label"]])
        return rows, places
    possible = [i for i, row in enumerate(rows.itertuples()) if row.subject and len(row.text) > 2 * len(row.subject)]
    places = sorted(rng.sample(possible, round(share * len(rows))))
    for place in places:
        text, subject = rows.loc[place, "text"], rows.loc[place, "subject"]
        others = [text[i : i + len(subject)] for i in range(len(text) - len(subject) + 1)]
        rows.loc[place, "subject"] = rng.choice([each for each in others if each != subject and each.strip() == each])
    return rows, places


def measures(scores, suspicious, wrong):
    """Returns the share of changed texts among the first suspects, and the precision and recall of the suspicious texts."""
    first = np.argsort(scores, kind="stable")[: len(wrong)]
    marked = set(np.flatnonzero(suspicious).tolist())
    return {
        "first": sum(int(i) in wrong for i in first) / len(wrong),
        "suspicious": len(marked),
        "precision": len(marked & wrong) / len(marked) if marked else None,
        "recall": len(marked & wrong) / len(wrong),
    }


def by_baseline(task, examples, folds):
    """Returns (scores, suspicious) of cleanlab on the baseline, on the folds of the audit."""
    found = [None] * len(examples.rows)
    for rest, part in folds_of(task, examples, folds):
        rows = [examples.rows[i] for i in part]
        p = Baseline(task, [examples.rows[i] for i in rest]).probabilities(rows)
        for place, row in zip(part, p.tolist(), strict=True):
            found[place] = Judgement(0, 0, 0, None, "", dict(zip(task.labels_, row, strict=True)))
    return label_errors.suspects([example.labels for example in examples.rows], found, False)


def judged(audit):
    return sorted((line for line in audit.lines if line.place is not None), key=lambda line: line.place)


def ranked(lines):
    return [1.0 if line.score is None else line.score for line in lines], [line.suspicious for line in lines]


def accuracy(args, rows, test):
    return new_task(args).fit(rows).score(test)


def new_task(args, **others):
    return tasks.find(args.task)(args.checkpoint, max_length=args.max_length, **json.loads(args.settings), **others)


def measure(args):
    began = time.perf_counter()
    original = kb.read(args.train)
    if args.rows:
        original = original.sample(args.rows, random_state=args.seed).reset_index(drop=True)
    rows, places = changed(original, args.share, args.seed)
    audit = kb.audit(new_task(args), rows, folds=args.folds, resume_dir=args.progress)
    lines = judged(audit)
    # Rows without a usable text are not judged; rows of the same text are judged together.
    wrong = {line.place for line in lines if {row - 1 for row in line.rows} & {*places}}
    found = {
        "data": args.name,
        "rows": len(rows),
        "texts": len(lines),
        "changed": len(wrong),
        "checkpoint": args.label or Path(args.checkpoint).name,
        "settings": json.loads(args.settings) | {"max_length": args.max_length},
        "folds": args.folds,
        "scores": audit.out_of_fold.scores,
        "audit": measures(*ranked(lines), wrong),
        "seconds": round(time.perf_counter() - began),
        "machine": described(),
    }
    if args.task == "classify":
        alone = kb.audit(new_task(args, baseline=False), rows, folds=args.folds, resume_dir=args.progress)
        found["model"] = measures(*ranked(judged(alone)), wrong)
        found["tf-idf"] = measures(*by_baseline(audit.task, audit.read, args.folds), wrong)
    if args.test:
        test = kb.read(args.test)
        rest = rows.drop(index=[row - 1 for line in lines if line.suspicious for row in line.rows])
        cases = {"changed": rows, "without suspicious rows": rest, "original": original}
        found["test"] = {name: accuracy(args, each, test) for name, each in cases.items()}
    with open(args.output, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(found) + "\n")
    print(json.dumps(found, indent=2))


def table(files):
    found = [json.loads(line) for file in files for line in Path(file).read_text(encoding="utf-8").splitlines()]
    print(
        "| data, texts | probabilities | changed texts among the first suspects | suspicious texts | precision | recall |"
    )
    print("|---|---|---|---|---|---|")
    for each in found:
        model = f"{each['checkpoint']}, {each['folds']} folds"
        for method in (name for name in METHODS if name in each):
            m, name = each[method], METHODS[method] if "model" in each else "`kbert-audit`"
            shown = f"{name} ({model})" if method == "model" or "model" not in each else name
            print(
                f"| {each['data']}, {each['texts']:,} | {shown} | {m['first']:.3f} | {m['suspicious']:,} "
                f"| {m['precision'] or 0:.3f} | {m['recall']:.3f} |"
            )
    tested = [each for each in found if "test" in each]
    if tested:
        print(f"\n| data | {' | '.join(tested[0]['test'])} |\n|{'---|' * (1 + len(tested[0]['test']))}")
    for each in tested:
        print(f"| {each['data']} | {' | '.join(f'{score:.4f}' for score in each['test'].values())} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", help="name of the data set in the table")
    parser.add_argument("--table", nargs="+", metavar="FILE", help="print the table of these JSONL files")
    parser.add_argument("--task", default="classify", choices=("classify", "subject"))
    parser.add_argument("--checkpoint", default="tiny-zh")
    parser.add_argument("--label", help="name of the checkpoint in the table (default: the name of its folder)")
    parser.add_argument("--train", metavar="FILE", help="file with the columns text and label")
    parser.add_argument("--test", metavar="FILE")
    parser.add_argument("--rows", type=int, help="number of rows, chosen with the seed (default: all)")
    parser.add_argument("--share", type=float, default=0.05, help="share of the labels that are changed (default 0.05)")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--settings", default="{}", help="other settings, as JSON")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--progress", metavar="DIR", help="folder for the trained folds; a new one for each run")
    parser.add_argument("--output", metavar="FILE", help="JSONL file that the result is appended to")
    args = parser.parse_args()
    if args.table:
        return table(args.table)
    if not (args.name and args.train and args.progress and args.output):
        sys.exit("give a name, --train, --progress and --output, or --table")
    measure(args)


if __name__ == "__main__":
    main()
