"""Where the time of a compiled training step goes, and how far it is from the time of its matrix products: a table.

    taskset -c 0 python benchmarks/step_profile.py [--shape 16x128] [--layers 12] [--hidden 768]

The process uses one thread, so the times of operations can be added. The model has random weights. The last line is the time of
the same matrix products alone, repeated with inputs that stay in the cache where they fit: a limit that no arrangement of the
other operations can pass.
"""

import argparse
import collections
import tempfile
import time
from pathlib import Path

import numpy as np
from fixed import CLASSIFY
from machine import described

import kbert_tasks as kb
from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.data.batches import training_batches
from kbert_tasks.encoder import precision
from kbert_tasks.encoder.loading import build_encoder
from kbert_tasks.training.compiling import set_compiled
from kbert_tasks.training.step import Stepped

tf, keras = tensorflow(), keras2()
KINDS = {
    "_MklMatMul": "matrix products", "_MklNativeFusedMatMul": "matrix products", "_MklBatchMatMulV2": "products of attention",
    "ResourceApplyAdam": "Adam", "Cast": "conversions between float32 and bfloat16",
    "ConcatV2": "copies and padding", "Fill": "copies and padding", "Split": "copies and padding", "Pack": "copies and padding",
    "_MklTranspose": "transposes", "AddN": "sums of gradients", "_MklSoftmax": "softmax",
}  # fmt: skip
STEPS = 6
STEP = "__inference_train_function"  # the name of the function that contains the whole step


def model_of(config):
    """Returns the compiled Keras model of a classifier, computed in the best format of this machine, and the name of the format."""
    task = kb.TextClassifier(**CLASSIFY)
    task.labels_, task.multi_label_, task.config = ["0", "1"], False, config
    computed_in, _ = precision.choose("auto")
    with precision.computing(computed_in):
        model = Stepped(task.build(build_encoder(config, first_only=task.first_only)))
    set_compiled(model, "on" if computed_in == "bfloat16" else "off")
    model.compile(keras.optimizers.legacy.Adam(1e-5), task.loss())
    return task, model, computed_in


def events(folder):
    """Yields (kind of operation, seconds) from a profile of TensorFlow."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    for plane in space.planes:
        names = {number: each.name for number, each in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                name = names[event.metadata_id]
                if name.count(":") == 1 or STEP in name:
                    yield name.split(":")[-1].split("#")[0], event.duration_ps / 1e12


def products(rows, config, dtype):
    """Returns the seconds of all matrix products of a step with this number of rows, each measured alone.

    In the last layer, only keys and values are computed for all rows.
    """
    hidden, inner, seconds = config["hidden_size"], config["intermediate_size"], []
    for size, out in ((hidden, 3 * hidden), (hidden, hidden), (hidden, inner), (inner, hidden)):
        x, w, up = (tf.cast(tf.random.normal(s), dtype) for s in ((rows, size), (size, out), (rows, out)))
        for a, b, options in ((x, w, {}), (up, w, {"transpose_b": True}), (x, up, {"transpose_a": True})):
            product = tf.function(lambda a, b, o=options: tf.matmul(a, b, **o), autograph=False)
            times = []
            for _ in range(12):
                began = time.perf_counter()
                product(a, b)
                times.append(time.perf_counter() - began)
            seconds.append(float(np.median(times)))
    return sum(seconds) * (config["num_hidden_layers"] - 1) + sum(seconds[:3]) * 2 / 3


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", default="16x128", metavar="TEXTSxTOKENS")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=768)
    arguments = parser.parse_args()
    texts, tokens = map(int, arguments.shape.split("x"))
    config = {
        "vocab_size": 11567, "hidden_size": arguments.hidden, "num_hidden_layers": arguments.layers,
        "num_attention_heads": 12, "intermediate_size": 4 * arguments.hidden, "max_position_embeddings": 512,
        "type_vocab_size": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
    }  # fmt: skip
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    task, model, computed_in = model_of(config)
    ids = np.random.default_rng(1).integers(1, config["vocab_size"], (texts, tokens), "int32")
    rows = [
        ({"Input-Token": each, "Input-Segment": np.zeros_like(each)}, {"label": i % 2}) for i, each in enumerate(ids)
    ]
    batches, _ = training_batches(rows, task.sample_target, texts, 1, 2 * STEPS + 2)
    model.fit(batches, epochs=1, steps_per_epoch=2, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        model.fit(batches, epochs=1, steps_per_epoch=STEPS, verbose=0)
        tf.profiler.experimental.stop()
        found, step = collections.Counter(), 0.0
        for kind, seconds in events(folder):
            if STEP in kind:
                step += seconds / STEPS
            elif kind[:1].isupper() or kind.startswith("_Mkl"):
                found[KINDS.get(kind, "other operations of TensorFlow")] += seconds / STEPS
    found["chains that XLA compiled, and everything between operations"] = step - sum(found.values())
    limit = products(texts * tokens, config, "bfloat16" if computed_in == "bfloat16" else "float32")
    lines = [
        *(f"{line}." for line in described()),
        "",
        f"| {texts} x {tokens} tokens, {computed_in} | ms | share |",
        "|---|---|---|",
    ]
    lines += [f"| {kind} | {1000 * seconds:.0f} | {seconds / step:.0%} |" for kind, seconds in found.most_common()]
    lines += [
        f"| **step** | {1000 * step:.0f} | 100% |",
        f"| the matrix products of all layers alone | {1000 * limit:.0f} | {limit / step:.0%} |",
    ]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
