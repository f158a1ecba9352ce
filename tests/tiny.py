"""A tiny BERT checkpoint in the real format, which the tests create."""

import numpy as np

from kbert_tasks.checkpoint import google_format

SPECIAL = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PUNCTUATION = list("!?.,:;'\"()-。，！？、：；（）")
LETTERS = list("abcdefghijklmnopqrstuvwxyz0123456789")
WORDS = "the room was clean and quiet food is bad good great very not nice terrible service hotel stay".split()
CHARACTERS = list("房间很干净好坏差服务态度不错一二三大小东西吃的早餐酒店环境我你他是在有这那了吗")


def vocabulary():
    pieces = ["##" + letter for letter in LETTERS] + ["##ing", "##ed"]
    return SPECIAL + PUNCTUATION + LETTERS + pieces + WORDS + CHARACTERS


def config(**changes):
    return {
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 16,
        "initializer_range": 0.02,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "type_vocab_size": 2,
        "vocab_size": len(vocabulary()),
    } | changes


def tensors(config, seed=0, heads=True, scale=0.2):
    """Random weights, large enough that every part of the graph affects the output."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, shape in google_format.variables(config, heads=heads).items():
        centre = 1.0 if name.endswith("gamma") else 0.0
        made[name] = (centre + scale * rng.standard_normal(shape)).astype("float32")
    return made


def checkpoint(folder, seed=0, tokens=None, **changes):
    """Write a checkpoint folder such as `uncased_tiny` and return its path as a string."""
    tokens = tokens or vocabulary()
    made = config(**{"vocab_size": len(tokens)} | changes)
    google_format.write(folder, made, tokens, tensors(made, seed))
    return str(folder)
