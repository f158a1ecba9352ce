"""8-bit OpenVINO models: size, score and speed next to float32 and bfloat16, as a table.

    python benchmarks/int8.py RUN=TEXTS [RUN=TEXTS ...] [--repeats 5]

RUN is a saved task, whose evaluated texts (`answers.jsonl`) are scored, and TEXTS is the file for the calibration, such as its
training file. The seconds are processor time of the prediction of the evaluated texts: the smallest of several repeats, in which
the models take turns. Tokenization and decoding are included.
"""

import argparse
import copy
import json
import statistics
import tempfile
import time
from pathlib import Path

import machine

import kbert_tasks as kb
from kbert_tasks.exporting import int8
from kbert_tasks.exporting.graph import exact
from kbert_tasks.exporting.parity import answered
from kbert_tasks.inference.predict import predictions


def measured(run, texts, folder, repeats):
    """Returns a dict of model to (bytes, scores, seconds of each repeat), and the number of texts."""
    task = exact(kb.load(run))
    files = {"float32": folder / "float32", "int8": folder / "int8"}
    kb.export(run, files["float32"], "openvino", name="model")
    kb.export(run, files["int8"], "openvino", name="model", int8=True, calibrate=texts)
    gold = task.examples(answered(task, with_gold=True))
    models = {}
    for name, precision in (("float32", "f32"), ("bfloat16", "bf16"), ("int8", "f32")):
        place = files["int8" if name == "int8" else "float32"] / "model" / "1"
        models[name] = copy.copy(task)
        models[name]._made, models[name].engine_ = {}, int8.engine(task, place, precision)
    seconds = {name: [] for name in models}
    for _ in range(repeats + 1):
        for name, each in models.items():
            began = time.process_time()
            predictions(each, gold.rows)
            seconds[name].append(time.process_time() - began)
    sizes = json.loads((files["int8"] / "parity.json").read_text("utf-8"))["int8"]["bytes"]
    made = {
        name: (sizes["int8" if name == "int8" else "float32"], each.evaluate(gold)[task.MAIN_SCORE], seconds[name][1:])
        for name, each in models.items()
    }
    return task, made, len(gold.rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN=TEXTS")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(*machine.described(), sep="\n")
    print("\n| task, model | texts | numbers | MB | score | seconds | median |\n|---|---|---|---|---|---|---|")
    for each in arguments.runs:
        run, texts = each.split("=")
        with tempfile.TemporaryDirectory() as place:
            task, made, number = measured(run, texts, Path(place), arguments.repeats)
        config = task.config
        shown = f"{task.name}, {config['num_hidden_layers']} layers of {config['hidden_size']}"
        for name, (size, score, seconds) in made.items():
            cells = f"{size / 1e6:.1f} | {score:.4f} | {min(seconds):.2f} | {statistics.median(seconds):.2f}"
            print(f"| {shown} | {number} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
