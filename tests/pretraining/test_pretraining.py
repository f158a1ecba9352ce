"""The folder that pretraining writes: its contents, who can read it, and which arguments are rejected."""

import json

import numpy as np
import pandas as pd
import pytest

from kbert_tasks import cli
from kbert_tasks._keras import tensorflow
from kbert_tasks.checkpoint import convert, google_format
from kbert_tasks.checkpoint.checkpoint import Checkpoint
from kbert_tasks.encoder.loading import load_trained_model_from_checkpoint
from kbert_tasks.errors import InputError
from kbert_tasks.pretraining import model, training, writing

from .. import tiny
from . import small
from .small import QUICK, files


def test_folder_contains_the_files_of_its_layout(finished_run):
    folder, report = finished_run
    assert {path.name for path in folder.iterdir()} == writing.LAYOUT.keys() - {"data", "progress"}
    saved_report = json.loads((folder / "pretraining.json").read_text(encoding="utf-8"))
    assert saved_report | {"history": report["history"]} == report
    assert (
        saved_report["step"] == 25
        and saved_report["settings"]["warmup_steps"] == 2
        and saved_report["settings"]["steps"] == 25
    )
    assert saved_report["corpus"]["documents"] == 60 and saved_report["config"]["vocab_size"] == len(tiny.vocabulary())


def test_log_contains_losses_and_accuracies_of_each_interval(finished_run):
    folder, report = finished_run
    log = pd.read_csv(folder / "log.csv")
    assert log["step"].tolist() == [0, 10, 20, 25]
    assert log["tokens"].is_monotonic_increasing and log["tokens"].iloc[-1] == report["tokens"]
    for part in ("", "held_out_"):
        for name in ("loss", "mlm_loss", "nsp_loss", "mlm_accuracy", "nsp_accuracy"):
            assert log[part + name].iloc[1:].notna().all(), part + name
    assert log["held_out_mlm_loss"].iloc[0] == pytest.approx(np.log(len(tiny.vocabulary())), rel=0.02)
    assert log["held_out_mlm_loss"].iloc[-1] < log["held_out_mlm_loss"].iloc[0] - 0.1


def test_all_loaders_read_the_same_model(finished_run, capsys):
    folder, _ = finished_run
    prefix = str(folder / google_format.PREFIX)
    checkpoint = Checkpoint.open(folder)
    assert checkpoint.cased is False and checkpoint.casing == "from do_lower_case in bert_config.json"
    arrays = checkpoint.tensors()
    assert arrays.keys() == google_format.variables(checkpoint.config, heads=True).keys()
    for name, array in arrays.items():
        assert np.array_equal(tensorflow().train.load_variable(prefix, name), array)

    ours = model.build(checkpoint.config)
    assert model.fill(ours, checkpoint.config, arrays) == []
    tokens = np.random.default_rng(0).integers(1, 90, (2, 12)).astype("int32")
    segments, positions = np.zeros_like(tokens), np.tile(np.arange(12, dtype="int32"), (2, 1))
    theirs = load_trained_model_from_checkpoint(checkpoint.config_file, prefix, training=True)
    words, following = theirs([tokens, segments, np.ones_like(tokens)], training=False)
    found = ours({"Input-Token": tokens, "Input-Segment": segments, "Masked-Position": positions}, training=False)
    np.testing.assert_allclose(tensorflow().nn.softmax(found["MLM"]), words, atol=1e-5)
    np.testing.assert_allclose(tensorflow().nn.softmax(found["NSP"]), following, atol=1e-5)
    encoders = [
        load_trained_model_from_checkpoint(checkpoint.config_file, prefix, encoder=e) for e in ("fast", "keras-bert")
    ]
    one, other = (each([tokens, segments], training=False) for each in encoders)
    np.testing.assert_allclose(one, other, atol=1e-5)

    assert cli.checkpoint(["inspect", str(folder)]) == 0
    assert "also: pooler, masked-word head, next-sentence head" in capsys.readouterr().out


def test_reading_and_writing_again_is_bit_equal(finished_run, tmp_path):
    folder, _ = finished_run
    checkpoint = Checkpoint.open(folder)
    google_format.write(tmp_path / "plain", checkpoint.config, checkpoint.vocabulary, checkpoint.tensors())
    ours = model.build(checkpoint.config)
    model.fill(ours, checkpoint.config, checkpoint.tensors())
    google_format.write(
        tmp_path / "model", checkpoint.config, checkpoint.vocabulary, model.tensors(ours, checkpoint.config)
    )
    for copy in ("plain", "model"):
        for name in ("bert_config.json", "vocab.txt", "checkpoint"):
            assert (tmp_path / copy / name).read_bytes() == (folder / name).read_bytes()
        assert files(tmp_path / copy) == files(folder)


