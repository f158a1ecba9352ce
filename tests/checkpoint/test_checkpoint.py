import json

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks._keras import tensorflow
from kbert_tasks.checkpoint import google_format
from kbert_tasks.checkpoint.validate import examine

from .. import object_based, tiny


@pytest.fixture
def folder(tmp_path):
    tiny.checkpoint(tmp_path / "uncased_mine")
    return tmp_path / "uncased_mine"


def problem(path, **options):
    with pytest.raises(kb.InputError) as caught:
        kb.Checkpoint.open(path, **options)
    return str(caught.value)


def rewrite(folder, **changes):
    config = json.loads((folder / "bert_config.json").read_text())
    (folder / "bert_config.json").write_text(json.dumps(config | changes))


def test_files_are_found_in_the_folder_in_a_subfolder_and_by_prefix(folder, tmp_path):
    here = kb.Checkpoint.open(folder)
    assert here.folder == folder
    assert here.checkpoint_file == str(folder / "bert_model.ckpt")
    assert here.config["num_hidden_layers"] == 2
    assert here.vocabulary == tiny.vocabulary()
    assert kb.Checkpoint.open(tmp_path).folder == folder
    assert kb.Checkpoint.open(folder / "bert_model.ckpt").folder == folder


def test_checkpoint_with_another_prefix_is_found_if_it_is_the_only_one(folder):
    for file in folder.glob("bert_model.ckpt*"):
        file.rename(folder / file.name.replace("bert_model.ckpt", "model.ckpt-1000"))
    assert kb.Checkpoint.open(folder).checkpoint_file.endswith("model.ckpt-1000")
    for file in list(folder.glob("model.ckpt-1000*")):
        (folder / file.name.replace("1000", "2000")).write_bytes(file.read_bytes())
    assert "several checkpoints" in problem(folder)
    assert kb.Checkpoint.open(folder / "model.ckpt-2000").checkpoint_file.endswith("2000")


@pytest.mark.parametrize("name", ["vocab.txt", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"])
def test_error_names_the_missing_file(folder, name):
    (folder / name).unlink()
    assert f"lacks {name}; found: bert_config.json" in problem(folder)


def test_folder_without_config_is_rejected(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert "has no bert_config.json (nor has a subfolder); found: notes.txt" in problem(tmp_path)


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.0])
def test_truncated_weights_are_reported(folder, keep):
    data = folder / "bert_model.ckpt.data-00000-of-00001"
    raw = data.read_bytes()
    data.write_bytes(raw[: int(keep * len(raw))])
    assert "incomplete or damaged" in problem(folder)


def test_changed_byte_is_reported(folder):
    data = folder / "bert_model.ckpt.data-00000-of-00001"
    raw = bytearray(data.read_bytes())
    raw[len(raw) // 2] ^= 1
    data.write_bytes(raw)
    assert "incomplete or damaged" in problem(folder)


def test_damaged_index_is_reported(folder):
    (folder / "bert_model.ckpt.index").write_bytes(b"not an index at all" * 10)
    assert "bert_model.ckpt.index is damaged" in problem(folder)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_hidden_layers": 3}, "has no bert/encoder/layer_2"),
        ({"num_hidden_layers": 1}, "has 2 layers, bert_config.json requires 1"),
        ({"intermediate_size": 64}, "has shape (16, 32), bert_config.json requires (16, 64)"),
        ({"max_position_embeddings": 512}, "position_embeddings has shape (64, 16)"),
        ({"type_vocab_size": 1}, "token_type_embeddings has shape (2, 16)"),
        ({"num_attention_heads": 3}, "is not a multiple of num_attention_heads, 3"),
        ({"hidden_size": "16"}, "hidden_size should be a whole number above 0, found '16'"),
        ({"hidden_act": "swish9"}, "hidden_act should be one of"),
        ({"hidden_dropout_prob": 1.5}, "hidden_dropout_prob should be at least 0 and below 1, found 1.5"),
        ({"vocab_size": 21128}, "bert_config.json has vocab_size 21128"),
    ],
)
def test_config_that_does_not_match_the_weights_is_rejected(folder, changes, message):
    rewrite(folder, **changes)
    assert message in problem(folder)


def test_config_that_is_not_json_is_rejected(folder):
    (folder / "bert_config.json").write_text("{")
    assert "bert_config.json is not JSON" in problem(folder)
    (folder / "bert_config.json").write_text("[1]")
    assert "found a list" in problem(folder)


def test_optional_config_keys_may_be_missing(folder):
    config = json.loads((folder / "bert_config.json").read_text())
    for key in (
        "hidden_act",
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "initializer_range",
        "type_vocab_size",
    ):
        del config[key]
    (folder / "bert_config.json").write_text(json.dumps(config), encoding="utf-8-sig")
    found = kb.Checkpoint.open(folder)
    for encoder, layer in (("fast", "Norm"), ("keras-bert", "Dropout")):
        model = kb.load_trained_model_from_checkpoint(found.config_file, found.checkpoint_file, encoder=encoder)
        assert model.get_layer(f"Encoder-1-FeedForward-{layer}").rate == 0.1


def test_casing_and_its_source_are_reported(folder, tmp_path):
    def casing(path, **options):
        found = kb.Checkpoint.open(path, **options)
        return found.cased, found.casing

    assert casing(folder) == (False, "from the name uncased_mine")
    assert casing(folder, cased=True) == (True, "as requested")
    plain = folder.rename(tmp_path / "mine")
    assert casing(plain) == (False, "its vocabulary has no capital letters")
    rewrite(plain, do_lower_case=False)
    assert casing(plain) == (True, "from do_lower_case in bert_config.json")
    (plain / "kbert_source.json").write_text('{"cased": false}')
    assert casing(plain) == (False, "from kbert_source.json")
    (plain / "kbert_source.json").write_text("{")
    assert "kbert_source.json is damaged" in problem(plain)


