"""Conversion to and from Hugging Face folders: round trips, the usual variants, and errors in one sentence."""

import errno
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from kbert_tasks import cli
from kbert_tasks._keras import tensorflow
from kbert_tasks.checkpoint import convert, google_format
from kbert_tasks.checkpoint.convert import export_folder, import_folder
from kbert_tasks.errors import InputError

from .. import tiny

SHARED = Path(os.environ.get("KBERT_SHARED", Path(__file__).parents[3] / "shared"))
WORDS = tiny.vocabulary()
CONFIG = tiny.config(vocab_size=len(WORDS))
MLM = {n for n in google_format.variables(CONFIG, heads=True) if n.startswith("cls/predictions/")}
NSP = {n for n in google_format.variables(CONFIG, heads=True) if n.startswith("cls/seq_relationship/")}


def read(folder):
    reader = tensorflow().train.load_checkpoint(str(Path(folder) / "bert_model.ckpt"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == np.float32
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.fixture(scope="module")
def official_folder(tmp_path_factory):
    return Path(tiny.checkpoint(tmp_path_factory.mktemp("official") / "uncased_tiny", tokens=WORDS))


@pytest.fixture(scope="module")
def exported(official_folder, tmp_path_factory):
    return export_folder(official_folder, tmp_path_factory.mktemp("exported") / "tiny")


@pytest.fixture
def folder(exported, tmp_path):
    """A Hugging Face folder that a test may change."""
    return Path(shutil.copytree(exported, tmp_path / "given"))


def change(folder, name="config.json", **changes):
    file = folder / name
    file.write_text(json.dumps((json.loads(file.read_text()) if file.exists() else {}) | changes))


def weights(folder, edit):
    """Replaces the saved tensors by the result of `edit`, a function of the dict of tensors."""
    file = folder / "model.safetensors"
    save_file({k: np.ascontiguousarray(v) for k, v in edit(dict(load_file(file))).items()}, file)


def write_vocabulary(folder, words):
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8")


def test_export_and_import_restore_the_folder(official_folder, exported, tmp_path):
    imported = import_folder(exported, tmp_path / "deep" / "back")
    assert imported == tmp_path / "deep" / "back"
    assert sorted(p.name for p in imported.iterdir()) == sorted(p.name for p in official_folder.iterdir())
    assert list(imported.parent.iterdir()) == [imported]
    assert_same(read(imported), read(official_folder))
    assert (imported / "vocab.txt").read_bytes() == (official_folder / "vocab.txt").read_bytes()
    assert json.loads((imported / "bert_config.json").read_text()) == CONFIG | {"do_lower_case": True}


def test_export_writes_the_files_of_hugging_face(exported):
    assert {p.name for p in exported.iterdir()} == {
        "config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"
    }  # fmt: skip
    config = json.loads((exported / "config.json").read_text())
    assert config["model_type"] == "bert" and config["architectures"] == ["BertForPreTraining"]
    assert config["hidden_act"] == "gelu_new"
    tokenizer = json.loads((exported / "tokenizer_config.json").read_text())
    assert tokenizer["do_lower_case"] is True and tokenizer["mask_token"] == "[MASK]"
    assert tokenizer["model_max_length"] == 64
    assert (exported / "model.safetensors").read_bytes().find(b'"__metadata__":{"format":"pt"}') in range(8, 12)
    tensors = load_file(exported / "model.safetensors")
    assert tensors["bert.encoder.layer.1.intermediate.dense.weight"].shape == (32, 16)
    for name in (
        "bert.embeddings.word_embeddings.weight", "bert.embeddings.token_type_embeddings.weight",
        "bert.embeddings.LayerNorm.weight", "bert.encoder.layer.0.attention.self.query.bias",
        "bert.encoder.layer.0.attention.output.LayerNorm.bias", "bert.pooler.dense.weight",
        "cls.predictions.transform.dense.weight", "cls.predictions.transform.LayerNorm.weight",
        "cls.predictions.bias", "cls.seq_relationship.weight", "cls.seq_relationship.bias",
    ):  # fmt: skip
        assert name in tensors


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_new_folders_have_the_usual_permissions(exported, tmp_path):
    (tmp_path / "usual").mkdir()
    assert exported.stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert (exported / "model.safetensors").stat().st_mode == (exported / "vocab.txt").stat().st_mode


@pytest.mark.parametrize(
    "without", [set(google_format.POOLER) | MLM | NSP, MLM | NSP, NSP, set(google_format.POOLER) | NSP]
)
def test_pooler_and_heads_may_be_missing(without, tmp_path):
    tensors = {k: v for k, v in tiny.tensors(CONFIG).items() if k not in without}
    google_format.write(tmp_path / "uncased", CONFIG, WORDS, tensors)
    converted = export_folder(tmp_path / "uncased", tmp_path / "there")
    assert json.loads((converted / "config.json").read_text())["architectures"] == ["BertModel"]
    assert_same(read(import_folder(converted, tmp_path / "back")), tensors)


def test_optimizer_slots_are_not_exported(tmp_path):
    tensors = tiny.tensors(CONFIG)
    slots = {f"{name}/adam_m": array for name, array in tensors.items()} | {"global_step": np.array(3, "int64")}
    google_format.write(tmp_path / "uncased", CONFIG, WORDS, tensors | slots)
    imported = import_folder(export_folder(tmp_path / "uncased", tmp_path / "there"), tmp_path / "back")
    assert_same(read(imported), tensors)


@pytest.mark.parametrize("cased", [True, False])
def test_casing_is_exported_and_imported(cased, tmp_path):
    google_format.write(tmp_path / "model", CONFIG | {"do_lower_case": not cased}, WORDS, tiny.tensors(CONFIG))
    converted = export_folder(tmp_path / "model", tmp_path / "there")
    assert json.loads((converted / "tokenizer_config.json").read_text())["do_lower_case"] is not cased
    assert "do_lower_case" not in json.loads((converted / "config.json").read_text())
    imported = import_folder(converted, tmp_path / "back")
    assert json.loads((imported / "bert_config.json").read_text())["do_lower_case"] is not cased


def with_old_norm_names(tensors):
    renamed = {}
    for name, array in tensors.items():
        if "LayerNorm" in name:
            name = name.replace(".weight", ".gamma").replace(".bias", ".beta")
        renamed[name] = array
    return renamed


@pytest.mark.parametrize(
    "edit",
    [
        lambda t: {k.removeprefix("bert."): v for k, v in t.items()},
        with_old_norm_names,
        lambda t: {k.removeprefix("bert."): v for k, v in with_old_norm_names(t).items()},
        lambda t: {k.replace("cls.predictions.bias", "cls.predictions.decoder.bias"): v for k, v in t.items()},
        lambda t: t | {"cls.predictions.decoder.weight": t["bert.embeddings.word_embeddings.weight"]},
        lambda t: {k: v.astype("float64") for k, v in t.items()},
    ],
    ids=["no prefix", "gamma and beta", "both", "decoder bias", "tied decoder", "float64"],
)
def test_usual_variants_of_tensor_names_and_types_are_imported(edit, folder, official_folder, tmp_path, caplog):
    weights(folder, edit)
    with caplog.at_level("INFO", "kbert_tasks"):
        assert_same(read(import_folder(folder, tmp_path / "back")), read(official_folder))
    assert not caplog.records


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_weights_are_imported_as_float32(dtype, folder, official_folder, tmp_path):
    dtype = np.dtype(dtype) if dtype == "float16" else pytest.importorskip("ml_dtypes").bfloat16
    # The test writes the file itself, because not every safetensors release writes bfloat16 from NumPy.
    tensors = {k: np.ascontiguousarray(v.astype(dtype)) for k, v in load_file(folder / "model.safetensors").items()}
    header, at = {}, 0
    for name, array in tensors.items():
        kind = "F16" if dtype == np.float16 else "BF16"
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [at, at := at + array.nbytes]}
    head = json.dumps(header).encode()
    body = b"".join(array.tobytes() for array in tensors.values())
    (folder / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + body)
    expected = {k: v.astype(dtype).astype("float32") for k, v in read(official_folder).items()}
    assert_same(read(import_folder(folder, tmp_path / "back")), expected)


def split_into_shards(folder):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = {name: f"model-0000{1 + i % 3}-of-00003.safetensors" for i, name in enumerate(tensors)}
    for file in set(files.values()):
        save_file({name: tensors[name] for name in tensors if files[name] == file}, folder / file)
    change(folder, "model.safetensors.index.json", metadata={"total_size": 1}, weight_map=files)


def test_sharded_weights_are_imported(folder, official_folder, tmp_path):
    split_into_shards(folder)
    assert_same(read(import_folder(folder, tmp_path / "back")), read(official_folder))


def test_import_logs_what_it_skips(folder, official_folder, tmp_path, caplog):
    extra = {"classifier.weight": np.ones((3, 16), "f4"), "bert.embeddings.position_ids": np.arange(64)}
    weights(folder, lambda t: t | extra | {"cls.predictions.decoder.weight": np.ones((200, 16), "f4")})
    change(folder, layer_norm_eps=1e-5)
    change(folder, "tokenizer_config.json", tokenizer_class="BertJapaneseTokenizer", strip_accents=False)
    with caplog.at_level("INFO", "kbert_tasks"):
        assert_same(read(import_folder(folder, tmp_path / "back")), read(official_folder))
    messages = {record.getMessage().removeprefix(f"{folder}").lstrip("/") for record in caplog.records}
    assert messages == {
        ": skipped 2 tensors that are not in Google's format: bert.embeddings.position_ids, classifier.weight",
        ": skipped cls.predictions.decoder.weight: it differs from the word embeddings, which Google's head uses instead",
        ": layer_norm_eps 1e-05 is replaced by Google's 1e-12",
        "tokenizer_config.json: tokenizer_class 'BertJapaneseTokenizer' is ignored: texts are tokenized by Google's rules",
        "tokenizer_config.json: strip_accents False is ignored: texts are tokenized by Google's rules",
    }
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 4


@pytest.mark.parametrize(
    "act, google", [("gelu", "gelu"), ("gelu_pytorch_tanh", "gelu"), ("relu", "relu"), ("tanh", "tanh")]
)
def test_activation_is_converted_to_the_name_that_google_uses(act, google, folder, tmp_path):
    change(folder, hidden_act=act)
    assert (
        json.loads((import_folder(folder, tmp_path / "back") / "bert_config.json").read_text())["hidden_act"] == google
    )


def test_imported_config_has_the_keys_that_google_uses(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    for key in ("model_type", "type_vocab_size", "hidden_act", "initializer_range", "attention_probs_dropout_prob"):
        del config[key]  # HF's defaults
    (folder / "config.json").write_text(json.dumps(config | {"id2label": {"0": "a"}, "torch_dtype": "float32"}))
    imported = json.loads((import_folder(folder, tmp_path / "back") / "bert_config.json").read_text())
    assert imported == CONFIG | {"do_lower_case": True}


FAST = {"model": {"type": "WordPiece", "vocab": {}}}


@pytest.mark.parametrize(
    "slow, fast, lower",
    [
        ({"do_lower_case": False}, None, False),
        ({"do_lower_case": True}, {"normalizer": {"type": "BertNormalizer", "lowercase": False}}, True),
        ({}, None, True),
        ({}, {"normalizer": {"type": "BertNormalizer", "lowercase": False}}, False),
        (None, {"normalizer": {"type": "BertNormalizer", "lowercase": True}}, True),
        (None, {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}]}}, True),
        (None, {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}]}}, False),
        (None, {"normalizer": None}, False),
        (None, None, None),
    ],
)
def test_lower_case_setting_is_read_from_the_tokenizer_files(slow, fast, lower, folder, tmp_path):
    (folder / "tokenizer_config.json").unlink()
    if slow is not None:
        change(folder, "tokenizer_config.json", **slow)
    if fast is not None:
        change(folder, "tokenizer.json", **FAST | fast)
    config = json.loads((import_folder(folder, tmp_path / "back") / "bert_config.json").read_text())
    assert config.get("do_lower_case") is lower


