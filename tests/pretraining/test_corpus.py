import json
import sys
import types

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks.files import sha256
from kbert_tasks.pretraining import preparing
from kbert_tasks.pretraining.corpus import Corpus
from kbert_tasks.pretraining.preparing import prepare
from kbert_tasks.text.tokenizer import Tokenizer
from tests import tiny

TEXT = "".join(
    f"房间很干净。服务态度好！{c}的早餐不错\nThe hotel is good. Stayed {i}\n\n" for i, c in enumerate("我你他" * 20)
)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def prepared(text, folder, **options):
    return prepare([text], folder, tiny.vocabulary(), False, **options)


def all_documents(found, part):
    return [document for n in range(found.shards(part)) for document in found.documents(part, n)]


def test_every_sentence_is_written_once_with_the_tokenizers_ids(text, tmp_path):
    found = prepared(text, tmp_path / "data", held_out=0.2, shard_tokens=200)
    tokenizer = Tokenizer(tiny.vocabulary(), cased=False)
    sentences = []
    for document in all_documents(found, "train") + all_documents(found, "held-out"):
        assert (document.ids.dtype, document.ends.dtype, document.joined.dtype) == (np.int32, np.int32, bool)
        assert len(document.ends) == 5 and document.ends[-1] == len(document.ids) == len(document.joined)
        sentences += [tuple(each) for each in np.split(document.ids, document.ends[:-1])]
        pieces = [tokenizer.vocabulary[number].startswith("##") for number in document.ids]
        assert document.joined.tolist() == pieces and any(pieces)
    lines = [s for line in TEXT.split("\n") for s in preparing.documents.sentences(line)]
    assert sorted(sentences) == sorted(tuple(tokenizer.encode(line).ids[1:-1]) for line in lines)
    assert found.shards("train") > 3 and found.shards("held-out") >= 1
    assert found.vocabulary == tiny.vocabulary() and found.cased is False
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_manifest_counts_documents_sentences_and_tokens(text, tmp_path):
    empty = tmp_path / "b.jsonl"
    empty.write_text('{"text": ""}\n{"text": "\\u200b"}\n{"text": "好。\\u200b"}\n{"text": "龘"}\n', encoding="utf-8")
    found = prepare([text, empty], tmp_path / "data", tiny.vocabulary(), False, held_out=0.3, shard_tokens=300)
    manifest = json.loads((tmp_path / "data" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest == found.manifest
    assert manifest["skipped"] == {"row without text": 2, "sentence without tokens": 1}
    assert manifest["documents"] == manifest["documents_in_sources"] == 62
    assert manifest["unknown_tokens"] == 1
    assert [source["name"] for source in manifest["sources"]] == ["a.txt", "b.jsonl"]
    for part in ("train", "held-out"):
        documents, counts = all_documents(found, part), manifest["parts"][part]
        assert counts["documents"] == len(documents)
        assert counts["tokens"] == sum(len(each.ids) for each in documents)
        assert counts["sentences"] == sum(len(each.ends) for each in documents)
        for shard in counts["shards"]:
            path = tmp_path / "data" / shard["file"]
            assert shard["sha256"] == sha256(path) and shard["bytes"] == path.stat().st_size
            assert shard["tokens"] <= 2 * 300 + 40
    assert 0.1 < manifest["parts"]["held-out"]["documents"] / 62 < 0.5


def test_same_seed_gives_the_same_corpus(text, tmp_path):
    first, repeated, other = (
        prepared(text, tmp_path / name, held_out=0.2, shard_tokens=300, seed=seed).manifest
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == repeated
    assert first["parts"]["held-out"] != other["parts"]["held-out"]


def test_repeated_document_is_in_one_part_only(tmp_path, text):
    found = prepare([text, text], tmp_path / "data", tiny.vocabulary(), False, held_out=0.3)
    train, held = ({each.ids.tobytes() for each in all_documents(found, part)} for part in ("train", "held-out"))
    assert train and held and not train & held


def test_copies_of_a_held_out_document_are_held_out(tmp_path):
    path, texts = tmp_path / "a.txt", [f"好。{c}。坏" for c in "一二三大小"]
    for seed in range(4):
        path.write_text("\n\n".join([*texts, *texts, texts[seed]]), encoding="utf-8")
        found = prepared(path, tmp_path / str(seed), held_out=1e-9, seed=seed)
        train, held = ([each.ids.tobytes() for each in all_documents(found, part)] for part in ("train", "held-out"))
        assert len(set(held)) == 1 and len(train) + len(held) == 11 and not set(train) & set(held)
    path.write_text("好。一。坏\n\n" * 3, encoding="utf-8")
    found = prepared(path, tmp_path / "copies")
    assert [found.manifest["parts"][part]["sentences"] for part in ("train", "held-out")] == [6, 3]


@pytest.mark.parametrize("documents", [1, 2, 5])
def test_at_least_one_document_is_held_out(tmp_path, documents):
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(f"好。{c}。坏" for c in "一二三大小"[:documents]), encoding="utf-8")
    found = prepared(path, tmp_path / "data", held_out=1e-9)
    counts = {part: found.manifest["parts"][part]["sentences"] for part in ("train", "held-out")}
    assert counts == ({"train": 2, "held-out": 1} if documents == 1 else {"train": 3 * documents - 3, "held-out": 3})
    whole = prepared(path, tmp_path / "whole", held_out=0)
    assert whole.shards("held-out") == 0 and whole.manifest["parts"]["train"]["documents"] == documents


@pytest.mark.parametrize("content", ["好。一。坏", "好。\n\n坏。"])
def test_both_parts_have_text_for_every_seed(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_text(content, encoding="utf-8")
    for seed in range(8):
        found = prepared(path, tmp_path / str(seed), held_out=0.9, seed=seed)
        assert found.shards("train") and found.shards("held-out")


def test_too_little_text_leaves_no_folder(tmp_path):
    path = tmp_path / "a.txt"
    for content, message in (("好", "one sentence"), ("", "there is no text in a.txt")):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(kb.InputError, match=message):
            prepared(path, tmp_path / "data")
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_bad_options_and_vocabularies_are_rejected(text, tmp_path):
    for options, message in (({"held_out": 1}, "held_out should be"), ({"shard_tokens": 0}, "shard_tokens above 0")):
        with pytest.raises(kb.InputError, match=message):
            prepared(text, tmp_path / "data", **options)
    with pytest.raises(kb.InputError, match=r"lacks \[MASK\]"):
        prepare([text], tmp_path / "data", ["[PAD]", "[UNK]", "[CLS]", "[SEP]"], False)
    with pytest.raises(kb.InputError, match="' b', would be read from vocab.txt as 'b'"):
        prepare([text], tmp_path / "data", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", " b"], False)
    prepared(text, tmp_path / "data")
    with pytest.raises(kb.InputError, match="already exists"):
        prepared(text, tmp_path / "data")


def test_whole_chinese_words_are_joined(text, tmp_path, monkeypatch):
    def tokenize(sentence):
        words = ["房间", "很", "干净", "。"] if sentence.startswith("房") else list(sentence)
        ends = np.cumsum([len(word) for word in words]).tolist()
        return list(zip(words, [0, *ends], ends, strict=False))

    fake = types.SimpleNamespace(tokenize=tokenize, setLogLevel=lambda level: None, __version__="0")
    monkeypatch.setitem(sys.modules, "jieba", fake)
    found = prepared(text, tmp_path / "data", whole_word_mask=True)
    assert found.whole_word_mask and found.manifest["jieba"] == "0"
    for document in all_documents(found, "train"):
        assert document.joined[: document.ends[0]].tolist() == [False, True, False, False, True, False]
        assert not document.joined[[0, *document.ends[:-1]]].any()
        assert document.joined[document.ends[2] :].any()  # "##" pieces as before


def test_jieba_words_are_joined(text, tmp_path):
    pytest.importorskip("jieba")
    found = prepared(text, tmp_path / "data", whole_word_mask=True)
    document = all_documents(found, "held-out")[0]
    assert document.joined[: document.ends[0]].tolist() == [False, True, False, False, True, False]


def test_missing_jieba_is_reported_with_the_extra(text, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(kb.InputError, match=r"need jieba: pip install 'kbert-tasks\[jieba\]'"):
        prepared(text, tmp_path / "data", whole_word_mask=True)
    assert not (tmp_path / "data").exists()


def test_incomplete_corpus_folder_is_rejected(text, tmp_path):
    folder = tmp_path / "data"
    with pytest.raises(kb.InputError, match="is not a prepared corpus: it has no manifest.json; found: a.txt"):
        Corpus.open(tmp_path)
    found = prepared(text, folder)
    shard, vocabulary, manifest = (folder / name for name in ("train-00000.tfrecord", "vocab.txt", "manifest.json"))

    def error_message():
        with pytest.raises(kb.InputError) as caught:
            Corpus.open(folder)
        return str(caught.value)

    whole = shard.read_bytes()
    shard.write_bytes(whole[:-9])
    assert f"train-00000.tfrecord has {len(whole) - 9} bytes, manifest.json requires {len(whole)}" in error_message()
    shard.unlink()
    assert "train-00000.tfrecord is missing" in error_message()
    shard.write_bytes(
        whole[:40] + b"xxxx" + whole[44:]
    )  # the size is right, so the damage is found when the file is read
    with pytest.raises(kb.InputError, match="train-00000.tfrecord is damaged"):
        Corpus.open(folder).documents("train", 0)
    shard.write_bytes(whole)
    assert len(Corpus.open(folder).documents("train", 0)) == len(found.documents("train", 0))
    vocabulary.write_text("[PAD]\n", encoding="utf-8")
    assert "vocab.txt is missing or not the one" in error_message()
    manifest.write_text(json.dumps(found.manifest | {"format": 9}), encoding="utf-8")
    assert "has format 9, expected 2" in error_message()
    manifest.write_text("{", encoding="utf-8")
    assert "manifest.json is damaged" in error_message()


def test_documents_of_each_file_are_spread_over_the_shards(tmp_path):
    files = []
    for name, letter in (("a", "好"), ("b", "坏")):
        files.append(tmp_path / f"{name}.txt")
        files[-1].write_text(f"{letter}{letter}{letter}。一\n\n" * 300, encoding="utf-8")
    found = prepare(files, tmp_path / "data", tiny.vocabulary(), False, held_out=0, shard_tokens=600)
    assert found.shards("train") >= 3
    good = tiny.vocabulary().index("好")
    for n in range(found.shards("train")):
        kinds = [good in document.ids for document in found.documents("train", n)]
        assert 0.3 < np.mean(kinds) < 0.7
