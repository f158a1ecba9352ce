"""Compare heads for named entities, trained on the same rows and scored on the same development rows.

    python benchmarks/entity_heads.py CHECKPOINT SET ... --results FILE [--data-root ../shared/data/ner] [--only NAME ...]
        [--rows N] [--dev N] [--seeds 1 2] [--table] [--test]

SET is a folder of the data root with train.jsonl and dev.jsonl. Each finished run is a line of JSON in the results file and
is not repeated. `--test` scores the test file of the set; the development file then only selects the epoch and the threshold.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

import kbert_tasks as kb
from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.encoder.layers import Dropout, Layer
from kbert_tasks.encoder.ops import register
from kbert_tasks.metrics.sets import best_threshold
from kbert_tasks.tasks.contract import known
from kbert_tasks.tasks.entity.entities import Entity
from kbert_tasks.tasks.entity.task import EntityRecognizer, Prediction
from kbert_tasks.tasks.heads import SpanScores
from kbert_tasks.text.spans import tokens_of

tf, keras = tensorflow(), keras2()


class Types(EntityRecognizer):
    """The head of the package: vectors of the first and the last token for each type."""


@register
class RotaryScores(SpanScores):
    """SpanScores whose vectors are rotated by their position (RoPE), so that the dot product depends on the distance."""

    def call(self, x):
        batch, time = tf.unstack(tf.shape(x)[:2])
        size = self.size
        y = tf.reshape(tf.reshape(x, (-1, x.shape[-1])) @ self.W + self.b, (batch, time, self.kinds, 2 * size + 2))
        first, last, begins, ends = tf.split(tf.transpose(y, (0, 2, 1, 3)), [size, size, 1, 1], axis=-1)
        angle = tf.cast(tf.range(time), x.dtype)[:, None] * 10000.0 ** (-tf.range(0, size, 2, x.dtype) / size)
        sin, cos = tf.sin(angle), tf.cos(angle)

        def rotated(v):
            a, b = v[..., ::2], v[..., 1::2]
            return tf.concat([a * cos - b * sin, a * sin + b * cos], -1)

        scores = tf.matmul(rotated(first), rotated(last), transpose_b=True) * size**-0.5
        return scores + begins + tf.linalg.matrix_transpose(ends)


@register
class SharedScores(Layer):
    """One span score for all types, plus a score of the first and one of the last token for each type."""

    def __init__(self, kinds, size=64, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.kinds, self.size = kinds, size

    def build(self, shape):
        self.spans = SpanScores(1, self.size)
        self.W = self.add_weight("W", (shape[-1], 2 * self.kinds), initializer="glorot_uniform")
        self.b = self.add_weight("b", (2 * self.kinds,), initializer="zeros")

    def call(self, x):
        batch, time = tf.unstack(tf.shape(x)[:2])
        y = tf.reshape(tf.reshape(x, (-1, x.shape[-1])) @ self.W + self.b, (batch, time, 2, self.kinds))
        begins, ends = tf.unstack(tf.transpose(y, (2, 0, 3, 1)))
        return self.spans(x) + begins[..., None] + ends[:, :, None]


class Rotary(EntityRecognizer):
    """The same with rotary positions instead of biases for lengths."""

    scores = RotaryScores

    def build(self, encoder):
        x = Dropout(self.settings.dropout, name="Head-Dropout")(encoder.output)
        return keras.Model(encoder.inputs, {"spans": self.scores(len(self.types_), name="spans")(x)}, name="entity")


class Shared(Rotary):
    """One span score for all types and a term for each type."""

    scores = SharedScores


class Narrow(Rotary):
    """The head of the package with vectors of 32 numbers."""

    scores = staticmethod(lambda kinds, name: SpanScores(kinds, 32, name=name))


class PerType(EntityRecognizer):
    """The head of the package with a threshold for each type."""

    def tune(self, examples, candidates):
        super().tune(examples, candidates)
        self.limits = {}
        for kind in self.types_:
            gold = [{e.key for e in known(example.entities) if e.type == kind} for example in examples]
            found = [[(e.key, e.probability) for e in each if e.type == kind] for each in candidates]
            self.limits[kind] = best_threshold(gold, found, 0.05)

    def decide(self, example, candidates):
        limits = getattr(self, "limits", {})
        kept = (e for e in candidates if e.probability >= limits.get(e.type, self.least))
        return Prediction(tuple(sorted(kept, key=lambda e: (e.start, -e.end, e.type))))


@register
class Tags(Layer):
    """Scores of tags (batch, time, tags), followed by the scores of transitions, the same at each token."""

    def __init__(self, tags, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.tags = tags

    def build(self, shape):
        self.W = self.add_weight("W", (shape[-1], self.tags), initializer="glorot_uniform")
        self.b = self.add_weight("b", (self.tags,), initializer="zeros")
        self.moves = self.add_weight("moves", (self.tags, self.tags), initializer="zeros")

    def call(self, x):
        batch, time = tf.unstack(tf.shape(x)[:2])
        moves = tf.broadcast_to(tf.reshape(self.moves, (1, 1, -1)), (batch, time, self.tags**2))
        return tf.concat([x @ self.W + self.b, moves], -1)


class CrfLoss(keras.losses.Loss):
    """Negative log-likelihood of a linear-chain CRF; targets (batch, time) are tags, -1 for tokens without one."""

    def call(self, y_true, y_pred):
        tags = int((np.sqrt(1 + 4 * y_pred.shape[-1]) - 1) / 2)
        emissions, moves = y_pred[..., :tags], tf.reshape(y_pred[0, 0, tags:], (tags, tags))
        y_true = tf.cast(y_true, tf.int32)
        # The first token is [CLS]; padding and [SEP] follow the text.
        emissions, gold = emissions[:, 1:], y_true[:, 1:]
        mask = tf.cast(gold >= 0, emissions.dtype)
        safe = tf.maximum(gold, 0)
        right = tf.reduce_sum(tf.gather(emissions, safe, batch_dims=2, axis=2) * mask, 1)
        pairs = tf.gather_nd(moves, tf.stack([safe[:, :-1], safe[:, 1:]], -1))
        right += tf.reduce_sum(pairs * mask[:, 1:], 1)

        def step(alpha, each):
            emission, here = each
            new = tf.reduce_logsumexp(alpha[:, :, None] + moves, 1) + emission
            return tf.where(here[:, None] > 0, new, alpha)

        rest = tf.transpose(emissions[:, 1:], (1, 0, 2)), tf.transpose(mask[:, 1:])
        alpha = tf.foldl(step, rest, emissions[:, 0])
        return tf.reduce_logsumexp(alpha, -1) - right


class Crf(EntityRecognizer):
    """A CRF over BIO tags, for entities that do not overlap; of overlapping training entities, the longest ones are kept."""

    def build(self, encoder):
        x = Dropout(self.settings.dropout, name="Head-Dropout")(encoder.output)
        return keras.Model(encoder.inputs, {"tags": Tags(2 * len(self.types_) + 1, name="tags")(x)}, name="tagger")

    def loss(self):
        return {"tags": CrfLoss()}

    def target(self, example, encoded):
        tags = np.where(encoded.offsets[:, 1] > encoded.offsets[:, 0], 0, -1)
        for each in sorted(known(example.entities), key=lambda e: e.start - e.end):
            tokens = tokens_of(encoded, each.span)
            if tokens and not tags[tokens[0] : tokens[1] + 1].any():
                kind = self.types_.index(each.type)
                tags[tokens[0]] = 2 * kind + 1
                tags[tokens[0] + 1 : tokens[1] + 1] = 2 * kind + 2
        return {"tags": tags.astype("int32")}

    def check_targets(self, examples, targets):
        pass

    def sample_target(self, x, target, chance):
        return x, target

    def decode(self, example, encoded, outputs):
        found = {}
        for window, each in zip(encoded, outputs, strict=True):
            tags = 2 * len(self.types_) + 1
            emissions, moves = each["tags"][1:-1, :tags], each["tags"][0, tags:].reshape(tags, tags)
            path = viterbi(emissions, moves)
            i = 0
            while i < len(path):
                if path[i] % 2 == 1:
                    j = i + 1
                    while j < len(path) and path[j] == path[i] + 1:
                        j += 1
                    start, end = int(window.offsets[i + 1, 0]), int(window.offsets[j, 1])
                    kind = self.types_[path[i] // 2]
                    found[start, end, kind] = Entity(example.text[start:end], kind, start, end, 1.0)
                    i = j
                else:
                    i += 1
        return list(found.values())


def viterbi(emissions, moves):
    """Returns the best path of tags for emissions (time, tags) and moves (from, to)."""
    best, back = emissions[0], []
    for each in emissions[1:]:
        scores = best[:, None] + moves
        back.append(scores.argmax(0))
        best = scores.max(0) + each
    path = [int(best.argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    return path[::-1]


HEADS = {
    "types": Types,
    "rotary": Rotary,
    "shared": Shared,
    "narrow": Narrow,
    "threshold per type": PerType,
    "crf": Crf,
}


def run(args, name, data, seed):
    """Trains once and returns the scores of the evaluated rows, with the best epoch and the seconds."""
    folder = Path(args.data_root) / data
    train, dev = (kb.read(folder / f"{part}.jsonl") for part in ("train", "dev"))
    if args.rows:
        train = train.sample(frac=1, random_state=0).head(args.rows)
    if args.dev:
        dev = dev.sample(frac=1, random_state=0).head(args.dev)
    settings = {"max_length": 128, "seed": seed} | ({"epochs": args.epochs} if args.epochs else {})
    began = time.perf_counter()
    task = HEADS[name](args.checkpoint, **settings).fit(train, dev=dev)
    seconds = time.perf_counter() - began
    report = task.evaluate(kb.read(folder / "test.jsonl")) if args.test else task.evaluate(dev)
    kept = {key: report.scores.get(key) for key in ("precision", "recall", "f1", "macro_f1", "errors", "per_overlap")}
    epochs = [round(epoch["dev"]["f1"], 4) for epoch in task.report_["history"]]
    return kept | {"epochs": epochs, "best": task.report_["best_epoch"], "seconds": round(seconds, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="folder in Google's format, or a name")
    parser.add_argument("sets", nargs="+", help="folders of the data root")
    parser.add_argument("--results", required=True, metavar="FILE", help="JSON lines of finished runs")
    parser.add_argument("--data-root", default="../shared/data/ner", metavar="DIR")
    parser.add_argument("--only", nargs="+", choices=HEADS, default=list(HEADS), metavar="NAME")
    parser.add_argument("--rows", type=int, metavar="N", help="use at most N training rows")
    parser.add_argument("--dev", type=int, metavar="N", help="use at most N development rows")
    parser.add_argument("--epochs", type=int, metavar="N", help="number of epochs (default: automatic)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--test", action="store_true", help="score the test file")
    parser.add_argument("--table", action="store_true", help="only print the table of finished runs")
    args = parser.parse_args()
    file, found = Path(args.results), {}
    for line in file.read_text("utf-8").splitlines() if file.is_file() else ():
        each = json.loads(line)
        found[json.dumps(each["run"], sort_keys=True)] = each
    weights = Path(args.checkpoint).name
    print("| data | head | seeds | F1 | recall of nested | seconds |\n|---|---|---|---|---|---|")
    for data in args.sets:
        for name in args.only:
            results = []
            for seed in args.seeds:
                key = {
                    "data": data, "head": name, "weights": weights, "rows": args.rows, "dev": args.dev,
                    "epochs": args.epochs, "seed": seed, "test": args.test,
                }  # fmt: skip
                result = found.get(json.dumps(key, sort_keys=True))
                if result is None and not args.table:
                    result = {"run": key} | run(args, name, data, seed)
                    with file.open("a", encoding="utf-8") as stream:
                        stream.write(json.dumps(result, ensure_ascii=False) + "\n")
                results += [result] if result else []
            if results:
                f1 = [each["f1"] for each in results]
                nested = [each["per_overlap"]["nested"]["recall"] for each in results if each["per_overlap"]]
                shown = f"{statistics.mean(nested):.3f}" if nested else ""
                each = " / ".join(f"{score:.3f}" for score in f1)
                seconds = statistics.mean(each["seconds"] for each in results)
                print(f"| {data} | {name} | {each} | {statistics.mean(f1):.3f} | {shown} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
