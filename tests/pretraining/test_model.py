"""The pretraining model: it computes what keras-bert computes, and uses Google's names."""

import numpy as np
import pytest

from kbert_tasks._keras import import_keras_bert, keras2, tensorflow
from kbert_tasks.checkpoint import google_format
from kbert_tasks.checkpoint.checkpoint import Checkpoint
from kbert_tasks.encoder import precision
from kbert_tasks.encoder.loading import load_trained_model_from_checkpoint
from kbert_tasks.errors import InputError
from kbert_tasks.pretraining import losses, model
from kbert_tasks.training.optimizers import AdamW

from .. import tiny

tf, keras = tensorflow(), keras2()


def batch(seed=0, size=3, time=20, masked=4):
    draw = np.random.default_rng(seed)
    tokens = draw.integers(1, len(tiny.vocabulary()), (size, time)).astype("int32")
    tokens[1, 12:] = 0
    segments = np.repeat([[0] * 9 + [1] * (time - 9)], size, 0).astype("int32")
    positions = np.sort(draw.permuted(np.tile(np.arange(1, 11), (size, 1)), axis=1)[:, :masked]).astype("int32")
    gold = draw.integers(5, len(tiny.vocabulary()), (size, masked)).astype("int32")
    gold[2, 2:], positions[2, 2:] = -1, 0
    x = {"Input-Token": tokens, "Input-Segment": segments, "Masked-Position": positions}
    return x, {"MLM": gold, "NSP": draw.integers(0, 2, (size, 1)).astype("int32")}


@pytest.fixture(scope="module")
def loaded(two_layers):
    """(the Checkpoint, our model with its weights)."""
    found = Checkpoint.open(two_layers)
    network = model.build(found.config)
    assert model.fill(network, found.config, found.tensors()) == []
    return found, network


def outputs_of_keras_bert(checkpoint, x):
    """Returns the probabilities of keras-bert's training graph: words (batch, masked, vocabulary), next (batch, 2)."""
    theirs = load_trained_model_from_checkpoint(checkpoint.config_file, checkpoint.checkpoint_file, training=True)
    words, following = theirs([x["Input-Token"], x["Input-Segment"], np.ones_like(x["Input-Token"])], training=False)
    return np.take_along_axis(words.numpy(), x["Masked-Position"][:, :, None], 1), following.numpy()


def test_outputs_equal_those_of_keras_bert(loaded):
    checkpoint, ours = loaded
    x, _ = batch()
    words, following = outputs_of_keras_bert(checkpoint, x)
    found = ours(x, training=False)
    assert found["MLM"].shape == (3, 4, len(tiny.vocabulary())) and found["NSP"].shape == (3, 2)
    assert words.max() > 0.05  # the probabilities are not uniform
    np.testing.assert_allclose(tf.nn.softmax(found["MLM"]), words, atol=1e-5)
    np.testing.assert_allclose(tf.nn.softmax(found["NSP"]), following, atol=1e-5)
    np.testing.assert_allclose(tf.nn.log_softmax(found["MLM"]), np.log(words), atol=1e-4)