def test_vocabulary_is_read_from_tokenizer_json(folder, tmp_path):
    ids = {word: i for i, word in enumerate(WORDS)}
    last = ids.pop(WORDS[-1])
    hole = ids.pop("hotel")
    (folder / "vocab.txt").unlink()
    added = [{"content": "[NEW]", "id": last}, {"content": "[PAD]", "id": 0}]
    change(folder, "tokenizer.json", **{"model": {"type": "WordPiece", "vocab": ids}, "added_tokens": added})
    imported = (import_folder(folder, tmp_path / "back") / "vocab.txt").read_text(encoding="utf-8").splitlines()
    expected = list(WORDS)
    expected[-1], expected[hole] = "[NEW]", "[unused2]"  # the tiny vocabulary has [unused1]
    assert imported == expected


def test_embedding_rows_without_token_get_names(folder, tmp_path, caplog):
    rows = len(WORDS)
    write_vocabulary(folder, WORDS[: rows - 3] + ["[unused3]"])
    with caplog.at_level("INFO", "kbert_tasks"):
        imported = import_folder(folder, tmp_path / "back")
    tokens = (imported / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert tokens[rows - 3 :] == ["[unused3]", "[unused2]", "[unused4]"]
    assert "2 rows of the embedding table have no token" in caplog.text


def test_windows_line_ends_and_bom_are_removed_from_the_vocabulary(folder, tmp_path):
    text = (folder / "vocab.txt").read_text(encoding="utf-8")
    (folder / "vocab.txt").write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert (import_folder(folder, tmp_path / "back") / "vocab.txt").read_bytes() == text.encode()


@given(
    st.lists(
        st.text(st.sampled_from("ab\u2028\u3000中#[]1 \r\n"), max_size=3) | st.sampled_from(["[unused1]", "[unused2]"])
    ),
    st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_every_row_has_its_own_word(tmp_path_factory, tokens, more):
    """tokenizer.json can contain any string. Each row still has one line, no two are equal, known ids are unchanged."""
    folder = tmp_path_factory.mktemp("words")
    ids = {word: i for i, word in enumerate(tokens)}
    change(folder, "tokenizer.json", model={"type": "WordPiece", "vocab": ids})
    words = convert._words(folder, len(tokens) + more + 1)
    assert len(words) == len(tokens) + more + 1 == len(set(words))
    assert all(word and not set(word) & set(" \t\r\n") for word in words)
    assert all(words[i] == word for word, i in ids.items() if word and not set(word) & set(" \t\r\n"))


@given(st.integers(1, 30), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_tensor_names_are_converted_one_to_one(layers, hidden):
    config = tiny.config(num_hidden_layers=layers, hidden_size=hidden)
    names = [convert._names(name) for name in google_format.variables(config, heads=True)]
    different = [name for group in names for name in set(group)]
    assert len(different) == len(set(different))
    assert not any("/" in name or "layer_" in name for name in different)


@given(st.data())
@settings(max_examples=10, deadline=None)
def test_damaged_file_is_imported_or_rejected_in_one_sentence(tmp_path_factory, exported, data):
    """A file that was cut or overwritten anywhere is still valid or raises InputError, and then no folder is written."""
    folder = Path(shutil.copytree(exported, tmp_path_factory.mktemp("damaged") / "given"))
    file = folder / data.draw(
        st.sampled_from(["config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"])
    )
    raw = file.read_bytes()
    cut = data.draw(st.integers(0, len(raw)))
    file.write_bytes(raw[:cut] + data.draw(st.binary(max_size=4)))
    target = folder.parent / "target"
    try:
        import_folder(folder, target)
    except InputError as error:
        assert "\n" not in str(error).strip() and not target.exists()
    assert sorted(p.name for p in folder.parent.iterdir()) in (["given"], ["given", "target"])


REJECTED = {
    "roberta": (lambda f: change(f, model_type="roberta"), "should have model_type 'bert', found 'roberta'"),
    "distilbert": (
        lambda f: change(f, model_type="distilbert"),
        "found 'distilbert': Google's BERT supports nothing else",
    ),
    "albert": (lambda f: change(f, model_type="albert"), "use another model"),
    "relative": (lambda f: change(f, position_embedding_type="relative_key"), "'absolute', found 'relative_key'"),
    "decoder": (lambda f: change(f, is_decoder=True), "should have is_decoder False, found True"),
    "cross": (lambda f: change(f, add_cross_attention=True), "should have add_cross_attention False, found True"),
    "silu": (lambda f: change(f, hidden_act="silu"), "'relu' or 'tanh', found 'silu'"),
    "zero": (lambda f: change(f, num_hidden_layers=0), "num_hidden_layers should be a whole number above 0, found 0"),
    "text": (lambda f: change(f, hidden_size="16"), "hidden_size should be a whole number above 0, found '16'"),
    "no config": (
        lambda f: (f / "config.json").unlink(),
        "given lacks config.json; found: model.safetensors, tokenizer",
    ),
    "no folder": (shutil.rmtree, "given lacks config.json; found: no such folder: download the whole model folder"),
    "no json": (lambda f: (f / "config.json").write_text("{"), "config.json should be JSON, but cannot be parsed"),
    "a list": (lambda f: (f / "config.json").write_text("[1]"), "config.json should be JSON, but cannot be parsed"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "given lacks model.safetensors; found: config.json"),
    "pickle": (
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        "should have model.safetensors, found pytorch_model.bin, a pickle",
    ),
    "LFS pointer": (
        lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "model.safetensors should be safetensors, but cannot be parsed",
    ),
    "no shard": (
        lambda f: (split_into_shards(f), (f / "model-00002-of-00003.safetensors").unlink()),
        "given lacks model-00002-of-00003.safetensors; found: config.json, model-00001",
    ),
    "no map": (
        lambda f: ((f / "model.safetensors").unlink(), change(f, "model.safetensors.index.json", metadata={})),
        "model.safetensors.index.json should be a list of weight files, but cannot be parsed (weight_map should name",
    ),
    "more layers": (
        lambda f: change(f, num_hidden_layers=3),
        "that config.json defines, but 16 are missing or of another shape: bert.encoder.layer.2.attention.self.query.weight (16, 16), bert",
    ),
    "half a head": (
        lambda f: weights(f, lambda t: {k: v for k, v in t.items() if k != "cls.predictions.bias"}),
        "that config.json defines, but 1 are missing or of another shape: cls.predictions.bias (WORDS,): download",
    ),
    "another size": (
        lambda f: change(f, intermediate_size=40),
        "6 are missing or of another shape: bert.encoder.layer.0.intermediate.dense.weight (40, 16) (it is (32, 16))",
    ),
    "quantized": (
        lambda f: weights(f, lambda t: t | {"bert.pooler.dense.weight": t["bert.pooler.dense.weight"].astype("int8")}),
        "1 are missing or of another shape: bert.pooler.dense.weight (16, 16): download",
    ),
    "more words": (
        lambda f: write_vocabulary(f, [*WORDS, "one", "two"]),
        f"should have at most {len(WORDS)} tokens, one for each row of the embedding table, found "
        f"{len(WORDS) + 2}: use the vocabulary that belongs to these weights",
    ),
    "no words": (lambda f: (f / "vocab.txt").unlink(), "given lacks vocab.txt; found: config.json, model.safetensors"),
    "latin 1": (lambda f: (f / "vocab.txt").write_bytes("é\n".encode("latin-1")), "vocab.txt should be UTF-8"),
    "byte pairs": (
        lambda f: ((f / "vocab.txt").unlink(), change(f, "tokenizer.json", model={"type": "BPE", "vocab": {}})),
        "tokenizer.json should be a WordPiece tokenizer, but cannot be parsed (the type of its model is BPE)",
    ),
}


@pytest.mark.parametrize("case", REJECTED)
def test_unsupported_folders_are_rejected(case, folder, tmp_path):
    damage, sentence = REJECTED[case]
    damage(folder)
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError) as raised:
        import_folder(folder, tmp_path / "target")
    assert sentence.replace("WORDS", str(len(WORDS))) in str(raised.value)
    assert set(tmp_path.iterdir()) == before


def test_existing_target_is_used_only_if_it_is_empty(official_folder, exported, tmp_path):
    (tmp_path / "empty").mkdir()
    assert (import_folder(exported, tmp_path / "empty") / "vocab.txt").is_file()
    (tmp_path / "file").write_text("kept")
    for taken in ("empty", "file"):
        with pytest.raises(InputError, match="already exists and is not overwritten"):
            export_folder(official_folder, tmp_path / taken)
    assert (tmp_path / "file").read_text() == "kept"
    assert len(list((tmp_path / "empty").iterdir())) == 5


def test_failed_write_leaves_no_files(exported, tmp_path, monkeypatch):
    def full(folder, *rest):
        (folder / "half").write_text("half")
        raise OSError("no space left on device")

    monkeypatch.setattr(google_format, "write", full)
    with pytest.raises(InputError, match="target could not be written .no space"):
        import_folder(exported, tmp_path / "target")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("convert_folder", ["import", "export"])
def test_full_disk_is_reported_as_a_full_disk(convert_folder, folder, official_folder, tmp_path, capsys, monkeypatch):
    def write(*_, **__):
        raise tensorflow().errors.ResourceExhaustedError(None, None, "{{node SaveV2}} out/x; No space left on device")

    def write_bytes(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(google_format, "write", write)
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    source = folder if convert_folder == "import" else official_folder
    assert cli.checkpoint([convert_folder, str(source), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / 'out'} could not be written (" in error and "{" not in error
    assert "No space left on device): free disk space" in error
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


def test_export_rejects_a_hugging_face_folder(exported, tmp_path):
    with pytest.raises(InputError, match="is a Hugging Face model .config.json., not a checkpoint in Google's format"):
        export_folder(exported, tmp_path / "target")
    assert not list(tmp_path.iterdir())


def test_importing_convert_loads_no_large_package():
    code = "import sys, kbert_tasks.checkpoint.convert; print([m for m in ('tensorflow', 'safetensors', 'h5py') if m in sys.modules])"
    root = str(Path(__file__).parents[2])
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root).stdout == "[]\n"


@pytest.mark.real_data
def test_real_checkpoint_is_exported_and_imported(tmp_path):
    source = SHARED / "checkpoints" / "mini_zh_L-4_H-256_A-4"
    if not source.is_dir():
        pytest.skip(f"{source} is not here; KBERT_SHARED names the folder that has checkpoints/")
    imported = import_folder(export_folder(source, tmp_path / "there"), tmp_path / "back")
    assert_same(read(imported), read(source))
    assert (imported / "vocab.txt").read_bytes() == (source / "vocab.txt").read_bytes()
    config = json.loads((imported / "bert_config.json").read_text())
    assert config.pop("do_lower_case") is True
    assert config == json.loads((source / "bert_config.json").read_text())
