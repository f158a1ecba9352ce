"""Exports: every format and way of encoding, compared with Keras; the client of the README without kbert_tasks."""

import dataclasses
import importlib.util
import json
import re
import subprocess
import sys

import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.exporting.export import FORMATS
from kbert_tasks.exporting.huggingface import without_triton

from .untrained import untrained

LONG = "房间很干净 the food is good, 好吃的 [SEP] 东西！" * 6
TEXTS = ["房间很干净", "太吵", LONG, "[CLS] Terrible service [UNK]", "?", "not nice " * 80]
PAIRS = [("好", "坏"), (LONG, "food"), ("food", LONG), (LONG, LONG), (LONG[:100], LONG)]


def needs(kind):
    for package in FORMATS[kind]:
        if not importlib.util.find_spec(package):  # importing openvino here would start its telemetry
            pytest.skip(f"the format {kind} needs the package {package}")


LABELS = {"labels_": ["坏", "好"], "temperature_": 0.7, "thresholds_": None, "multi_label_": False, "pairs_": False}
SEVERAL = LABELS | {"multi_label_": True, "thresholds_": {"坏": 0.3, "好": 0.6}}
PAIRED = LABELS | {"pairs_": True}
# Classifiers that differ in the answers, the texts and the pooling: learned attributes and settings.
KINDS = {
    "cls": (LABELS, {"pooling": "cls", "min_confidence": 0.6}),
    "several labels, mean": (SEVERAL, {"multi_label": True, "pooling": "mean"}),
    "pairs, pooler": (PAIRED, {"pooling": "pooler"}),
    "head-tail, max": (LABELS | {"temperature_": 1.0}, {"pooling": "max", "truncation": "head-tail"}),
    "pairs, head-tail": (PAIRED, {"truncation": "head-tail"}),
    "windows": (LABELS, {"truncation": "windows"}),
    "pairs, windows": (PAIRED, {"truncation": "windows", "window_pooling": "max", "window_overlap": 3}),
    "several labels, windows": (SEVERAL, {"multi_label": True, "truncation": "windows"}),
}


def made(checkpoint, name):
    learned, settings = KINDS[name]
    return untrained(kb.TextClassifier, checkpoint, learned, **settings)


@pytest.fixture(scope="module")
def single(checkpoint):
    return made(checkpoint, "cls")


@pytest.mark.parametrize("name", KINDS)
def test_all_kinds_of_classifiers_agree_with_keras(checkpoint, name, tmp_path):
    needs("onnx")
    task = made(checkpoint, name)
    folder = kb.export(task, tmp_path / "out", "onnx", compare=PAIRS if task.pairs_ else TEXTS)
    found = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    assert found["largest_difference"] < 1e-5 and found["equal_answers"] == 1 and found["equal_tokens"] == 1
    assert found["texts"] == len(PAIRS if task.pairs_ else TEXTS)


@pytest.mark.parametrize("name", ["cls", "several labels, mean", "pairs, pooler", "head-tail, max"])
def test_all_kinds_of_pooling_agree_with_keras_in_transformers(checkpoint, name, tmp_path):
    needs("huggingface")
    task = made(checkpoint, name)
    folder = kb.export(task, tmp_path / "out", "huggingface", compare=PAIRS if task.pairs_ else TEXTS)
    found = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    assert found["largest_difference"] < 1e-5 and found["equal_answers"] == 1
    assert (folder / "head.safetensors").exists() == (task.pooling in ("mean", "max"))


def test_transformers_loads_the_tokenizer_and_a_pipeline(checkpoint, tmp_path):
    needs("huggingface")
    import transformers

    task = untrained(kb.TextClassifier, checkpoint, LABELS | {"temperature_": 1.0}, pooling="cls")
    folder = kb.export(task, tmp_path / "out", "huggingface", compare=TEXTS)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for text in TEXTS:
        assert tokenizer(text, truncation=True)["input_ids"] == task.tokenizer.encode(text, None, 32).ids.tolist()
    (found,) = transformers.pipeline("text-classification", model=str(folder))([TEXTS[0]])
    (expected,) = task.predict([TEXTS[0]])
    assert found == {"label": expected.label, "score": pytest.approx(expected.probability, abs=1e-5)}


