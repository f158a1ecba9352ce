"""Compare estimated (`kbert_tasks/training/memory_estimate.py`) and used memory of trainings: a Markdown table.

    python benchmarks/memory_plan.py [--only NAME ...] [--output table.md]

Each training runs in a separate process for two steps, with random weights and random texts of the maximum length. The used memory
is the peak of the process (`ru_maxrss`).
"""

import argparse
import json
import os
import random
import resource
import string
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import described

TINY = {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3}
MINI = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4}
SMALL = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12}
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
WORDS = 11_567  # size of the vocabulary: the number of different tokens in the training file of SST-2
CASES = {  # name: (task, shape of the encoder, batch_size, max_length, other settings)
    "very small": ("classify", TINY, 4, 16, {}),
    "4 layers of 192": ("classify", TINY, 32, 128, {}),
    "4 layers of 256": ("classify", MINI, 64, 128, {}),
    "long texts": ("classify", MINI, 32, 512, {}),
    "in 4 parts": ("classify", MINI, 32, 512, {"micro_batches": 4}),
    "in 32 parts": ("classify", MINI, 32, 512, {"micro_batches": 32}),
    "mean of all tokens": ("classify", MINI, 32, 256, {"pooling": "mean"}),
    "two layers frozen": ("classify", MINI, 32, 512, {"freeze_layers": 2}),
    "adversarial, moving average": ("classify", MINI, 32, 256, {"fgm_epsilon": 0.5, "ema_decay": 0.9}),
    "bfloat16": ("classify", MINI, 32, 512, {"precision": "bfloat16"}),
    "keras-bert": ("classify", MINI, 32, 256, {"encoder": "keras-bert"}),
    "relation": ("relation", MINI, 32, 256, {}),
    "subject": ("subject", MINI, 32, 256, {}),
    "6 layers of 384": ("classify", SMALL, 32, 128, {}),
    "base": ("classify", BASE, 16, 128, {}),
    "base, long texts": ("classify", BASE, 8, 512, {}),
    "base, long texts, bfloat16": ("classify", BASE, 8, 512, {"precision": "bfloat16"}),
    "base in 4 parts": ("classify", BASE, 16, 128, {"micro_batches": 4}),
}


def train(name, steps=2):
    """Trains `steps` steps and prints the estimated and the used memory as JSON."""
    from kbert_tasks import tasks
    from kbert_tasks.checkpoint import google_format

    kind, shape, texts, length, settings = CASES[name]
    draw = random.Random(1)
    words = ["".join(draw.choices(string.ascii_lowercase, k=8)) for _ in range(WORDS)]
    with tempfile.TemporaryDirectory() as folder:
        _write(google_format, Path(folder) / "uncased_random", shape, words)
        fixed = {"epochs": 1, "batch_size": texts, "max_length": length, "validation_split": 0.0, "fgm_epsilon": 0.0}
        fixed |= {"precision": "float32", "compile": "off"}
        fixed |= {"baseline": False} if kind == "classify" else {}
        settings = fixed | settings
        task = tasks.find(kind)(Path(folder) / "uncased_random", **settings)
        task.fit([_row(kind, draw.choices(words, k=length - 2), i) for i in range(texts * steps)])
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"used": used} | task.report_["plan"]["memory"]))


def _row(kind, words, number):
    """Returns a training row of a task."""
    row = {"text": " ".join(words), "label": str(number % 2), "type": "e", "subject": words[1]}
    if kind == "relation":
        row["spo_list"] = [{"subject": words[i], "predicate": str(i), "object": words[-i]} for i in range(1, 10)]
    return row


def _write(google_format, folder, shape, words):
    """Writes a checkpoint with random weights."""
    import numpy as np

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    config = {
        "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "initializer_range": 0.02,
        "intermediate_size": 4 * shape["hidden_size"], "max_position_embeddings": 512, "type_vocab_size": 2,
        "vocab_size": len(vocabulary),
    }  # fmt: skip
    draw, shapes = np.random.default_rng(1), google_format.variables(config | shape)
    tensors = {name: draw.standard_normal(size, "float32") * np.float32(0.02) for name, size in shapes.items()}
    google_format.write(folder, config | shape, vocabulary, tensors)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="NAME")
    parser.add_argument("--output", metavar="FILE", help="file for the table, which is also printed")
    parser.add_argument("--train", choices=CASES, help=argparse.SUPPRESS)  # used by the processes that this one starts
    args = parser.parse_args()
    if args.train:
        train(args.train)
        return
    lines = [*(f"{line}." for line in described()), ""]
    lines += [
        "| training | shape | batch | estimated, GiB | used, GiB | estimated / used |",
        "|---|---|---|---|---|---|",
    ]
    for name in args.only:
        command = [sys.executable, __file__, "--train", name]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
        found = json.loads(done.stdout.splitlines()[-1])
        _, shape, texts, length, _ = CASES[name]
        needed, used = (found[each] / 2**30 for each in ("needed", "used"))
        layers = f"{shape['num_hidden_layers']} x {shape['hidden_size']}"
        lines.append(f"| {name} | {layers} | {texts} x {length} | {needed:.2f} | {used:.2f} | {needed / used:.2f} |")
        print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    print(text)
    if args.output:
        Path(args.output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
