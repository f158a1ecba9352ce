"""A text of a few thousand words, its corpus, and the settings of a pretraining of seconds."""

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
    """Writes documents, each of one topic, and returns the file."""
    draw, written = np.random.default_rng(seed), []
    for _ in range(documents):
        words = TOPICS[draw.integers(len(TOPICS))]
        lines = [" ".join(draw.choice(words, draw.integers(3, 9))) for _ in range(draw.integers(3, 8))]
        written.append("\n".join(lines))
    file = folder / "text.txt"
    file.write_text("\n\n".join(written) + "\n", encoding="utf-8")
    return file


def corpus(folder, vocabulary=None, cased=False, seed=0, **options):
    """The text's corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    return prepare(
        [text(folder, seed=seed)], folder / "data", vocabulary or tiny.vocabulary(), cased, held_out=0.1, **options
    )


def config(folder, **changes):
    """The path of a tiny `bert_config.json`."""
    file = folder / "bert_config.json"
    file.write_text(json.dumps(tiny.config(**changes)), encoding="utf-8")
    return file


def files(folder):
    """The bytes of the two files of weights."""
    return [(folder / f"bert_model.ckpt.{end}").read_bytes() for end in ("index", "data-00000-of-00001")]


def curve(history):
    """The log without what depends on the clock."""
    return [{k: v for k, v in row.items() if k not in ("seconds", "tokens_per_second")} for row in history]
