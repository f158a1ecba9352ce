"""Compare n-grams and values of C for TF-IDF with logistic regression: accuracy on development rows of four data sets.

    python benchmarks/baseline.py ../shared/data [--only NAME ...] [--rows N]

The script does not read test rows.
"""

import argparse
from pathlib import Path

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_union

SETS = {  # data set to numbers of training rows
    "zh_chnsenticorp": (200, 1000, 9600),
    "zh_tnews": (200, 1000, 5000),
    "en_sst2": (200, 1000, 6920),
    "en_snips": (200, 1000, 5000),
}
NGRAMS = {
    "char 1-2": [("char", 1, 2)],
    "char 1-3": [("char", 1, 3)],
    "char_wb 1-4": [("char_wb", 1, 4)],
    "word 1-2": [("word", 1, 2)],
    "word 1-2, char_wb 2-5": [("word", 1, 2), ("char_wb", 2, 5)],
}
CS = (1, 3, 10)


def vectorizer(parts):
    """Returns the TF-IDF features of a list of (kind of n-grams, shortest, longest)."""
    return make_union(
        *(
            TfidfVectorizer(analyzer=kind, ngram_range=(low, high), sublinear_tf=True, min_df=2)
            for kind, low, high in parts
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS), metavar="NAME", help="data sets")
    parser.add_argument("--rows", type=int, metavar="N", help="use at most N training rows (default: up to all rows)")
    args = parser.parse_args()
    print("| data | rows | n-grams |", " | ".join(f"C = {c}" for c in CS), "|")
    print("|---" * (3 + len(CS)) + "|")
    for name in args.only:
        read = {"sep": "\t", "dtype": str, "quoting": 3, "keep_default_na": False}
        train = pd.read_csv(args.data / name / "train.tsv", **read).sample(frac=1, random_state=0)
        dev = pd.read_csv(args.data / name / "dev.tsv", **read).head(2000)
        for size in sorted({min(size, args.rows or size) for size in SETS[name]}):
            for kind, parts in NGRAMS.items():
                ngrams, used = vectorizer(parts), train.head(size)
                x = ngrams.fit_transform(used.text)
                unseen = ngrams.transform(dev.text)
                found = (
                    OneVsRestClassifier(LogisticRegression(C=c, solver="liblinear")).fit(x, used.label) for c in CS
                )
                scores = " | ".join(f"{(each.predict(unseen) == dev.label).mean():.3f}" for each in found)
                print(f"| {name} | {size:,} | {kind} | {scores} |", flush=True)


if __name__ == "__main__":
    main()