def test_keras_bert_loader_loads_the_same_weights(loaded):
    checkpoint, ours = loaded
    other = model.build(checkpoint.config)
    load = import_keras_bert().load_model_weights_from_checkpoint
    load(other, checkpoint.config, checkpoint.checkpoint_file, training=True)
    for our_weights, their_weights in zip(ours.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(our_weights, their_weights)


def test_every_weight_is_exported_under_googles_name(loaded):
    checkpoint, ours = loaded
    found = model.tensors(ours, checkpoint.config)
    assert {name: array.shape for name, array in found.items()} == google_format.variables(
        checkpoint.config, heads=True
    )
    for name, array in checkpoint.tensors().items():
        assert np.array_equal(found[name], array), name
    # The numbers are equal, so no weight is missing from the export.
    assert len(found) == len(ours.trainable_weights)


def test_missing_weights_are_reported_and_their_layer_is_unchanged(loaded):
    checkpoint, _ = loaded
    ours = model.build(checkpoint.config)
    before = ours.get_layer("MLM-Dense").get_weights()[0]
    arrays = {n: a for n, a in checkpoint.tensors().items() if n != "cls/predictions/transform/dense/bias"}
    assert model.fill(ours, checkpoint.config, arrays) == ["cls/predictions/transform/dense/bias"]
    assert np.array_equal(before, ours.get_layer("MLM-Dense").get_weights()[0])


def test_initial_weights_are_googles_except_for_positions():
    config = tiny.config(hidden_size=64, vocab_size=500)
    arrays = model.drawn(config, 3)
    assert {name: array.shape for name, array in arrays.items()} == google_format.variables(config, heads=True)
    table = arrays["bert/embeddings/word_embeddings"]
    assert np.abs(table).max() <= 0.04 and table.std() == pytest.approx(
        0.0176, rel=0.02
    )  # truncated at two standard deviations
    for name, array in arrays.items():
        if array.ndim == 1:
            assert (array == name.endswith("gamma")).all(), name
    repeated, other = model.drawn(config, 3), model.drawn(config, 4)
    assert all(np.array_equal(repeated[name], arrays[name]) for name in arrays)
    assert not np.array_equal(other["bert/embeddings/word_embeddings"], table)
    # Sines and cosines: the similarity of two positions depends only on their distance.
    positions = arrays["bert/embeddings/position_embeddings"]
    similarity = positions @ positions.T
    assert positions.std() == pytest.approx(0.02, rel=0.3)
    for distance in range(4):
        np.testing.assert_allclose(np.diagonal(similarity, distance), similarity[0, distance], rtol=1e-4)
    assert similarity[0, 0] > similarity[0, 1] > similarity[0, 2]


def test_gradient_of_the_loss_equals_tensorflows(loaded):
    checkpoint, ours = loaded
    x, y = batch()

    def plain(gold, logits):
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(gold, 0), logits)
        counted = tf.cast(gold >= 0, tf.float32)
        return tf.reduce_sum(each * counted) / tf.reduce_sum(counted)

    found = []
    for loss in (plain, losses.masked_words):
        with tf.GradientTape() as tape:
            logits = ours(x, training=False)["MLM"]
            value = loss(tf.constant(y["MLM"]), logits)
        found.append([value, *tape.gradient(value, ours.trainable_weights, unconnected_gradients="zero")])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_padding_of_masked_positions_does_not_count(loaded):
    _, ours = loaded
    x, y = batch()
    wide = {"MLM": np.pad(y["MLM"], ((0, 0), (0, 3)), constant_values=-1), "NSP": y["NSP"]}
    ours.compile(AdamW(), losses.losses(), losses.metrics())
    found = ours.evaluate(x, y, return_dict=True, verbose=0)
    wider = x | {"Masked-Position": np.pad(x["Masked-Position"], ((0, 0), (0, 3)))}
    assert ours.evaluate(wider, wide, return_dict=True, verbose=0) == pytest.approx(found, rel=1e-5)
    assert found["loss"] == pytest.approx(found["MLM_loss"] + found["NSP_loss"])
    logits = ours(x)["MLM"].numpy()
    right = (logits.argmax(-1) == y["MLM"])[y["MLM"] >= 0]
    assert found["MLM_accuracy"] == pytest.approx(right.mean())


def test_loss_of_a_very_small_probability_is_finite():
    logits = tf.constant([[[0.0, 500.0, -300.0]]])
    assert float(losses.masked_words(tf.constant([[2]]), logits)) == pytest.approx(800)
    assert np.isnan(losses.masked_words(tf.constant([[0]]), logits * np.nan))


@pytest.mark.parametrize("computed_in", ["bfloat16", "float16"])
def test_16_bit_outputs_are_close_and_the_model_learns(loaded, computed_in):
    checkpoint, exact = loaded
    x, y = batch()
    with precision.computing(computed_in):
        ours = model.build(checkpoint.config | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
    model.fill(ours, checkpoint.config, checkpoint.tensors())
    found, expected = ours(x, training=False), exact(x, training=False)
    for name in ("MLM", "NSP"):
        assert found[name].dtype == tf.float32
        np.testing.assert_allclose(found[name], expected[name], atol=0.3)
    ours.compile(precision.scaled(AdamW(3e-3, global_clipnorm=1.0), computed_in), losses.losses(), losses.metrics())
    losses_ = [ours.train_on_batch(x, y, return_dict=True)["loss"] for _ in range(12)]
    assert np.isfinite(losses_).all() and losses_[-1] < losses_[0] - 0.5
    assert all(weight.dtype == np.float32 for weight in ours.trainable_weights)
    assert int(ours.tokens) == 12 * np.count_nonzero(x["Input-Token"])


@pytest.mark.parametrize("name", model.CONFIGS)
def test_config_names_have_the_sizes_of_googles_miniatures(name):
    layers, hidden = model.CONFIGS[name]
    config = model.configured(name, 5000, cased=True)
    assert config["num_hidden_layers"] == layers and config["hidden_size"] == hidden
    assert config["num_attention_heads"] * 64 == hidden and config["intermediate_size"] == 4 * hidden
    assert config["vocab_size"] == 5000 and config["do_lower_case"] is False


def test_config_from_a_file(tmp_path):
    with pytest.raises(InputError, match="one of tiny, mini, small, medium, base, or the path of a bert_config.json"):
        model.configured("huge", 100, False)
    file = tmp_path / "bert_config.json"
    file.write_text("{}")
    with pytest.raises(InputError, match="hidden_size should be a whole number"):
        model.configured(file, 100, False)
    file.write_text('{"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 9, '
                    '"max_position_embeddings": 20, "vocab_size": 7}')  # fmt: skip
    assert model.configured(file, 100, False)["vocab_size"] == 100
