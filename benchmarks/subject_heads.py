"""Compare variants of the subject task, trained on the same rows and scored on the same development rows.

    python benchmarks/subject_heads.py CHECKPOINT TRAIN.jsonl DEV.jsonl [--only NAME ...] [--rows N] [--seeds 1 2] ...

The script prints a line for each variant and seed, and at the end a Markdown table of means.
"""

import argparse
import dataclasses
import json
import statistics

import numpy as np
import scipy.special
from fixed import SPANS

from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.tasks.heads import ChoiceLoss, SetLoss
from kbert_tasks.tasks.subject.task import SubjectExtractor
from kbert_tasks.text.tokenizer import Encoded

tf, keras = tensorflow(), keras2()


class Untyped(SubjectExtractor):
    """The model does not read the event type."""

    def texts_of(self, example):
        return ("-", example.text) if self.paired else (example.text, None)


class Prefixed(SubjectExtractor):
    """The event type is in front of the text, in the same segment, with a colon instead of [SEP]."""

    def texts_of(self, example):
        return example.event_type + ":", example.text

    def whole(self, example):
        e = super().whole(example)
        keep = np.arange(len(e.ids)) != int(np.argmax(e.segments)) - 1  # the [SEP] between
        return Encoded(e.ids[keep], e.segments[keep], e.offsets[keep], e.cut)

    def sample_target(self, x, target, chance):
        x, y = super().sample_target(x, target, chance)
        return x | {"Input-Segment": np.zeros_like(x["Input-Segment"])}, y

    def run_model(self, encoded):
        return super().run_model([dataclasses.replace(each, segments=np.zeros_like(each.segments)) for each in encoded])


class OneOutput(SubjectExtractor):
    """Only the output `spans`, with one loss."""

    def build(self, encoder):
        model = super().build(encoder)
        return keras.Model(model.inputs, {"spans": model.get_layer("spans").output}, name="subject")

    def sample_target(self, x, target, chance):
        x, y = super().sample_target(x, target, chance)
        return x, {"spans": y["spans"]}


class IndependentSpans(OneOutput):
    """Each span has its own probability, with the loss of relations; there is no null answer."""

    def loss(self):
        return {"spans": SetLoss()}

    def sample_target(self, x, target, chance):
        x, y = super().sample_target(x, target, chance)
        y["spans"][:, 0, 0] = -1
        return x, y


class OneSoftmax(OneOutput):
    """One softmax over all spans, with a null answer."""

    def loss(self):
        return {"spans": ChoiceLoss()}

    def span_probabilities(self, window, outputs):
        possible = self.possible(window.segments) == 0
        return scipy.special.softmax(np.where(possible, outputs["spans"].astype("float64"), -np.inf))


class Pointers(SubjectExtractor):
    """Two pointers: scores of first and of last tokens, computed separately."""

    def build(self, encoder):
        x = keras.layers.Dropout(self.settings.dropout, name="Head-Dropout")(encoder.output)
        pointers = keras.layers.Dense(2, name="Pointers")(x)
        pointers = keras.layers.Permute((2, 1), dtype="float32", name="spans")(pointers)
        return keras.Model(encoder.inputs, {"spans": pointers}, name="subject")

    def sample_target(self, x, target, chance):
        pointers = np.zeros((2, len(x["Input-Token"])), "int8")
        pointers[:, x["Input-Segment"] < int(self.paired)] = -1
        if target is None:  # the gold answer is not known
            pointers[:] = -1
        for _, (first, last) in target or ():
            pointers[0, first] = pointers[1, last] = 1
        return x, {"spans": pointers}


class Independent(Pointers):
    """Each token has its own probability; the probability of a span is the product of two."""

    def loss(self):
        def loss(y_true, y_pred):
            y = tf.cast(y_true, y_pred.dtype)
            each = tf.nn.sigmoid_cross_entropy_with_logits(tf.maximum(y, 0.0), y_pred)
            return tf.reduce_sum(tf.where(y_true >= 0, each, 0.0), (1, 2))

        return {"spans": loss}

    def span_probabilities(self, window, outputs):
        return np.outer(*self.probabilities(outputs["spans"]))[None]


