"""16-bit precision: when it is chosen, and that models trained with it work like those of 32 bits."""

import threading
import time

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import cli, samples, tasks
from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.encoder import precision

GOOD = ["the room was clean", "the food is good", "房间很干净", "very nice service"]
BAD = ["the room was bad", "terrible food", "房间很差", "not nice"]
ROWS = [{"text": text, "label": label} for label, texts in (("good", GOOD), ("bad", BAD)) for text in texts]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_model_trains_in_16_bits(checkpoint, dtype, tmp_path):
    settings = {"epochs": 25, "batch_size": 4, "learning_rate": 1e-2, "max_length": 16, "precision": dtype}
    task = kb.TextClassifier(checkpoint, **settings).fit(ROWS, dev=ROWS)
    assert task.report_["precision"] == dtype and task.report_["scores"]["dev"]["accuracy"] == 1.0
    assert keras2().mixed_precision.global_policy().name == "float32"
    assert {w.dtype for w in task.model.get_weights()} == {np.dtype("float32")}
    assert task.model.get_layer("Encoder-1-FeedForward").compute_dtype == dtype
    assert task.model.outputs[0].dtype == "float32"
    task.save(tmp_path / "run")
    texts = GOOD + BAD
    loaded = kb.load(tmp_path / "run")
    assert loaded.model.get_layer("Encoder-1-FeedForward").compute_dtype == dtype
    assert loaded.predict(texts) == task.predict(texts)


@pytest.mark.parametrize("dtype", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_first_loss_is_close_to_that_of_float32(checkpoint, dtype):
    losses = []
    for name in ("float32", dtype):
        settings = {"epochs": 1, "max_length": 16, "precision": name, "dropout": 0.0, "learning_rate": 1e-6}
        losses.append(kb.TextClassifier(checkpoint, **settings).fit(ROWS, dev=ROWS).report_["history"][0]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


@pytest.mark.parametrize("task", sorted({*tasks.names()} - {"classify"}))
def test_other_tasks_train_in_16_bits(checkpoint, task, tmp_path):
    rows = kb.read(samples.path(task, "zh", "train")).head(24)
    rows.to_json(tmp_path / "rows.jsonl", orient="records", lines=True, force_ascii=False)
    options = ["--epochs", "1", "--precision", "bfloat16", "--max-length", "32", "--output", str(tmp_path / "run")]
    file = str(tmp_path / "rows.jsonl")
    assert cli.train(["--task", task, "--checkpoint", checkpoint, "--train", file, *options]) == 0
    assert np.isfinite(kb.load(tmp_path / "run").report_["history"][0]["loss"])


def test_loss_is_scaled_in_float16():
    adam = keras2().optimizers.legacy.Adam()
    assert precision.scaled(adam, "bfloat16") is precision.scaled(adam, "float32") is adam
    assert precision.scaled(adam, "float16").dynamic


@pytest.mark.parametrize(
    "flags, gpu, wanted",
    [
        ("GenuineIntel avx512_bf16", None, "float32"),
        ("AuthenticAMD avx512f", None, "float32"),
        ("AuthenticAMD avx512_bf16", None, "bfloat16"),
        ("avx512_bf16 amx_bf16 amx_tile", None, "bfloat16"),
        ("", (7, 5), "float16"),
        ("", (8, 0), "bfloat16"),
        ("amx_bf16", (6, 1), "float32"),
    ],
)
def test_auto_chooses_the_precision_that_the_hardware_supports(flags, gpu, wanted, monkeypatch, tmp_path):
    config = tensorflow().config
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(precision, "CPU", tmp_path / "cpuinfo")
    monkeypatch.setattr(config, "get_visible_devices", lambda kind: ["one"] if gpu else [])
    monkeypatch.setattr(config.experimental, "get_device_details", lambda device: {"compute_capability": gpu})
    dtype, reason = precision.choose("auto")
    assert dtype == wanted and reason


def test_hidden_gpu_is_ignored(monkeypatch):
    config = tensorflow().config
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: ["one"])
    monkeypatch.setattr(config, "get_visible_devices", lambda kind: [])  # this is the state after --device cpu
    monkeypatch.setattr(config.experimental, "get_device_details", lambda device: {"compute_capability": (8, 0)})
    assert precision.choose("auto")[0] == "float32"


def test_keras_bert_encoder_supports_only_float32(checkpoint):
    assert precision.choose("auto", "keras-bert")[0] == "float32"
    with pytest.raises(kb.InputError, match="float32 only, not bfloat16: use encoder fast"):
        kb.TextClassifier(checkpoint, encoder="keras-bert", precision="bfloat16", max_length=16).fit(ROWS)


def test_threads_that_build_at_the_same_time_do_not_change_the_precision_of_each_other():
    """Keras has one policy for all threads; a server loads a model while it builds another one for an explanation."""
    before, inside, found = keras2().mixed_precision.global_policy().name, threading.Event(), []

    def build(kind, wait):
        with precision.computing(kind):
            inside.set()
            time.sleep(wait)
            found.append((kind, keras2().layers.Dense(1).compute_dtype))

    first = threading.Thread(target=build, args=("bfloat16", 0.3))
    first.start()
    inside.wait(30)
    build("float32", 0.6)
    first.join()
    assert sorted(found) == [("bfloat16", "bfloat16"), ("float32", "float32")]
    assert keras2().mixed_precision.global_policy().name == before
