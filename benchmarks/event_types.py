"""Events without a given type: one model that finds (event type, subject) pairs, and a pipeline of two models: a table.

    python benchmarks/event_types.py CHECKPOINT TRAIN.jsonl DEV.jsonl TEST.jsonl --results FILE [--rows N] [--seeds 1 2 3] ...

The files have text, event_type and subject. In the pipeline, a classifier finds the event types of a text, and a subject model
then reads the text with each of them. Both models have the default settings of the package, as the one model has. `types given`
is the subject model of the pipeline with the gold types, which no system without the types can be expected to reach. All
systems are scored with the same code on the same test texts. Each finished run is a line of JSON in the results file and is not
run again, so the benchmark can be stopped at any time.
"""

import argparse
import statistics
import time
from pathlib import Path

from defaults import Results

import kbert_tasks as kb
from kbert_tasks._keras import keras2
from kbert_tasks.tasks.subject import scores
from kbert_tasks.tasks.subject.task import SubjectExtractor

SHOWN = ("f1", "precision", "recall", "type_f1", "subject_f1")
FINDS = {"find_types": True}


class SpansOnly(SubjectExtractor):
    """The model is trained without the softmax over all spans of all event types."""

    def build(self, encoder):
        model = super().build(encoder)
        return keras2().Model(model.inputs, {"spans": model.get_layer("spans").output}, name="subject")

    def loss(self):
        return {"spans": super().loss()["spans"]}

    def sample_target(self, x, target, chance):
        x, y = super().sample_target(x, target, chance)
        return x, {"spans": y["spans"]}


def gold_of(rows):
    """Returns a dict of text to its list of gold pairs."""
    examples = kb.SubjectExtractor(**FINDS).examples(rows).rows
    return {each.text: [(s.event_type, s.subject) for s in each.subjects] for each in examples}


def measured(gold, pairs):
    """Scores a dict of text to a list of (probability, event type, subject)."""
    ordered = ([pair for _, *pair in sorted(pairs.get(text, ()), key=lambda each: -each[0])] for text in gold)
    found = scores.events(list(gold.values()), [list(map(tuple, each)) for each in ordered])
    return {name: value for name, value in found.items() if not isinstance(value, dict)}


def one_model(kind):
    def run(checkpoint, seed, train, dev, test):
        task = kind(checkpoint, seed=seed, **FINDS).fit(train, dev=dev)
        gold = gold_of(test)
        found = zip(gold, task.predict(list(gold)), strict=True)
        pairs = {text: [(s.probability, s.event_type, s.subject) for s in each.subjects] for text, each in found}
        return {"scores": measured(gold, pairs)}

    return run


def pipeline(checkpoint, seed, train, dev, test):
    parts = [labelled(train), labelled(dev)]
    classifier = kb.TextClassifier(checkpoint, seed=seed, multi_label=True, baseline=False).fit(parts[0], dev=parts[1])
    extractor = kb.SubjectExtractor(checkpoint, seed=seed).fit(train, dev=dev)
    gold = gold_of(test)
    predicted = zip(gold, classifier.predict(list(gold)), strict=True)
    given = {(row["text"], row["event_type"]) for row in test.to_dict("records")}
    asked = [(text, kind) for text, each in predicted for kind in each.label]
    return {
        "scores": measured(gold, answered(extractor, asked)),
        "given": measured(gold, answered(extractor, sorted(given))),
    }


def labelled(rows):
    """Returns a row for each text, with the list of all its event types, also those without a subject."""
    kinds = rows.groupby("text", sort=False)["event_type"].agg(lambda each: sorted(set(each)))
    return [{"text": text, "label": each} for text, each in kinds.items()]


def answered(extractor, asked):
    """Returns the answers to (text, event type) questions as a dict of text to a list of (probability, type, subject)."""
    pairs = {}
    for (text, kind), each in zip(asked, extractor.predict(asked) if asked else [], strict=True):
        pairs.setdefault(text, []).extend((s.probability, kind, s.subject) for s in each.subjects)
    return pairs


SYSTEMS = {
    "one model": one_model(SubjectExtractor),
    "one model, spans only": one_model(SpansOnly),
    "pipeline": pipeline,
}


def table(results, names, keys):
    """Prints the means and standard deviations of the finished runs; `keys` is a function from system and seed to the key."""
    print(f"| system | {' | '.join(SHOWN)} | runs | seconds |\n|---|{'---|' * (len(SHOWN) + 2)}")
    for name in names:
        found = [each for each in map(results.get, keys(name)) if each]
        for part, shown in (("scores", name), ("given", "types given")):
            each = [run[part] for run in found if part in run]
            if each:
                cells = [spread([one[score] for one in each]) for score in SHOWN]
                seconds = f"{statistics.mean(run['seconds'] for run in found):.0f}"
                print(f"| {shown} | {' | '.join(cells)} | {len(each)} | {seconds if part == 'scores' else ''} |")


def spread(values):
    """Returns "mean ± standard deviation"; a score that is not defined counts as 0."""
    values = [value or 0.0 for value in values]
    return f"{statistics.mean(values):.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="folder or name")
    parser.add_argument("train", help="JSON lines with text, event_type and subject")
    parser.add_argument("dev", help="development file in the same format")
    parser.add_argument("test", help="test file in the same format")
    parser.add_argument("--results", required=True, metavar="FILE")
    parser.add_argument("--rows", type=int, help="number of training rows (default all)")
    parser.add_argument("--scored-rows", type=int, help="number of development and of test rows (default all)")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=["one model", "pipeline"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    train, dev, test = map(kb.read, (arguments.train, arguments.dev, arguments.test))
    parts = train[: arguments.rows], dev[: arguments.scored_rows], test[: arguments.scored_rows]
    results = Results(arguments.results)

    def key(system, seed):
        checkpoint = Path(arguments.checkpoint).name
        return {"system": system, "seed": seed, "checkpoint": checkpoint} | {"rows": [len(part) for part in parts]}

    for seed in arguments.seeds:
        for system in arguments.systems:
            if results.get(key(system, seed)) is None:
                start = time.monotonic()
                result = SYSTEMS[system](arguments.checkpoint, seed, *parts)
                results.add(key(system, seed), result | {"seconds": round(time.monotonic() - start)})
                print(f"{system}, seed {seed}: pair F1 {result['scores']['f1']:.4f}", flush=True)
    table(results, arguments.systems, lambda system: [key(system, seed) for seed in arguments.seeds])


if __name__ == "__main__":
    main()
