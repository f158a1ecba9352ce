"""A corpus that is damaged, or of another program, and a disk that takes no more: each told in one sentence."""

import json

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks._keras import tensorflow
from kbert_tasks.pretraining import shards
from kbert_tasks.pretraining.corpus import Corpus, Document

from . import small


def without(manifest, *path):
    for name in path[:-1]:
        manifest = manifest[name]
    del manifest[path[-1]]


def elsewhere(name):
    return lambda manifest: manifest["parts"]["train"]["shards"][0].update(file=name)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda manifest: without(manifest, "cased"),
        lambda manifest: without(manifest, "whole_word_mask"),
        lambda manifest: without(manifest, "skipped"),
        lambda manifest: without(manifest, "parts", "train", "tokens"),
        lambda manifest: manifest.update(parts=[]),
        lambda manifest: manifest.update(cased="no"),
        elsewhere("../outside.tfrecord"),
        elsewhere("/outside.tfrecord"),
        elsewhere(7),
    ],
)
def test_a_damaged_manifest_is_one_sentence(tmp_path, spoil):
    found = small.corpus(tmp_path)
    # As large as the shard, so that only its name tells.
    (tmp_path / "outside.tfrecord").write_bytes((found.folder / "train-00000.tfrecord").read_bytes())
    manifest = json.loads(json.dumps(found.manifest))
    spoil(manifest)
    (found.folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(kb.InputError, match="manifest.json is damaged"):
        Corpus.open(found.folder)


def test_another_format_may_look_otherwise(tmp_path):
    (tmp_path / "manifest.json").write_text('{"format": 9}', encoding="utf-8")
    with pytest.raises(kb.InputError, match="has format 9, expected 2"):
        Corpus.open(tmp_path)


def test_tokens_beyond_the_vocabulary_are_refused(tmp_path):
    found = small.corpus(tmp_path)
    size = len(found.vocabulary)
    for ids in ([5, size], [-1, 5]):
        document = Document(np.array(ids, np.int32), np.array([2], np.int32), np.zeros(2, bool))
        with tensorflow().io.TFRecordWriter(str(found.folder / "train-00000.tfrecord")) as writer:
            writer.write(document.to_bytes())
        with pytest.raises(kb.InputError, match=f"token ids from {ids[0]} to {ids[1]}, vocab.txt has {size} tokens"):
            found.documents("train", 0)


def test_few_files_are_open_at_a_time(tmp_path):
    document = Document(np.array([5], np.int32), np.array([1], np.int32), np.zeros(1, bool))
    made = shards.Shards(tmp_path, "train", 10**9, 1000, np.random.default_rng(0), 1)
    for _ in range(400):
        made.add(document)
    assert 50 < len(made.open) <= 64  # twice, for both parts: macOS allows 256
    made.abandon()


def test_what_stops_the_writing_is_reported(tmp_path, monkeypatch):
    def refused(*_):
        raise tensorflow().errors.ResourceExhaustedError(None, None, "a.tfrecord; Too many open files")

    monkeypatch.setattr(shards.Shards, "add", refused)
    with pytest.raises(kb.InputError) as told:
        small.corpus(tmp_path)
    assert "(a.tfrecord; Too many open files)" in str(told.value) and "room on the disk" not in str(told.value)
    assert not (tmp_path / "data").exists()
