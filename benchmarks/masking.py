"""Count what the batches of pretraining contain, over a million tokens of a text, and how fast they are made.

    python benchmarks/masking.py --data DIR [--tokens 1000000] [--length 128] [--batch-size 64]
    python benchmarks/masking.py --text FILE... --vocab vocab.txt [--cased]

DIR is a folder that `kbert-pretrain data` wrote. The exit status is 1 if a share differs too much from the expected one.
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from kbert_tasks.pretraining import corpus, preparing, stream
from kbert_tasks.pretraining.masking import Numbers
from kbert_tasks.text.tokenizer import read_vocabulary

BOUNDS = {  # name: (expected percentage, allowed difference)
    "tokens to predict": (15, 0.2),
    "of these, replaced by [MASK]": (80, 1),
    "replaced by a random token": (10, 1),
    "not replaced": (10, 1),
    "pairs with a random second part": (50, 1),
}


def counted(made, numbers, tokens):
    """Counts batches until they have `tokens` tokens. [CLS], [SEP] and [UNK] are never predicted and do not count."""
    count, began = Counter(), time.process_time()
    special = [numbers.pad, numbers.unk, numbers.cls, numbers.sep]
    for x, y in made:
        real = y["MLM"] >= 0
        gold, shown = y["MLM"][real], np.take_along_axis(x["Input-Token"], x["Masked-Position"], axis=1)[real]
        count["tokens"] += int((~np.isin(x["Input-Token"], special)).sum())
        count["unknown"] += int((x["Input-Token"] == numbers.unk).sum())
        count["places"] += x["Input-Token"].size
        count["pairs"] += len(y["NSP"])
        count["elsewhere"] += int(y["NSP"].sum())
        count["predicted"] += len(gold)
        count["mask"] += int((shown == numbers.mask).sum())
        count["itself"] += int((shown == gold).sum())
        if count["tokens"] >= tokens:
            break
    count["seconds"] = time.process_time() - began
    return count


def shares(count):
    """Returns a dict of the names in BOUNDS to percentages."""
    predicted = count["predicted"]
    found = (
        predicted / count["tokens"],
        count["mask"] / predicted,
        (predicted - count["mask"] - count["itself"]) / predicted,
        count["itself"] / predicted,
        count["elsewhere"] / count["pairs"],
    )
    return dict(zip(BOUNDS, (100 * each for each in found), strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="DIR", help="folder that kbert-pretrain data wrote")
    parser.add_argument("--text", nargs="+", metavar="FILE", help="text files, instead of --data")
    parser.add_argument("--vocab", metavar="FILE", help="vocab.txt, with --text")
    parser.add_argument("--cased", action="store_true", help="the vocabulary distinguishes capital letters")
    parser.add_argument("--tokens", type=int, default=1_000_000, help="number of tokens to count (default 1,000,000)")
    parser.add_argument("--length", type=int, default=128, help="maximum number of tokens of a pair (default 128)")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if not arguments.data and not (arguments.text and arguments.vocab):
        parser.error("give --data, or --text and --vocab")
    with tempfile.TemporaryDirectory() as folder:
        if arguments.data:
            text = corpus.Corpus.open(arguments.data)
        else:
            vocabulary = read_vocabulary(arguments.vocab)
            text = preparing.prepare(arguments.text, Path(folder) / "data", vocabulary, arguments.cased)
        numbers, counts = Numbers.of(text.vocabulary), {}
        for whole in (False, True):
            made = stream.batches(
                text, "train", arguments.length, arguments.batch_size, arguments.seed, whole_word_mask=whole
            )
            next(made)  # reads the first shards, which is not timed
            counts["whole words" if whole else "tokens"] = counted(made, numbers, arguments.tokens)
    found = {name: shares(count) for name, count in counts.items()}
    print("| | " + " | ".join(f"masking {name}" for name in found) + " | expected |")
    print("|---|" + "---:|" * (len(found) + 1))
    for name, (wanted, bound) in BOUNDS.items():
        print(
            f"| {name}, % | " + " | ".join(f"{each[name]:.2f}" for each in found.values()) + f" | {wanted} ± {bound} |"
        )
    for name, value in (
        ("tokens counted", lambda count: count["tokens"]),
        ("[UNK], not counted", lambda count: count["unknown"]),
        ("pairs", lambda count: count["pairs"]),
        ("padding, %", lambda count: round(100 * padding(count), 1)),
        ("tokens per second of CPU, one thread", lambda count: round(count["tokens"] / count["seconds"])),
    ):
        print(f"| {name} | " + " | ".join(f"{value(count):,}" for count in counts.values()) + " | |")
    outside = [n for n, (want, off) in BOUNDS.items() if any(abs(each[n] - want) > off for each in found.values())]
    raise SystemExit(f"too different from the expected share: {', '.join(outside)}" if outside else 0)


def padding(count):
    """Returns the share of padding in the batches."""
    return 1 - (count["tokens"] + count["unknown"] + 3 * count["pairs"]) / count["places"]


if __name__ == "__main__":
    main()