def test_export_to_hugging_face_and_import_keep_both_heads(finished_run, tmp_path):
    folder, _ = finished_run
    assert cli.checkpoint(["export", str(folder), str(tmp_path / "theirs")]) == 0
    from safetensors.numpy import load_file

    names = load_file(tmp_path / "theirs" / "model.safetensors").keys()
    assert {"cls.predictions.bias", "cls.predictions.transform.dense.weight", "cls.seq_relationship.weight"} <= names
    assert json.loads((tmp_path / "theirs" / "config.json").read_text())["architectures"] == ["BertForPreTraining"]
    convert.import_folder(tmp_path / "theirs", tmp_path / "back")
    before, after = Checkpoint.open(folder), Checkpoint.open(tmp_path / "back")
    assert after.config == before.config and after.vocabulary == before.vocabulary and after.cased == before.cased
    assert all(np.array_equal(array, after.tensors()[name]) for name, array in before.tensors().items())
    assert files(tmp_path / "back") == files(folder)


def test_dropout_setting_does_not_change_the_saved_config(corpus, config, tmp_path, monkeypatch):
    built = []
    build = model.build
    monkeypatch.setattr(model, "build", lambda config: built.append(config) or build(config))
    training.train(corpus, tmp_path / "new", config, **QUICK | {"steps": 1, "dropout": 0.0})
    written = Checkpoint.open(tmp_path / "new").config
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        assert built[0][name] == 0 and written[name] == 0.1


def test_loss_that_is_not_finite_is_reported_in_one_sentence(corpus, config, tmp_path, monkeypatch):
    tf = tensorflow()
    losses_with_nan = {
        "MLM": lambda gold, logits: tf.reduce_mean(logits) * np.nan,
        "NSP": training.losses.next_sentence,
    }
    monkeypatch.setattr(training.losses, "losses", lambda: losses_with_nan)
    expected = "the loss of step 1 is not finite: learning_rate 0.001 is too high"
    with pytest.raises(InputError, match=expected) as error:
        training.train(corpus, tmp_path / "run", config, **QUICK)
    assert "\n" not in str(error.value)


def test_weights_that_are_not_finite_do_not_replace_the_last_save(corpus, config, tmp_path, monkeypatch):
    original = training.Saves.on_train_batch_end

    def make_weights_infinite(self, batch, logs=None):
        original(self, batch, logs)
        if self.step + batch + 1 == 20:  # like an infinite gradient, after the loss was computed
            weight = self.network.trainable_weights[0]
            weight.assign(weight * np.inf)

    monkeypatch.setattr(training.Saves, "on_train_batch_end", make_weights_infinite)
    expected = "the weights after step 20 are not finite: learning_rate 0.001 is too high"
    with pytest.raises(InputError, match=expected):
        training.train(corpus, tmp_path / "run", config, **QUICK)
    assert [path.name for path in (tmp_path / "run" / "progress").iterdir()] == ["step-000000010"]
    assert all(np.isfinite(array).all() for array in Checkpoint.open(tmp_path / "run").tensors().values())


def test_other_files_are_not_changed(finished_run, corpus, config, tmp_path):
    folder, _ = finished_run
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")
    (tmp_path / "file").write_text("precious")
    for place, message in (
        (tmp_path / "thesis", "contains other files .chapter.txt. and is not replaced"),
        (tmp_path / "file", "is a file: choose a folder"),
        (tmp_path / "file" / "below", "is not a writable folder"),
        (folder, "contains a finished checkpoint, which is not replaced"),
    ):
        with pytest.raises(InputError, match=message):
            training.train(corpus, place, config, **QUICK)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "precious"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"config": None}, "give either a config .tiny"),
        ({"checkpoint": "x"}, "not both"),
        ({"max_length": 65}, "at most the model's 64 positions, not 65"),
        ({"warmup_steps": 26}, "at most the 25 steps"),
        ({"step": 3}, "unknown setting 'step'; did you mean 'steps'"),
        ({"batch_size": 0}, "batch_size should be at least 1"),
    ],
)
def test_bad_arguments_are_reported_before_anything_is_written(corpus, config, tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        training.train(corpus, tmp_path / "run", **{"config": config} | QUICK | arguments)
    assert not (tmp_path / "run").exists()


def test_without_held_out_text_only_the_training_loss_is_logged(config, tmp_path):
    from kbert_tasks.pretraining.preparing import prepare

    whole = prepare([small.text(tmp_path)], tmp_path / "data", tiny.vocabulary(), False, held_out=0)
    report = training.train(whole, tmp_path / "run", config, **QUICK | {"steps": 3})
    assert [row["step"] for row in report["history"]] == [0, 3]
    assert "loss" in report["history"][-1] and not [name for name in report["history"][-1] if "held_out" in name]
