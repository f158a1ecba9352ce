"""KerasHub on Keras 3 with TensorFlow: `BertTextClassifier` on texts, each padded to the length of the preprocessor."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import keras_hub
import numpy as np
from rounds import BASE, BATCH, LENGTH, examples, random_batch, rounds, serve, tenth

models = keras_hub.models


def loaded(job, labels):
    preprocessor = models.BertTextClassifierPreprocessor.from_preset(job.hf, sequence_length=LENGTH)
    model = models.BertTextClassifier.from_preset(job.hf, num_classes=len(set(labels)), preprocessor=preprocessor)
    model.compile(optimizer=keras.optimizers.Adam(1e-5))
    return model


def epoch(job):
    texts, labels = examples(job)
    model, texts, labels = loaded(job, labels), np.array(texts), np.array(labels)
    model.fit(tenth(texts), tenth(labels), batch_size=BATCH, epochs=1, verbose=0)
    for _ in rounds():
        model.fit(texts, labels, batch_size=BATCH, epochs=1, verbose=0)


def step(job):
    backbone = models.BertBackbone(
        vocabulary_size=BASE["vocab_size"], num_layers=BASE["num_hidden_layers"],
        num_heads=BASE["num_attention_heads"], hidden_dim=BASE["hidden_size"],
        intermediate_dim=BASE["intermediate_size"], max_sequence_length=BASE["max_position_embeddings"],
    )  # fmt: skip
    model = models.BertTextClassifier(backbone, num_classes=2)
    model.compile(optimizer=keras.optimizers.Adam(1e-5))
    tokens, labels = random_batch(job)
    x = {"token_ids": tokens, "segment_ids": np.zeros_like(tokens), "padding_mask": np.ones_like(tokens)}

    def train():
        for _ in range(job.steps):
            model.train_on_batch(x, labels)

    train()
    for _ in rounds():
        train()


def predict(job):
    texts, labels = examples(job)
    model, texts = loaded(job, labels), np.array(texts)
    model.predict(tenth(texts), batch_size=BATCH, verbose=0)
    for _ in rounds():
        model.predict(texts, batch_size=BATCH, verbose=0)


serve(["keras-hub", "keras", "tensorflow", "tensorflow-text"], epoch=epoch, step=step, predict=predict)
