"""Damaged corpora, corpora of another format and write errors are reported in one sentence."""

import json

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks._keras import tensorflow
from kbert_tasks.pretraining import shards
from kbert_tasks.pretraining.corpus import Corpus, Document

from . import small


def delete_entry(manifest, *path):
    for name in path[:-1]:
        manifest = manifest[name]
    del manifest[path[-1]]


def with_shard_file(name):
    return lambda manifest: manifest["parts"]["train"]["shards"][0].update(file=name)


@pytest.mark.parametrize(
    "damage",
    [
        lambda manifest: delete_entry(manifest, "cased"),
        lambda manifest: delete_entry(manifest, "whole_word_mask"),
        lambda manifest: delete_entry(manifest, "skipped"),
        lambda manifest: delete_entry(manifest, "parts", "train", "tokens"),
        lambda manifest: manifest.update(parts=[]),
        lambda manifest: manifest.update(cased="no"),
        with_shard_file("../outside.tfrecord"),
        with_shard_file("/outside.tfrecord"),
        with_shard_file(7),
    ],
)
def test_damaged_manifest_is_reported(tmp_path, damage):
    found = small.corpus(tmp_path)
    # It has the size of the shard, so only the file name is wrong.
    (tmp_path / "outside.tfrecord").write_bytes((found.folder / "train-00000.tfrecord").read_bytes())
    manifest = json.loads(json.dumps(found.manifest))
    damage(manifest)
    (found.folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(kb.InputError, match="manifest.json is damaged"):
        Corpus.open(found.folder)


def test_other_format_is_rejected(tmp_path):
    (tmp_path / "manifest.json").write_text('{"format": 9}', encoding="utf-8")
    with pytest.raises(kb.InputError, match="has format 9, expected 2"):
        Corpus.open(tmp_path)


def test_ids_outside_the_vocabulary_are_rejected(tmp_path):
    found = small.corpus(tmp_path)
    size = len(found.vocabulary)
    for ids in ([5, size], [-1, 5]):
        document = Document(np.array(ids, np.int32), np.array([2], np.int32), np.zeros(2, bool))
        with tensorflow().io.TFRecordWriter(str(found.folder / "train-00000.tfrecord")) as writer:
            writer.write(document.to_bytes())
        with pytest.raises(kb.InputError, match=f"token ids from {ids[0]} to {ids[1]}, vocab.txt has {size} tokens"):
            found.documents("train", 0)


def test_number_of_open_files_is_limited(tmp_path):
    document = Document(np.array([5], np.int32), np.array([1], np.int32), np.zeros(1, bool))
    writer = shards.Shards(tmp_path, "train", 10**9, 1000, np.random.default_rng(0), 1)
    for _ in range(400):
        writer.add(document)
    assert 50 < len(writer.open) <= 64  # times two for both parts; macOS allows 256
    writer.abandon()


def test_error_while_writing_is_reported(tmp_path, monkeypatch):
    def failing_add(*_):
        raise tensorflow().errors.ResourceExhaustedError(None, None, "a.tfrecord; Too many open files")

    monkeypatch.setattr(shards.Shards, "add", failing_add)
    with pytest.raises(kb.InputError) as error:
        small.corpus(tmp_path)
    assert "(a.tfrecord; Too many open files)" in str(error.value) and "room on the disk" not in str(error.value)
    assert not (tmp_path / "data").exists()
