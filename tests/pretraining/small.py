"""A text of a few thousand words, its corpus, and settings for a pretraining of a few seconds."""

import json

import numpy as np

from kbert_tasks.pretraining.preparing import prepare

from .. import tiny

TOPICS = ("房间 很 干净 早餐 不错".split(), "服务 态度 差 东西 坏".split(), "the room was clean and quiet".split(),
          "food is bad service terrible".split())  # fmt: skip
QUICK = {
    "steps": 25,
    "batch_size": 8,
    "max_length": 32,
    "save_every": 10,
    "learning_rate": 1e-3,
    "precision": "float32",
}


def text(folder, documents=60, seed=0):
    """Writes a text file with documents of one topic each, and returns its path."""
    draw, written = np.random.default_rng(seed), []
    for _ in range(documents):
        words = TOPICS[draw.integers(len(TOPICS))]
        lines = [" ".join(draw.choice(words, draw.integers(3, 9))) for _ in range(draw.integers(3, 8))]
        written.append("\n".join(lines))
    file = folder / "text.txt"
    file.write_text("\n\n".join(written) + "\n", encoding="utf-8")
    return file


def corpus(folder, vocabulary=None, cased=False, seed=0, **options):
    """Writes a text and returns its prepared corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    return prepare(
        [text(folder, seed=seed)], folder / "data", vocabulary or tiny.vocabulary(), cased, held_out=0.1, **options
    )


def config(folder, **changes):
    """Writes a tiny `bert_config.json` and returns its path."""
    file = folder / "bert_config.json"
    file.write_text(json.dumps(tiny.config(**changes)), encoding="utf-8")
    return file


def files(folder):
    """Returns the bytes of the two weight files."""
    return [(folder / f"bert_model.ckpt.{end}").read_bytes() for end in ("index", "data-00000-of-00001")]


def curve(history):
    """Returns the log without the columns that depend on the speed."""
    return [{k: v for k, v in row.items() if k not in ("seconds", "tokens_per_second")} for row in history]
