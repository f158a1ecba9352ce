"""Compare variants of the relation task, trained on the same rows and scored on the same development rows.

    python benchmarks/relation_heads.py CHECKPOINT TRAIN.jsonl DEV.jsonl [--only NAME ...] [--rows N] [--seeds 1 2] ...

The script prints a line for each variant and seed, and at the end a Markdown table of means.
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
    """Combines subject and object by a product instead of a nonlinear layer."""

    def meet(self, subject, object_):
        return subject * object_ + subject + object_


class Binary(keras.losses.Loss):
    """Binary cross entropy, summed over the elements of a text that are not -1."""

    def call(self, y_true, y_pred):
        y = tf.cast(y_true, y_pred.dtype)
        each = tf.nn.sigmoid_cross_entropy_with_logits(tf.maximum(y, 0.0), y_pred)
        each = tf.where(y_true >= 0, each, 0.0)
        return tf.reduce_sum(each, axis=range(1, len(each.shape)))


class ByPair(heads.SetLoss):
    """Loss in which each pair of a subject and an object is a separate group."""

    def call(self, y_true, y_pred):
        shape = tf.shape(y_pred)
        shape = tf.stack([shape[0], shape[1] * shape[2], shape[3]])
        return super().call(tf.reshape(y_true, shape), tf.reshape(y_pred, shape))


class Variant(RelationExtractor):
    """A RelationExtractor with another layer for pairs, or other losses."""

    Head = heads.PairScores
    Loss = PairLoss = heads.SetLoss

    def build(self, encoder):
        model = super().build(encoder)
        if self.Loss is Binary:  # start with low probabilities, because almost all elements are 0
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
        return {"spans": self.Loss(), "pairs": self.PairLoss()}


class Wrong(RelationExtractor):
    """Also samples up to three wrong subjects and objects that resemble right ones."""

    def sample_target(self, x, target, chance):
        x, y = super().sample_target(x, target, chance)
        true = list(target), list({object_ for found in target.values() for _, object_ in found})
        entities, length = sorted({*true[0], *true[1]}) or [(1, 1)], len(x["Input-Token"])
        counted = y["pairs"][..., 0] >= 0
        sampled = [list(map(tuple, x[n][: counted.any(axis).sum()])) for n, axis in (("Subjects", 1), ("Objects", 0))]
        rows, columns = map(len, sampled)
        for each, right in zip(sampled, true, strict=True):
            for _ in range(min(3, self.settings.max_sampled_spans - len(each))):
                if (span := self.wrong(sorted(right), entities, length, chance)) and span not in each:
                    each.append(span)
        pairs = np.full((*(max(1, len(each)) for each in sampled), len(self.predicates_)), -1, "int8")
        pairs[: len(sampled[0]), : len(sampled[1])] = 0
        pairs[:rows, :columns] = y["pairs"][:rows, :columns]
        spans = {
            n: np.array(each or [(0, 0)], "int32") for n, each in zip(("Subjects", "Objects"), sampled, strict=True)
        }
        return x | spans, y | {"pairs": pairs}

    @staticmethod
    def wrong(right, entities, length, chance):
        """Returns another entity, the start of one with the end of another, or an entity with up to two tokens more or less."""
        first, last = entities[chance.integers(len(entities))]
        other = entities[chance.integers(len(entities))]
        more, less = chance.integers(-2, 3, 2)
        near = max(1, first + int(more)), min(length - 2, last + int(less))
        found = [span for span in (other, (first, other[1]), near) if span not in right and span[0] <= span[1]]
        return found[chance.integers(len(found))] if found else None


class Independent(Wrong):
    """Wrong spans as in the usual recipe: start and end are sampled independently."""

    @staticmethod
    def wrong(right, entities, length, chance):
        if not right:
            return None
        first = right[chance.integers(len(right))][0]
        ends = [last for _, last in right if last >= first]
        found = (first, ends[chance.integers(len(ends))])
        return None if found in right else found


def variant(base, **fields):
    """Returns (subclass of `base` with other class attributes, no settings)."""
    return type(base.__name__, (base,), fields), {}


VARIANTS = {
    "pairs of spans (chosen)": (RelationExtractor, {}),
    "pairs, biaffine": variant(Variant, Head=Biaffine),
    "pairs, binary cross entropy": variant(Variant, Loss=Binary, PairLoss=Binary),
    "pairs, each a group": variant(Variant, PairLoss=ByPair),
    "pairs, wrong spans sampled independently": (Independent, {}),
    "pairs, wrong spans": (Wrong, {}),
    "pairs, at most 2 sampled spans": (RelationExtractor, {"max_sampled_spans": 2}),
    "pairs, at most 14 sampled spans": (RelationExtractor, {"max_sampled_spans": 14}),
    "pairs, characters": (RelationExtractor, {"tokenization": "characters"}),
    "pointers, additive": variant(PointerExtractor, Head=Additive),
    "pointers, conditional normalisation": variant(PointerExtractor, Head=Normalised),
    "pointers, nonlinear": (PointerExtractor, {}),
    "pointers, nonlinear, wrong subjects": variant(PointerExtractor, wrong=1),
    "pointers, nonlinear, characters": (PointerExtractor, {"tokenization": "characters"}),
}


def run(name, arguments, seed):
    """Trains one variant, prints its scores and returns (F1, median seconds of an epoch)."""
    kind, settings = VARIANTS[name]
    with open(arguments.train, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][: arguments.rows]
    settings = SPANS | {"epochs": arguments.epochs, "learning_rate": arguments.learning_rate} | settings
    task = kind(arguments.checkpoint, seed=seed, max_length=arguments.max_length, **settings)
    task.fit(rows, dev=arguments.dev)
    scores = task.report_["scores"]["dev"]
    seconds = statistics.median(epoch["seconds"] for epoch in task.report_["history"])
    f1s = " ".join(f"{epoch['dev']['f1']:.3f}" for epoch in task.report_["history"])
    print(f"{name:<42} seed {seed}  F1 {scores['f1']:.4f} (each epoch {f1s})  {seconds:.0f} s per epoch", flush=True)
    return scores["f1"], seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="folder or name")
    parser.add_argument("train", help="JSON lines with text and spo_list")
    parser.add_argument("dev", help="development file in the same format")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--rows", type=int, default=2000, help="number of training rows (default 2000)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--max-length", type=int, default=162)
    arguments = parser.parse_args()
    table = {name: [run(name, arguments, seed) for seed in arguments.seeds] for name in arguments.only}
    print("| variant | development F1 | seconds per epoch |\n|---|---|---|")
    for name, found in table.items():
        f1, seconds = (statistics.mean(column) for column in zip(*found, strict=True))
        print(f"| {name} | {f1:.3f} | {seconds:.0f} |")


if __name__ == "__main__":
    main()