def test_triton_is_not_imported_after_tensorflow(monkeypatch):
    """PyTorch imports it if it finds it, and its library then ends the process."""
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    with without_triton(), pytest.raises(ImportError):
        importlib.import_module("triton")
    assert "triton" not in sys.modules
    monkeypatch.setitem(sys.modules, "triton", sys)
    with without_triton():
        assert importlib.import_module("triton") is sys


def test_transformers_reads_the_second_text_of_a_pair_as_such(checkpoint, tmp_path):
    needs("huggingface")
    import transformers

    task = made(checkpoint, "pairs, pooler")
    folder = kb.export(task, tmp_path / "out", "huggingface", compare=PAIRS)
    assert "token_type_ids" in json.loads((folder / "tokenizer_config.json").read_text("utf-8"))["model_input_names"]
    found = transformers.AutoTokenizer.from_pretrained(folder)("好", "坏")
    expected = task.tokenizer.encode("好", "坏")
    assert (found["input_ids"], found["token_type_ids"]) == (expected.ids.tolist(), expected.segments.tolist())


@pytest.mark.parametrize("kind", FORMATS)
def test_the_client_of_the_readme_works_without_kbert_tasks(single, kind, tmp_path):
    needs(kind)
    folder = kb.export(single, tmp_path / "out", kind, compare=TEXTS, name="hotel")
    code = client(folder)
    text = json.loads(re.search(r"predict\((.*)\)\)", code)[1])
    answer = eval(run(code, folder))
    (expected,) = single.predict([text])
    assert answer["label"] == expected.label
    assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-4)
    assert not list(folder.rglob("*.pkl")) and {p.name for p in folder.parent.iterdir()} == {"out"}


def client(folder):
    """The Python code in the README."""
    return re.search("```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]


def run(code, folder):
    """What the code prints in a process that cannot import kbert_tasks."""
    code = "import sys\nsys.modules['kbert_tasks'] = None\n" + code
    made = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, encoding="utf-8")
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_the_folder_describes_the_model(single, tmp_path):
    folder = kb.export(single, tmp_path / "out", "savedmodel", compare=TEXTS, name="hotel")
    assert {each.name for each in folder.iterdir()} == {
        "README.md", "export.json", "hotel", "parity.json", "tokenizer.json", "vocab.txt",
    }  # fmt: skip
    about = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    assert (about["labels"], about["temperature"], about["max_length"]) == (["坏", "好"], 0.7, 32)
    assert (folder / "hotel" / "1" / "saved_model.pb").is_file()


def test_a_difference_above_the_tolerance_fails_and_leaves_no_folder(hotel, tmp_path, capsys, monkeypatch):
    file = tmp_path / "texts.csv"
    file.write_text("text\n房间很干净\n", encoding="utf-8")
    words = [str(hotel[1]), str(tmp_path / "out"), "--format", "savedmodel", "--compare", str(file)]
    client = kb.TextClassifier.client
    with monkeypatch.context() as patched:
        wrong = {"labels": ["好", "坏"]}  # in the wrong order
        patched.setattr(
            kb.TextClassifier,
            "client",
            lambda task: dataclasses.replace(client(task), about=client(task).about | wrong),
        )
        assert cli.export([*words, "--tolerance", "0.0001"]) == 2
    assert "than the tolerance 0.0001" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["texts.csv"]
    assert cli.export(words) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}\n"
    assert cli.export(words) == 2  # the folder exists
    assert "already exists" in capsys.readouterr().err


def test_an_export_needs_texts_to_compare(hotel, tmp_path, capsys):
    assert cli.export([str(hotel[1]), str(tmp_path / "out"), "--format", "savedmodel"]) == 2
    assert "give a file with --compare" in capsys.readouterr().err


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"format": "pickle"}, "format should be one of savedmodel"),
        ({"tolerance": float("nan")}, "tolerance should be a number from 0 to 1"),
        ({"name": "../up"}, "the name of the model should have letters"),
    ],
)
def test_invalid_arguments(single, tmp_path, settings, message):
    with pytest.raises(kb.InputError, match=message):
        kb.export(single, tmp_path / "out", **{"format": "savedmodel", "compare": TEXTS} | settings)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(monkeypatch, single, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnx", sys)
    monkeypatch.setitem(sys.modules, "tf2onnx", sys)
    with pytest.raises(kb.InputError, match="--format onnx needs the package onnxruntime"):
        kb.export(single, tmp_path / "out", "onnx", compare=TEXTS)
