"""Compare the operations of `kbert_tasks/encoder/ops.py` with TensorFlow's own: CPU milliseconds, forward and backward.

    python benchmarks/ops.py [--tokens 768] [--hidden 384] [--rounds 10]

Each number is the minimum of several rounds, because other programs can only make a round slower.
"""

import argparse
import time

from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.encoder import ops

tf, keras = tensorflow(), keras2()


def pairs(tokens, hidden):
    """Yields (name, function of this package, function of TensorFlow, inputs)."""
    wide = tf.random.normal((tokens, 4 * hidden))
    x, gamma, beta = tf.random.normal((tokens, hidden)), tf.ones(hidden), tf.zeros(hidden)
    table, ids = tf.random.normal((30522, hidden)), tf.random.uniform((tokens,), 1, 30522, tf.int32)

    def norm(x, gamma, beta):
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-12)

    yield "gelu", ops.gelu, lambda x: tf.nn.gelu(x, approximate=True), (wide,)
    yield "layer normalisation", ops.normalised, norm, (x, gamma, beta)
    yield "dropout", lambda x: ops.dropped(x, 0.1), lambda x: tf.nn.dropout(x, 0.1), (x,)
    yield "rows, dense gradient", lambda t: ops.rows_of(t, ids), lambda t: tf.gather(t, ids), (table,)


def step(function, inputs):
    """Returns a function that computes the value and the dense gradients."""

    @tf.function(autograph=False)
    def run():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = function(*inputs)
        return [value, *map(tf.convert_to_tensor, tape.gradient(value, inputs, value))]

    return run


def milliseconds(run, repeats=10):
    """Returns the mean CPU milliseconds of a call."""
    began = time.process_time()
    for _ in range(repeats):
        run()
    return (time.process_time() - began) * 1000 / repeats


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=768, help="number of tokens in a batch (default 768)")
    parser.add_argument("--hidden", type=int, default=384, help="hidden size (default 384)")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    print("| operation | this package, CPU ms | TensorFlow, CPU ms | ratio |\n|---|---|---|---|")
    for name, ours, theirs, inputs in pairs(arguments.tokens, arguments.hidden):
        runs = [step(each, inputs) for each in (ours, theirs)]
        times = [[milliseconds(run) for run in runs] for _ in range(arguments.rounds + 1)][1:]
        one, other = (min(column) for column in zip(*times, strict=True))
        print(f"| {name} | {one:.2f} | {other:.2f} | {other / one:.2f} |", flush=True)


if __name__ == "__main__":
    main()
