"""Make the batches of the job pretrain once for all competitors, in the environment of this package.

    python benchmarks/workers/pretraining_batches.py CHECKPOINT TEXT.txt STEPS FOLDER

Only batches without padding are used, so that every step has 64 x 128 tokens. `rounds.prepared` reads the folder.
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np

from kbert_tasks.checkpoint.find import find_checkpoint
from kbert_tasks.pretraining import model, preparing, stream

SIZE, LENGTH = 64, 128


def full(batch):
    """Returns whether a batch has no padding."""
    tokens = batch[0]["Input-Token"]
    return tokens.shape == (SIZE, LENGTH) and tokens.all()


def main():
    checkpoint, text, steps, folder = sys.argv[1:]
    checkpoint, folder = find_checkpoint(checkpoint), Path(folder)
    made = preparing.prepare([text], folder / "data", checkpoint.vocabulary, checkpoint.cased)
    # The stream is endless: limit it, because no batch of a short text may be full.
    batches = itertools.islice(stream.batches(made, "train", LENGTH, SIZE, seed=1), 100 * int(steps))
    found = list(itertools.islice(filter(full, batches), int(steps)))
    if len(found) < int(steps):
        raise SystemExit(
            f"{text} has too little text for {steps} batches of {SIZE} x {LENGTH} tokens: use a longer file"
        )
    arrays = {f"{n} {name}": array for n, (x, y) in enumerate(found) for name, array in (x | y).items()}
    np.savez(folder / "batches.npz", **arrays)
    config = model.configured("mini", len(checkpoint.vocabulary), checkpoint.cased)
    (folder / "bert_config.json").write_text(json.dumps(config), encoding="utf-8")


main()
