"""What was tried for the relation task: each variant trained on the same rows, scored on the same development rows.

    python benchmarks/relation_heads.py CHECKPOINT TRAIN.jsonl DEV.jsonl [--only NAME ...] [--rows N] [--seeds 1 2] ...

Prints a line for each variant and seed, and at the end a table of means.
"""

import argparse
import json
import statistics

import numpy as np
from fixed import SPANS
from relation_pointers import Additive, Normalised, PointerExtractor

from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.tasks import heads
from kbert_tasks.tasks.relation.task import RelationExtractor

tf, keras = tensorflow(), keras2()


class Biaffine(heads.PairScores):
    """A product of subject and object instead of a layer that is not linear."""

    def meet(self, subject, object_):
        return subject * object_ + subject + object_


class Binary(keras.losses.Loss):
    """Binary cross entropy, summed over a text's cells; what is -1 is not counted."""

    def call(self, y_true, y_pred):
        y = tf.cast(y_true, y_pred.dtype)
        each = tf.nn.sigmoid_cross_entropy_with_logits(tf.maximum(y, 0.0), y_pred)
        each = tf.where(y_true >= 0, each, 0.0)
        return tf.reduce_sum(each, axis=range(1, len(each.shape)))


class ByPair(heads.SetLoss):
    """Each pair of a subject and an object is a group of its own."""

    def call(self, y_true, y_pred):
        if len(y_pred.shape) == 4 and y_pred.shape[1] is None:  # pairs, not spans
            shape = tf.shape(y_pred)
            shape = tf.stack([shape[0], shape[1] * shape[2], shape[3]])
            y_true, y_pred = tf.reshape(y_true, shape), tf.reshape(y_pred, shape)
        return super().call(y_true, y_pred)


class Variant(RelationExtractor):
    Head = heads.PairScores
    Loss = heads.SetLoss

    def build(self, encoder):
        model = super().build(encoder)
        if self.Loss is Binary:  # begin where all is unlikely, as nearly all cells are 0
            model.get_layer("spans").lengths.assign_sub(6.0 * tf.ones_like(model.get_layer("spans").lengths))
            model.get_layer("pairs").b2.assign_sub(4.0 * tf.ones_like(model.get_layer("pairs").b2))
        if self.Head is heads.PairScores:
            return model
        subjects, objects = model.inputs[2:]
        x = model.get_layer("Head-Dropout").output
        pairs = self.Head(len(self.predicates_), name="pairs")([x, subjects, objects])
        outputs = {"spans": model.get_layer("spans").output, "pairs": pairs}
        return keras.Model([*encoder.inputs, subjects, objects], outputs, name="relation")

    def loss(self):
        return {"spans": self.Loss(), "pairs": self.Loss()}


class Wrong(RelationExtractor):
    """Wrong subjects and objects are drawn too, that could pass for right ones."""

    def sample_target(self, x, target, chance):
        x, y = super().sample_target(x, target, chance)
        true = list(target), list({object_ for found in target.values() for _, object_ in found})
        entities, length = sorted({*true[0], *true[1]}) or [(1, 1)], len(x["Input-Token"])
        counted = y["pairs"][..., 0] >= 0
        drawn = [list(map(tuple, x[n][: counted.any(axis).sum()])) for n, axis in (("Subjects", 1), ("Objects", 0))]
        for name, each, right in zip(("Subjects", "Objects"), drawn, true, strict=True):
            for _ in range(min(3, len(x[name]) - len(each))):
                if (span := self.wrong(sorted(right), entities, length, chance)) and span not in each:
                    x[name][len(each)] = span
                    each.append(span)
        y["pairs"][: len(drawn[0]), : len(drawn[1])] = np.maximum(y["pairs"][: len(drawn[0]), : len(drawn[1])], 0)
        return x, y

    @staticmethod
    def wrong(right, entities, length, chance):
        """Another entity, the beginning of one with the end of another, or one with a token or two more or less."""
        first, last = entities[chance.integers(len(entities))]
        other = entities[chance.integers(len(entities))]
        more, less = chance.integers(-2, 3, 2)
        near = max(1, first + int(more)), min(length - 2, last + int(less))
        found = [span for span in (other, (first, other[1]), near) if span not in right and span[0] <= span[1]]
        return found[chance.integers(len(found))] if found else None


class Apart(Wrong):
    """Wrong spans as in the usual recipe: the start of one and the end of another, drawn apart."""

    @staticmethod
    def wrong(right, entities, length, chance):
        if not right:
            return None
        first = right[chance.integers(len(right))][0]
        ends = [last for _, last in right if last >= first]
        found = (first, ends[chance.integers(len(ends))])
        return None if found in right else found


def variant(base, **fields):
    return type(base.__name__, (base,), fields), {}


VARIANTS = {
    "pairs of spans (chosen)": (RelationExtractor, {}),
    "pairs, biaffine": variant(Variant, Head=Biaffine),
    "pairs, binary cross entropy": variant(Variant, Loss=Binary),
    "pairs, each a group": variant(Variant, Loss=ByPair),
    "pairs, wrong spans drawn apart": (Apart, {}),
    "pairs, wrong spans": (Wrong, {}),
    "pairs, 2 draws": (RelationExtractor, {"max_sampled_spans": 2}),
    "pairs, 14 draws": (RelationExtractor, {"max_sampled_spans": 14}),
    "pairs, characters": (RelationExtractor, {"tokenization": "characters"}),
    "pointers, additive": variant(PointerExtractor, Head=Additive),
    "pointers, conditional normalisation": variant(PointerExtractor, Head=Normalised),
    "pointers, not linear": (PointerExtractor, {}),
    "pointers, not linear, wrong subjects": variant(PointerExtractor, wrong=1),
    "pointers, not linear, characters": (PointerExtractor, {"tokenization": "characters"}),
}


def run(name, arguments, seed):
    kind, settings = VARIANTS[name]
    with open(arguments.train, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][: arguments.rows]
    settings = SPANS | {"epochs": arguments.epochs, "learning_rate": arguments.learning_rate} | settings
    task = kind(arguments.checkpoint, seed=seed, max_length=arguments.max_length, **settings)
    task.fit(rows, dev=arguments.dev)
    scores = task.report_["scores"]["dev"]
    seconds = statistics.median(epoch["seconds"] for epoch in task.report_["history"])
    f1s = " ".join(f"{epoch['dev']['f1']:.3f}" for epoch in task.report_["history"])
    print(f"{name:<36} seed {seed}  F1 {scores['f1']:.4f} (each epoch {f1s})  {seconds:.0f} s an epoch", flush=True)
    return scores["f1"], seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("train")
    parser.add_argument("dev")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--max-length", type=int, default=162)
    arguments = parser.parse_args()
    table = {name: [run(name, arguments, seed) for seed in arguments.seeds] for name in arguments.only}
    print("| variant | development F1 | seconds an epoch |\n|---|---|---|")
    for name, found in table.items():
        f1, seconds = (statistics.mean(column) for column in zip(*found, strict=True))
        print(f"| {name} | {f1:.3f} | {seconds:.0f} |")


main()
