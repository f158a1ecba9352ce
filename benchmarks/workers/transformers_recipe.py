"""transformers on PyTorch: AdamW, bfloat16 by autocast or float32, texts of like length together.

Training as its Trainer does it (groups of 50 batches, gradients clipped to 1, the fused AdamW), without the Trainer's own
cost. Prediction in bfloat16 with weights of bfloat16, which was faster than autocast.
"""

import contextlib

import numpy as np
import torch
from rounds import BASE, BATCH, LENGTH, examples, padded, random_batch, rounds, serve, tenth
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

GROUP = 50 * BATCH


def precision(job):
    return torch.autocast("cpu", dtype=torch.bfloat16) if job.variant == "bf16" else contextlib.nullcontext()


def loaded(job, labels, dtype=torch.float32):
    # Google's gelu is computed in many small operations over there; theirs in one.
    settings = {"num_labels": len(set(labels)), "hidden_act": "gelu", "dtype": dtype}
    return BertForSequenceClassification.from_pretrained(job.hf, **settings)


def tokenized(job, texts):
    tokenizer = AutoTokenizer.from_pretrained(job.hf)
    return tokenizer(texts, truncation=True, max_length=LENGTH)["input_ids"]


def inputs(texts):
    tokens = torch.from_numpy(padded(texts)).long()
    return {"input_ids": tokens, "attention_mask": (tokens != 0).long()}


def grouped(lengths, draw):
    """Indices of the batches of an epoch."""
    shuffled = draw.permutation(len(lengths))
    groups = [shuffled[i : i + GROUP] for i in range(0, len(shuffled), GROUP)]
    order = np.concatenate([group[np.argsort(-lengths[group])] for group in groups])
    batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    return [batches[i] for i in draw.permutation(len(batches))]


class Training:
    def __init__(self, model, job):
        self.model, self.job = model.train(), job
        self.adam = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def step(self, x, labels):
        with precision(self.job):
            loss = self.model(**x, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.adam.step()
        self.adam.zero_grad()
        loss.item()


def epoch(job):
    texts, labels = examples(job)
    training = Training(loaded(job, labels), job)
    texts, labels = tokenized(job, texts), torch.tensor(labels)
    lengths, draw = np.array([len(ids) for ids in texts]), np.random.default_rng(1)

    def train(number):
        for batch in grouped(lengths[:number], draw):
            training.step(inputs([texts[i] for i in batch]), labels[batch])

    train(len(tenth(texts)))
    for _ in rounds():
        train(len(texts))


def step(job):
    training = Training(BertForSequenceClassification(BertConfig(**BASE, num_labels=2)), job)
    tokens, labels = random_batch()
    x, labels = inputs(tokens), torch.from_numpy(labels).long()

    def train():
        for _ in range(job.steps):
            training.step(x, labels)

    train()
    for _ in rounds():
        train()


def predict(job):
    texts, labels = examples(job)
    model = loaded(job, labels, torch.bfloat16 if job.variant == "bf16" else torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(job.hf)

    @torch.inference_mode()
    def answer(texts):
        ids = tokenizer(texts, truncation=True, max_length=LENGTH)["input_ids"]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        for i in range(0, len(order), 64):
            model(**inputs([ids[n] for n in order[i : i + 64]])).logits.float().softmax(-1).numpy()

    answer(tenth(texts))
    for _ in rounds():
        answer(texts)


serve(["transformers", "torch", "tokenizers"], epoch=epoch, step=step, predict=predict)
