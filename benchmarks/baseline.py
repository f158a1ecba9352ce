"""Which n-grams and which C suit TF-IDF with logistic regression: accuracy on development rows of the shared data sets.

    python benchmarks/baseline.py ../shared/data

Test rows are not read.
"""

import sys
from pathlib import Path

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_union

SETS = {"zh_chnsenticorp": (200, 1000, 9600), "zh_tnews": (200, 1000, 5000)}
SETS |= {"en_sst2": (200, 1000, 6920), "en_snips": (200, 1000, 5000)}
NGRAMS = {
    "char 1-2": [("char", 1, 2)],
    "char 1-3": [("char", 1, 3)],
    "char_wb 1-4": [("char_wb", 1, 4)],
    "word 1-2": [("word", 1, 2)],
    "word 1-2, char_wb 2-5": [("word", 1, 2), ("char_wb", 2, 5)],
}
CS = (1, 3, 10)


def vectorizer(parts):
    return make_union(
        *(
            TfidfVectorizer(analyzer=kind, ngram_range=(low, high), sublinear_tf=True, min_df=2)
            for kind, low, high in parts
        )
    )


def main(folder):
    print("| data | rows | n-grams |", " | ".join(f"C = {c}" for c in CS), "|")
    print("|---" * (3 + len(CS)) + "|")
    for name, sizes in SETS.items():
        read = {"sep": "\t", "dtype": str, "quoting": 3, "keep_default_na": False}
        train = pd.read_csv(folder / name / "train.tsv", **read).sample(frac=1, random_state=0)
        dev = pd.read_csv(folder / name / "dev.tsv", **read).head(2000)
        for size in sizes:
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
    main(Path(sys.argv[1]))
