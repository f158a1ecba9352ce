"""The encoder, compared with keras-bert and with a plain NumPy implementation."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import samples
from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.inference.predict import inputs

from .. import numpy_bert, tiny
from ..conftest import SHARED

ROOT = Path(__file__).parents[2]


def load(folder, **options):
    return kb.load_trained_model_from_checkpoint(
        Path(folder) / "bert_config.json", Path(folder) / "bert_model.ckpt", **options
    )


def ids_of(config, shape=(3, 20), seed=0):
    draw = np.random.default_rng(seed)
    ids = draw.integers(1, config["vocab_size"], shape).astype("int32")
    ids[1, 12:] = ids[2, 3:] = 0
    segments = (np.arange(shape[1]) > 8).astype("int32") * np.ones(shape, "int32")
    return ids, segments


def largest_difference(folder, encoder, **batch):
    found = kb.Checkpoint.open(folder)
    ids, segments = ids_of(found.config, **batch)
    wanted = numpy_bert.forward(found.tensors(), found.config, ids, segments)
    output = load(folder, encoder=encoder).predict_on_batch([ids, segments])
    return np.abs(output - wanted)[ids != 0].max()


@pytest.mark.parametrize("encoder", ["fast", "keras-bert"])
def test_outputs_equal_a_plain_numpy_forward_pass(checkpoint, encoder):
    assert largest_difference(checkpoint, encoder) < 1e-5


@pytest.mark.parametrize("encoder", ["fast", "keras-bert"])
@pytest.mark.parametrize(
    "folder",
    [
        ROOT / "checkpoints/tiny-zh",
        pytest.param(SHARED / "checkpoints/mini_zh_L-4_H-256_A-4", marks=pytest.mark.real_data),
    ],
    ids=lambda folder: folder.name,
)
def test_outputs_equal_on_real_weights_and_text(folder, encoder):
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    found = kb.Checkpoint.open(folder)
    tokenizer = kb.Tokenizer(found.vocabulary, found.cased)
    texts = kb.read(samples.path("classify", "zh", "test"))["text"].head(12)
    x = inputs([tokenizer.encode(text) for text in texts])
    ids, segments = x["Input-Token"], x["Input-Segment"]
    wanted = numpy_bert.forward(found.tensors(), found.config, ids, segments)
    output = load(folder, encoder=encoder).predict_on_batch([ids, segments])
    assert np.abs(output - wanted)[ids != 0].max() < 1e-4


@pytest.mark.parametrize("encoder", ["fast", "keras-bert"])
def test_every_weight_is_trainable_and_the_count_is_logged(checkpoint, encoder, caplog):
    with caplog.at_level(logging.INFO, "kbert_tasks"):
        model = load(checkpoint, encoder=encoder)
    weights = [name for name in kb.Checkpoint.open(checkpoint).tensors() if name.startswith("bert/")]
    assert len(model.trainable_weights) == len(weights) - 2  # all except those of the pooler
    assert not model.non_trainable_weights
    assert (
        f"{sum(int(np.prod(w.shape)) for w in model.weights):,} trainable weights in {len(weights) - 2} arrays"
        in caplog.text
    )
    assert not load(checkpoint, encoder=encoder, trainable=False).trainable_weights


@pytest.mark.parametrize("hidden, attention", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.4), (0.2, 0.1)])
def test_dropout_rates_of_the_config_are_used(tmp_path, hidden, attention):
    folder = tiny.checkpoint(
        tmp_path / "uncased", hidden_dropout_prob=hidden, attention_probs_dropout_prob=attention, num_hidden_layers=1
    )
    model = load(folder)
    ids, segments = ids_of(tiny.config())
    without_dropout, with_dropout = (model([ids, segments], training=t).numpy() for t in (False, True))
    assert np.allclose(without_dropout, with_dropout, atol=1e-6) == (hidden == attention == 0)
    rates = {layer.rate for layer in model.layers if layer.name.endswith("Dropout")}
    assert rates == {hidden}
    assert model.get_layer("Encoder-1-MultiHeadSelfAttention").dropout_rate == attention
    keras_bert = load(folder, encoder="keras-bert")
    assert {layer.rate for layer in keras_bert.layers if layer.name.endswith("Dropout")} == (
        {hidden} if hidden else set()
    )


def test_attention_dropout_drops_the_given_share():
    from kbert_tasks.encoder.layers import SelfAttention

    attention, x = SelfAttention(2, 0.5), np.ones((64, 8, 16), "float32")
    bias = np.zeros((64, 1, 1, 8), "float32")
    attention([x, bias])
    attention.Wv.assign(np.eye(16))
    attention.Wo.assign(np.eye(16))
    # With equal scores and values of 1, an output is (number of kept probabilities) / (8 * 0.5), with a mean of 1.
    for part in "qk":
        getattr(attention, f"W{part}").assign(np.zeros((16, 16)))
    y = attention([x, bias], training=True).numpy()
    assert abs(y.mean() - 1) < 0.05
    assert y.std() > 0.2


def test_padding_does_not_change_the_output(checkpoint):
    model = load(checkpoint)
    ids, segments = ids_of(tiny.config())
    padded = np.pad(ids, ((0, 0), (0, 9))), np.pad(segments, ((0, 0), (0, 9)))
    assert np.allclose(model([ids, segments])[0], model(list(padded))[0, : ids.shape[1]], atol=1e-5)


@pytest.mark.parametrize("encoder", ["fast", "keras-bert"])
def test_output_of_several_layers_is_concatenated(two_layers, encoder):
    ids, segments = ids_of(tiny.config())
    two = load(two_layers, output_layer_num=2, encoder=encoder).predict_on_batch([ids, segments])
    assert two.shape == (3, 20, 32)
    one = load(two_layers, encoder="fast").predict_on_batch([ids, segments])
    assert np.allclose(two[..., 16:], one, atol=1e-5)


def test_fixed_length_and_pretraining_heads_are_supported(checkpoint):
    assert load(checkpoint, seq_len=24).output_shape == (None, 24, 16)
    heads = load(checkpoint, training=True, seq_len=24)
    assert heads.output_shape[1] == (None, 2)


def test_other_number_of_segment_types_is_supported(tmp_path):
    folder = tiny.checkpoint(tmp_path / "uncased", type_vocab_size=3)
    assert largest_difference(folder, "fast") < 1e-5
    with pytest.raises(kb.InputError, match="keras-bert supports 2 segment types"):
        load(folder, encoder="keras-bert")


def test_saved_keras_model_loads_without_custom_objects(checkpoint, tmp_path):
    from kbert_tasks.encoder.pooling import pooled

    keras = keras2()
    encoder = load(checkpoint)
    ids, segments = ids_of(tiny.config())
    for pooling in ("cls", "pooler", "mean", "max"):
        model = keras.Model(encoder.inputs, pooled(encoder, pooling))
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert np.array_equal(loaded.predict_on_batch([ids, segments]), model.predict_on_batch([ids, segments]))


def test_signature_equals_that_of_keras_bert(checkpoint):
    config = json.loads((Path(checkpoint) / "bert_config.json").read_text())
    model = kb.load_trained_model_from_checkpoint(f"{checkpoint}/bert_config.json", f"{checkpoint}/bert_model.ckpt")
    assert model.input_names == ["Input-Token", "Input-Segment"]
    assert model.output_shape == (None, None, config["hidden_size"])


def test_output_of_the_first_token_is_the_same_with_first_only(checkpoint):
    tf = tensorflow()
    ids, segments = ids_of(tiny.config())
    whole, first_token = load(checkpoint), load(checkpoint, first_only=True)
    found = []
    for model in (whole, first_token):
        with tf.GradientTape() as tape:
            vector = model([ids, segments], training=False)[:, 0]
            loss = tf.reduce_sum(vector**3)
        found.append([vector, *tape.gradient(loss, model.trainable_weights)])
    assert first_token([ids, segments]).shape == (3, 1, 16)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-4)
