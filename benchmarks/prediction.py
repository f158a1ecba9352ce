"""Compare relation extraction for all texts together and for each text alone: times, and whether the triples are the same.

    python benchmarks/prediction.py RUN TEXTS.jsonl [--number 300] [--rounds 3]

RUN is a folder that kbert-train wrote. The script runs three methods in turn: `predict` of all texts; `predict` of each text; and the
method of the usual scripts, which call Keras's `model.predict` for each text and run the encoder again for the pairs.
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
    """Returns a function that predicts one example: `model.predict` for the spans, and again, with the encoder, for the pairs."""
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
    """Returns (result of work(), seconds)."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="folder that kbert-train wrote")
    parser.add_argument("texts", help="file with texts")
    parser.add_argument("--number", type=int, default=300, metavar="N", help="number of texts (default 300)")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    task = kb.load(arguments.run, "keras")
    rows = kb.read(arguments.texts).head(arguments.number)
    examples = task.examples(rows, gold=False).rows
    answer = usual(task)
    ways = {
        "predict of all texts": lambda: task.predict(rows),
        "predict of each text": lambda: [task.predict(rows.iloc[i : i + 1])[0] for i in range(len(rows))],
        "usual method, each text": lambda: [answer(example) for example in examples],
    }
    task.predict(rows.head(100))  # TensorFlow traces the functions, which is not timed
    answer(examples[0])
    seconds, found = {name: [] for name in ways}, {}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            found[name], took = timed(way)
            seconds[name].append(took)
    fastest = "predict of all texts"
    whole = statistics.median(seconds[fastest])
    print(f"{len(rows)} texts, medians of {arguments.rounds} rounds")
    for name, took in seconds.items():
        differ = sum(strings(one) != strings(other) for one, other in zip(found[fastest], found[name], strict=True))
        middle = statistics.median(took)
        print(
            f"{name:<26} {1000 * middle / len(rows):7.1f} ms per text, ratio {middle / whole:4.1f}, {differ} texts with other triples"
        )


def strings(prediction):
    """Returns the triples of a prediction as strings."""
    return [triple.strings for triple in prediction.triples]


if __name__ == "__main__":
    main()
