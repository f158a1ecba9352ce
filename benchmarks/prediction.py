"""Relations in batches beside one text at a time: the ratio of times, and whether the triples are the same.

    python benchmarks/prediction.py RUN TEXTS.jsonl [--number 300] [--rounds 3]

RUN is a folder that kbert-train wrote. Three ways in turn: `predict` of all texts; `predict` of each text; and the way of the usual
scripts, Keras's `model.predict` for each text, with the encoder run again for the pairs.
"""

import argparse
import statistics
import time

import numpy as np

import kbert_tasks as kb
from kbert_tasks._keras import keras2
from kbert_tasks.inference.predict import inputs
from kbert_tasks.text.spans import likely


def usual(task):
    """A function of one example: spans by one `model.predict`, pairs by another that runs the encoder again."""
    model, keras = task.model, keras2()
    spans_of = keras.Model(model.inputs[:2], model.get_layer("spans").output)
    pairs_of = keras.Model(model.inputs, model.get_layer("pairs").output)

    def outputs(window):
        x = inputs([window])
        spans = 1 / (1 + np.exp(-spans_of.predict(x, verbose=0)[0]))
        found = [likely(each, window) for each in spans]
        subjects, objects = found
        pairs = np.zeros((len(subjects), len(objects), len(task.predicates_)))
        if len(subjects) and len(objects):
            x |= {"Subjects": subjects[None], "Objects": objects[None]}
            pairs = 1 / (1 + np.exp(-pairs_of.predict(x, verbose=0)[0]))
        probable = tuple(each[tuple(places.T)] for each, places in zip(spans, found, strict=True))
        return {"spans": probable, "subjects": subjects, "objects": objects, "pairs": pairs}

    def answer(example):
        windows = task.encode(example)
        return task.decide(example, task.decode(example, windows, [outputs(window) for window in windows]))

    return answer


def timed(work):
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("texts")
    parser.add_argument("--number", type=int, default=300, metavar="N", help="texts of the file (default 300)")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    task = kb.load(arguments.run)
    rows = kb.read(arguments.texts).head(arguments.number)
    examples = task.examples(rows, gold=False).rows
    answer = usual(task)
    ways = {
        "all texts": lambda: task.predict(rows),
        "predict of each text": lambda: [task.predict(rows.iloc[i : i + 1])[0] for i in range(len(rows))],
        "the usual way, each text": lambda: [answer(example) for example in examples],
    }
    task.predict(rows.head(100))  # traces the functions
    answer(examples[0])
    seconds, args = {name: [] for name in ways}, {}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            args[name], took = timed(way)
            seconds[name].append(took)
    whole = statistics.median(seconds["all texts"])
    print(f"{len(rows)} texts, medians of {arguments.rounds} rounds")
    for name, took in seconds.items():
        differ = sum(strings(one) != strings(other) for one, other in zip(args["all texts"], args[name], strict=True))
        middle = statistics.median(took)
        print(
            f"{name:<26} {1000 * middle / len(rows):7.1f} ms a text, ratio {middle / whole:4.1f}, texts that differ {differ}"
        )


def strings(prediction):
    return [triple.strings for triple in prediction.triples]


main()