def test_vocabulary_with_capital_letters_is_cased(tmp_path):
    tokens = [*tiny.vocabulary(), "London", "##Paris", "Rome"]
    found = kb.Checkpoint.open(tiny.checkpoint(tmp_path / "mine", tokens=tokens))
    assert (found.cased, found.casing) == (True, "its vocabulary has 3 tokens with capital letters")


def test_examine_reports_every_check_including_skipped_ones(folder):
    assert [f.problem for f in examine(folder)] == [None] * 6
    (folder / "bert_config.json").write_text("{")
    findings = {f.check: f for f in examine(folder)}
    assert "not JSON" in findings["config"].problem
    assert findings["vocabulary"].problem is None
    assert findings["tensors"].problem == "not checked, because the config is missing"


def test_tensors_exclude_optimizer_slots(folder):
    config = tiny.config()
    tensors = tiny.tensors(config)
    slots = {f"{name}/{slot}": a for name, a in tensors.items() for slot in ("adam_m", "adam_v")}
    google_format.write(folder, config, tiny.vocabulary(), tensors | slots)
    found = kb.Checkpoint.open(folder).tensors()
    assert found.keys() == tensors.keys()
    assert all(np.array_equal(found[name], tensors[name]) for name in tensors)


# Tensors that are not numeric, and object-based checkpoints ----------------------------------------------------------------


def test_string_tensor_is_skipped(folder):
    """tf.train.Checkpoint writes a string tensor into each file; here the other tensors have Google's names."""
    tf, config = tensorflow(), tiny.config()
    tensors = tiny.tensors(config)
    arrays = [*tensors.values(), b"\x08\x01", np.array([b"a", b"b"])]
    names = [*tensors, "_CHECKPOINTABLE_OBJECT_GRAPH", "bert/notes"]
    tf.raw_ops.SaveV2(
        prefix=str(folder / "bert_model.ckpt"), tensor_names=names, shape_and_slices=[""] * len(names), tensors=arrays
    )
    findings = {finding.check: finding for finding in examine(folder)}
    assert [finding.problem for finding in findings.values()] == [None] * 6
    assert findings["data"].result.endswith("all values finite; 2 not numeric, skipped")
    found = kb.Checkpoint.open(folder).tensors()
    assert found.keys() == tensors.keys()


GARDEN = {
    "functional": {"functional": True, "top": "model"},
    "layer": {"functional": False, "top": "encoder"},
    "classifier": {"functional": True, "top": "model/layer_with_weights-0"},
    "first release": {"functional": True, "top": "model", "attention_output": "_attention_output_dense"},
}


@pytest.mark.parametrize("layout", GARDEN)
def test_model_garden_checkpoint_has_the_same_weights(tmp_path, layout):
    config = tiny.config()
    tensors = tiny.tensors(config)
    paths = object_based.places(config, tensors, **GARDEN[layout])
    object_based.write(tmp_path / "uncased", config, tiny.vocabulary(), tensors, paths)
    found = kb.Checkpoint.open(tmp_path / "uncased")
    assert found.tensors().keys() == {name for name in tensors if not name.startswith("cls/seq_relationship/")}
    assert all(np.array_equal(array, tensors[name]) for name, array in found.tensors().items())
    assert np.array_equal(found.pooler()[0], tensors["bert/pooler/dense/kernel"])


@pytest.mark.parametrize("encoder", ["fast", "keras-bert"])
def test_encoder_loads_an_object_based_checkpoint(tmp_path, encoder):
    config = tiny.config()
    tensors = tiny.tensors(config)
    paths = object_based.places(config, tensors, functional=False, top="encoder")
    # A pretrainer shares the embedding table with its head, and the shortest path to the table is through the head.
    paths["bert/embeddings/word_embeddings"] = "masked_lm/embedding_table"
    folders = tmp_path / "garden", tmp_path / "google"
    object_based.write(folders[0], config, tiny.vocabulary(), tensors, paths)
    google_format.write(folders[1], config, tiny.vocabulary(), tensors)
    garden, google = (
        kb.load_trained_model_from_checkpoint(
            folder / "bert_config.json", folder / "bert_model.ckpt", encoder=encoder
        ).get_weights()
        for folder in folders
    )
    assert all(np.array_equal(one, other) for one, other in zip(garden, google, strict=True))


def test_object_based_checkpoint_of_another_model_is_rejected(tmp_path, capsys):
    config = tiny.config()
    tensors = tiny.tensors(config)
    folder = tmp_path / "uncased"
    object_based.write(
        folder, config, tiny.vocabulary(), tensors, {"bert/embeddings/word_embeddings": "net/table/weights"}
    )
    sentence = "is an object-based TensorFlow 2 checkpoint in which bert/embeddings/word_embeddings is not found"
    assert sentence in problem(folder)
    assert "; found: net/table/weights/.ATTRIBUTES/VARIABLE_VALUE: use a checkpoint" in problem(folder)
    assert cli.checkpoint(["inspect", str(folder)]) == 2
    assert sentence in capsys.readouterr().out


def test_checkpoint_with_two_encoders_is_rejected(tmp_path):
    config = tiny.config()
    tensors = tiny.tensors(config)
    paths = object_based.places(config, tensors, functional=False, top="encoder")
    second = {f"{name} again": path.replace("encoder/", "other/") for name, path in paths.items() if "encoder/" in path}
    both = tensors | {f"{name} again": array for name, array in tensors.items()}
    object_based.write(tmp_path / "uncased", config, tiny.vocabulary(), both, paths | second)
    assert "object-based TensorFlow 2 checkpoint" in problem(tmp_path / "uncased")
