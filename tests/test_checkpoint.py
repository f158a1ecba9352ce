import json

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import official
from kbert_tasks.inspection import examine

from . import tiny


@pytest.fixture
def folder(tmp_path):
    tiny.checkpoint(tmp_path / "uncased_mine")
    return tmp_path / "uncased_mine"


def problem(path, **options):
    with pytest.raises(kb.InputError) as caught:
        kb.Checkpoint.find(path, **options)
    return str(caught.value)


def rewrite(folder, **changes):
    config = json.loads((folder / "bert_config.json").read_text())
    (folder / "bert_config.json").write_text(json.dumps(config | changes))


def test_finds_the_files_here_one_level_down_and_by_prefix(folder, tmp_path):
    here = kb.Checkpoint.find(folder)
    assert here.folder == folder
    assert here.checkpoint_file == str(folder / "bert_model.ckpt")
    assert here.config["num_hidden_layers"] == 2
    assert here.vocabulary == tiny.vocabulary()
    assert kb.Checkpoint.find(tmp_path).folder == folder
    assert kb.Checkpoint.find(folder / "bert_model.ckpt").folder == folder


def test_a_checkpoint_of_another_name_is_found_if_it_is_the_only_one(folder):
    for file in folder.glob("bert_model.ckpt*"):
        file.rename(folder / file.name.replace("bert_model.ckpt", "model.ckpt-1000"))
    assert kb.Checkpoint.find(folder).checkpoint_file.endswith("model.ckpt-1000")
    for file in list(folder.glob("model.ckpt-1000*")):
        (folder / file.name.replace("1000", "2000")).write_bytes(file.read_bytes())
    assert "several checkpoints" in problem(folder)
    assert kb.Checkpoint.find(folder / "model.ckpt-2000").checkpoint_file.endswith("2000")


@pytest.mark.parametrize("name", ["vocab.txt", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"])
def test_names_the_missing_file(folder, name):
    (folder / name).unlink()
    assert f"lacks {name}; found: bert_config.json" in problem(folder)


def test_a_folder_without_config(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert "has no bert_config.json (nor a folder in it); found: notes.txt" in problem(tmp_path)


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.0])
def test_truncated_weights_are_told(folder, keep):
    data = folder / "bert_model.ckpt.data-00000-of-00001"
    raw = data.read_bytes()
    data.write_bytes(raw[: int(keep * len(raw))])
    assert "cut short or damaged" in problem(folder)


def test_a_flipped_byte_is_told(folder):
    data = folder / "bert_model.ckpt.data-00000-of-00001"
    raw = bytearray(data.read_bytes())
    raw[len(raw) // 2] ^= 1
    data.write_bytes(raw)
    assert "cut short or damaged" in problem(folder)


def test_a_damaged_index_is_told(folder):
    (folder / "bert_model.ckpt.index").write_bytes(b"not an index at all" * 10)
    assert "bert_model.ckpt.index is damaged" in problem(folder)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"num_hidden_layers": 3}, "has no bert/encoder/layer_2"),
        ({"num_hidden_layers": 1}, "has 2 layers, bert_config.json promises 1"),
        ({"intermediate_size": 64}, "has shape (16, 32), bert_config.json promises (16, 64)"),
        ({"max_position_embeddings": 512}, "position_embeddings has shape (64, 16)"),
        ({"type_vocab_size": 1}, "token_type_embeddings has shape (2, 16)"),
        ({"num_attention_heads": 3}, "does not divide into 3 attention heads"),
        ({"hidden_size": "16"}, "hidden_size should be a whole number above 0, found '16'"),
        ({"hidden_act": "swish9"}, "hidden_act is 'swish9'"),
        ({"hidden_dropout_prob": 1.5}, "hidden_dropout_prob should be at least 0 and below 1, found 1.5"),
        ({"vocab_size": 21128}, "bert_config.json says vocab_size 21128"),
    ],
)
def test_config_and_weights_that_disagree(folder, changes, words):
    rewrite(folder, **changes)
    assert words in problem(folder)


def test_a_config_that_is_not_json(folder):
    (folder / "bert_config.json").write_text("{")
    assert "bert_config.json is not JSON" in problem(folder)
    (folder / "bert_config.json").write_text("[1]")
    assert "holds a list" in problem(folder)


def test_what_a_config_may_leave_out(folder):
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
    found = kb.Checkpoint.find(folder)
    for encoder, layer in (("fast", "Norm"), ("keras-bert", "Dropout")):
        model = kb.load_trained_model_from_checkpoint(found.config_file, found.checkpoint_file, encoder=encoder)
        assert model.get_layer(f"Encoder-1-FeedForward-{layer}").rate == 0.1


def test_casing_and_how_it_is_known(folder, tmp_path):
    def casing(path, **options):
        found = kb.Checkpoint.find(path, **options)
        return found.cased, found.casing

    assert casing(folder) == (False, "from the name uncased_mine")
    assert casing(folder, cased=True) == (True, "as asked")
    plain = folder.rename(tmp_path / "mine")
    assert casing(plain) == (False, "its vocabulary has no capital letters")
    rewrite(plain, do_lower_case=False)
    assert casing(plain) == (True, "from do_lower_case in bert_config.json")
    (plain / "kbert_source.json").write_text('{"cased": false}')
    assert casing(plain) == (False, "from kbert_source.json")
    (plain / "kbert_source.json").write_text("{")
    assert "kbert_source.json is damaged" in problem(plain)


def test_capital_letters_in_the_vocabulary_say_cased(tmp_path):
    tokens = [*tiny.vocabulary(), "London", "##Paris", "Rome"]
    found = kb.Checkpoint.find(tiny.checkpoint(tmp_path / "mine", tokens=tokens))
    assert (found.cased, found.casing) == (True, "its vocabulary has 3 tokens with capital letters")


def test_every_check_is_told_and_what_could_not_be_checked(folder):
    assert [f.problem for f in examine(folder)] == [None] * 6
    (folder / "bert_config.json").write_text("{")
    findings = {f.check: f for f in examine(folder)}
    assert "not JSON" in findings["config"].problem
    assert findings["vocabulary"].problem is None
    assert findings["tensors"].problem == "not checked, for want of the config"


def test_tensors_leave_out_the_optimizers(folder):
    config = tiny.config()
    tensors = tiny.tensors(config)
    slots = {f"{name}/{slot}": a for name, a in tensors.items() for slot in ("adam_m", "adam_v")}
    official.write(folder, config, tiny.vocabulary(), tensors | slots)
    found = kb.Checkpoint.find(folder).tensors()
    assert found.keys() == tensors.keys()
    assert all(np.array_equal(found[name], tensors[name]) for name in tensors)