class Softmax(Pointers):
    """One softmax over the positions for each pointer, with [CLS] as the null answer; spans are compared with the null answer."""

    def sample_target(self, x, target, chance):
        x, y = super().sample_target(x, target, chance)
        y["spans"][:, 0] = -1 if target is None else not target
        return x, y

    def loss(self):
        def loss(y_true, y_pred):
            logs = tf.nn.log_softmax(tf.where(y_true >= 0, y_pred, -1e9))
            gold = tf.cast(y_true > 0, y_pred.dtype)
            return -tf.reduce_sum(tf.reduce_sum(gold * logs, -1) / tf.maximum(tf.reduce_sum(gold, -1), 1.0), -1)

        return {"spans": loss}

    def span_probabilities(self, window, outputs):
        first, last = outputs["spans"].astype("float64")
        return self.probabilities(first[:, None] + last[None] - first[0] - last[0])[None]


VARIANTS = {
    "spans, both losses (chosen)": (SubjectExtractor, {}),
    "the same, one token for each character": (SubjectExtractor, {"tokenization": "characters"}),
    "the same, type as prefix": (Prefixed, {}),
    "the same, without the type": (Untyped, {}),
    "spans, one softmax with a null answer": (OneSoftmax, {}),
    "spans, independent": (IndependentSpans, {}),
    "pointers, a softmax with a null answer": (Softmax, {}),
    "pointers, independent": (Independent, {}),
}


def first_only(task, rows):
    """Returns the F1 on texts with several subjects if only the most probable subject is predicted; nan without such texts."""
    from kbert_tasks.metrics import sets

    examples = [e for e in task.examples(rows).rows if len({s.subject for s in e.subjects}) > 1]
    if not examples:
        return float("nan")
    table = [{"text": e.text, "event_type": e.event_type} for e in examples]
    predicted = [{s.subject for s in p.subjects[:1]} for p in task.predict(table)]
    return sets.counted([{s.subject for s in e.subjects} for e in examples], predicted)["f1"]


def run(name, arguments, seed):
    """Trains one variant, prints its scores and returns them with the median seconds of an epoch."""
    kind, settings = VARIANTS[name]
    with open(arguments.train, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][: arguments.rows]
    settings = SPANS | {"epochs": arguments.epochs, "learning_rate": arguments.learning_rate} | settings
    task = kind(arguments.checkpoint, seed=seed, max_length=arguments.max_length, **settings)
    task.fit(rows, dev=arguments.dev)
    scores, history = task.report_["scores"]["dev"], task.report_["history"]
    several = scores["per_overlap"].get("several subjects", {"f1": float("nan")})["f1"]
    seconds = statistics.median(epoch["seconds"] for epoch in history)
    each = " ".join(f"{epoch['dev']['accuracy']:.3f}/{epoch['dev']['f1']:.3f}" for epoch in history)
    found = scores["accuracy"], scores["f1"], several, first_only(task, arguments.dev), seconds
    numbers = "accuracy {:.4f} F1 {:.4f} several subjects {:.4f} first answer only {:.4f} {:.0f} s".format(*found)
    print(f"{name:<48} seed {seed}  {numbers}  (each epoch {each})", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="folder or name")
    parser.add_argument("train", help="JSON lines with text, event_type and subject")
    parser.add_argument("dev", help="development file in the same format")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--rows", type=int, help="number of training rows (default all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--max-length", type=int, default=168)
    arguments = parser.parse_args()
    table = {name: [run(name, arguments, seed) for seed in arguments.seeds] for name in arguments.only}
    print("| variant | accuracy | F1 | F1, several subjects | the same, first answer only | seconds per epoch |")
    print("|---|---|---|---|---|---|")
    for name, found in table.items():
        print(
            f"| {name} | " + " | ".join(f"{statistics.mean(column):.3f}" for column in zip(*found, strict=True)) + " |"
        )


if __name__ == "__main__":
    main()
