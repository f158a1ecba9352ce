"""transformers on PyTorch: AdamW, bfloat16 with autocast or float32, batches of texts of similar length.

Training uses the methods of its Trainer (groups of 50 batches, gradients clipped to 1, the fused AdamW) without the overhead of the
Trainer. Prediction in bfloat16 uses bfloat16 weights, which was faster than autocast. Pretraining uses the library's
BertForPreTraining, whose head computes the scores at all positions, including those that are not masked (label -100).
"""

import contextlib

import numpy as np
import torch
from rounds import BATCH, LENGTH, base, examples, padded, prepared, random_batch, rounds, serve, tenth
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForPreTraining,
    BertForSequenceClassification,
    get_linear_schedule_with_warmup,
)

GROUP = 50 * BATCH


def precision(job):
    return torch.autocast("cpu", dtype=torch.bfloat16) if job.variant == "bf16" else contextlib.nullcontext()


def loaded(job, labels, dtype=torch.float32):
    # transformers computes Google's gelu in many small operations, but its default gelu in one.
    settings = {"num_labels": len(set(labels)), "hidden_act": "gelu", "dtype": dtype}
    return BertForSequenceClassification.from_pretrained(job.hf, **settings)


def tokenized(job, texts):
    tokenizer = AutoTokenizer.from_pretrained(job.hf)
    return tokenizer(texts, truncation=True, max_length=LENGTH)["input_ids"]


def inputs(texts):
    tokens = torch.from_numpy(padded(texts)).long()
    return {"input_ids": tokens, "attention_mask": (tokens != 0).long()}


def grouped(lengths, draw):
    """Returns the indices of the texts of each batch of an epoch."""
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
    training = Training(BertForSequenceClassification(BertConfig(**base(job), num_labels=2)), job)
    tokens, labels = random_batch(job)
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


def labelled(x, y):
    """Converts a batch for BertForPreTraining: labels are the ids of masked tokens, and -100 at all other positions."""
    tokens, positions, gold = x["Input-Token"], x["Masked-Position"], y["MLM"]
    labels = np.full(tokens.shape, -100)
    row, column = np.nonzero(gold >= 0)
    labels[row, positions[row, column]] = gold[row, column]
    arrays = {
        "input_ids": tokens, "attention_mask": tokens != 0, "token_type_ids": x["Input-Segment"],
        "labels": labels, "next_sentence_label": y["NSP"][:, 0],
    }  # fmt: skip
    return {name: torch.from_numpy(array).long() for name, array in arrays.items()}


def pretrain(job):
    config, made = prepared(job)
    model = BertForPreTraining(BertConfig(**config)).train()
    batches = [labelled(*batch) for batch in made]
    decayed, others = [p for p in model.parameters() if p.ndim > 1], [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=1e-4, fused=True)
    steps = job.steps * (job.rounds + 1)
    schedule = get_linear_schedule_with_warmup(adam, steps // 10, steps)

    def train():
        for batch in batches:
            with precision(job):
                loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            schedule.step()
            adam.zero_grad()
            loss.item()

    train()
    for _ in rounds():
        train()


serve(["transformers", "torch", "tokenizers"], epoch=epoch, step=step, predict=predict, pretrain=pretrain)
