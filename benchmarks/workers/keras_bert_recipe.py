"""keras-bert as in its usual recipe: all layers are trained, a softmax on [CLS], texts in random order."""

import json
import os
import tempfile

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # set before TensorFlow is imported, because keras-bert needs Keras 2

import keras_bert
import numpy as np
from rounds import BATCH, LENGTH, base, examples, padded, random_batch, rounds, serve, tenth
from tensorflow import keras


def compiled(bert, labels):
    for layer in bert.layers:
        layer.trainable = True
    first = keras.layers.Lambda(lambda x: x[:, 0])(bert.output)
    model = keras.Model(bert.inputs, keras.layers.Dense(labels, activation="softmax")(first))
    model.compile(keras.optimizers.Adam(1e-5), "sparse_categorical_crossentropy")
    return model


def loaded(job, labels):
    config, weights = (os.path.join(job.checkpoint, name) for name in ("bert_config.json", "bert_model.ckpt"))
    return compiled(keras_bert.load_trained_model_from_checkpoint(config, weights, seq_len=None), labels)


def tokenizer(job):
    """Returns a function that converts a text to ids, truncated to LENGTH."""
    pieces = keras_bert.Tokenizer(keras_bert.load_vocabulary(os.path.join(job.checkpoint, "vocab.txt")))

    def encode(text):
        ids, _ = pieces.encode(text)
        return ids if len(ids) <= LENGTH else ids[: LENGTH - 1] + ids[-1:]

    return encode


def in_batches(order):
    return [order[i : i + BATCH] for i in range(0, len(order), BATCH)]


def inputs(texts):
    tokens = padded(texts)
    return [tokens, np.zeros_like(tokens)]


def epoch(job):
    texts, labels = examples(job)
    model, encode, labels = loaded(job, len(set(labels))), tokenizer(job), np.array(labels)
    texts = [encode(text) for text in texts]
    draw = np.random.default_rng(1)

    def train(number):
        for batch in in_batches(draw.permutation(number)):
            model.train_on_batch(inputs([texts[i] for i in batch]), labels[batch])

    train(len(tenth(texts)))
    for _ in rounds():
        train(len(texts))


def step(job):
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "bert_config.json")
        with open(file, "w", encoding="utf-8") as written:
            json.dump(base(job), written)
        bert, _ = keras_bert.build_model_from_config(file, training=False, trainable=True, seq_len=None)
    model = compiled(bert, 2)
    tokens, labels = random_batch(job)

    def train():
        for _ in range(job.steps):
            model.train_on_batch([tokens, np.zeros_like(tokens)], labels)

    train()
    for _ in rounds():
        train()


def predict(job):
    texts, labels = examples(job)
    model, encode = loaded(job, len(set(labels))), tokenizer(job)

    def answer(texts):
        for batch in in_batches(texts):
            model.predict_on_batch(inputs([encode(text) for text in batch]))

    answer(tenth(texts))
    for _ in rounds():
        answer(texts)


serve(["keras-bert", "tensorflow", "tf_keras"], epoch=epoch, step=step, predict=predict)
