"""tiny-zh, the checkpoint of the package: found by name, used by default, part of the repository and of the wheel."""

import configparser
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import kbert_tasks as kb
from kbert_tasks import cli, samples, tasks
from kbert_tasks.checkpoint import catalog, embedded, find, google_format
from kbert_tasks.checkpoint.validate import examine
from kbert_tasks.text.tokenizer import read_vocabulary

from .. import tiny

ROOT = Path(__file__).parents[2]
CHINESE = [chr(number) for number in range(0x4E00, 0x4E00 + 1500)]


def write_substitute(folder):
    """Writes a checkpoint with random weights and a vocabulary for the Chinese sample."""
    known = tiny.vocabulary()
    return Path(
        tiny.checkpoint(
            folder,
            tokens=known + [letter for letter in CHINESE if letter not in known],
            intermediate_size=64,
            max_position_embeddings=512,
            do_lower_case=True,
            num_hidden_layers=1,
        )
    )


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs the substitute as a wheel would do it, and changes to another directory."""
    folder = write_substitute(tmp_path / "site" / "kbert_tasks" / "checkpoints" / embedded.NAME)
    monkeypatch.setattr(embedded, "PACKAGE", tmp_path / "site" / "kbert_tasks")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def test_tiny_zh_is_found_in_a_wheel_and_in_a_clone(installed, tmp_path, monkeypatch):
    assert embedded.folder() == installed
    clone = write_substitute(tmp_path / "clone" / "checkpoints" / embedded.NAME)
    monkeypatch.setattr(embedded, "PACKAGE", tmp_path / "clone" / "kbert_tasks")
    assert embedded.folder() == clone


def test_every_function_accepts_its_name(installed, tmp_path, monkeypatch):
    monkeypatch.setenv("KBERT_CHECKPOINTS", str(tmp_path / "elsewhere"))
    assert find.locate("tiny-zh") == find.locate("Tiny-ZH") == installed
    found = kb.find_checkpoint("tiny-zh")
    assert (found.folder, found.name, found.language, found.cased) == (installed, "tiny-zh", "zh", False)
    assert len(kb.fill_mask("tiny-zh", "房间[MASK]干净", top=2)[0]) == 2
    task = kb.TextClassifier("tiny-zh", epochs=1, max_length=16, precision="float32")
    assert task.fit(["好", "坏", "很好", "很坏"] * 3, ["a", "b"] * 6).predict(["好"])[0].label in "ab"


def test_catalog_entry_has_the_sizes_of_the_config(installed):
    entry = catalog.find("tiny-zh")
    assert entry == catalog.entries()[0]
    vocabulary = read_vocabulary(installed / "vocab.txt")
    assert (entry.layers, entry.hidden, entry.heads, entry.vocab_size) == (1, 16, 2, len(vocabulary))
    arrays = kb.Checkpoint.open(installed).tensors()
    assert entry.parameters == sum(array.size for name, array in arrays.items() if name.startswith("bert/"))
    assert (entry.language, entry.cased, entry.url, entry.hub) == ("zh", False, "", "")


def test_checkpoint_command_accepts_it(installed, tmp_path, capsys):
    assert cli.checkpoint(["list", "--language", "zh"]) == 0
    first = capsys.readouterr().out.splitlines()[1]
    assert first.startswith("tiny-zh ") and first.endswith("part of the package")
    assert cli.checkpoint(["inspect", "tiny-zh"]) == 0
    assert capsys.readouterr().out.count("ok ") == 6
    assert cli.checkpoint(["get", "tiny-zh"]) == 0
    assert capsys.readouterr().out.strip() == str(installed)
    for _ in range(2):  # the second call finds the checkpoint of the first
        assert cli.checkpoint(["get", "tiny-zh", "--into", str(tmp_path / "into")]) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / "into" / "tiny-zh")
    names = {path.name for path in installed.iterdir()}
    assert {path.name for path in (tmp_path / "into" / "tiny-zh").iterdir()} == names


def test_missing_tiny_zh_is_reported_in_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(embedded, "PACKAGE", tmp_path / "kbert_tasks")
    monkeypatch.chdir(tmp_path)
    assert catalog.find("tiny-zh") is None and catalog.find("rbt3").name == "rbt3"
    assert cli.train(["--output", "run"]) == 2
    error = capsys.readouterr().err
    assert "tiny-zh is part of the package, but was found neither in" in error and len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("task", tasks.names())
def test_training_starts_with_tiny_zh_and_the_chinese_sample(task, installed, capsys, monkeypatch):
    """Stops before the training, which the next test includes."""
    started = []

    def stop(task, examples, *_):
        started.append((task.checkpoint.name, examples.read))
        raise kb.InputError("that is enough")

    monkeypatch.setattr("kbert_tasks.training.trainer.Trainer", stop)
    assert cli.train(["--task", task]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("no --checkpoint: using tiny-zh") and "that is enough" in err
    assert out.splitlines()[1] == "no --train: using the Chinese sample of the package"
    assert started == [("tiny-zh", len(kb.read(samples.path(task, "zh", "train"))))]


@pytest.mark.slow
@pytest.mark.parametrize("task", tasks.names())
def test_training_uses_tiny_zh_and_the_chinese_sample_by_default(task, installed, capsys):
    assert cli.train(["--task", task, "--epochs", "1", "--max-length", "24", "--precision", "float32"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "no --checkpoint: using tiny-zh, the small Chinese checkpoint of the package"
    assert lines[1] == "no --train: using the Chinese sample of the package"
    report = json.loads(Path("runs", task, "report.json").read_text(encoding="utf-8"))
    assert f"{task}.zh.train" in report["files"]["train"]
    assert report["examples"]["test"]["used"] > 0


def test_tiny_zh_is_used_with_other_training_data(installed, capsys):
    Path("mine.csv").write_text("text,label\n房间很干净,好\n太吵,坏\n" * 5, encoding="utf-8")
    arguments = "--train mine.csv --epochs 1 --max-length 16 --precision float32 --output run"
    assert cli.train(arguments.split()) == 0
    output = capsys.readouterr().out
    assert output.startswith("no --checkpoint: using tiny-zh") and "no --train" not in output


def test_git_ignores_all_other_checkpoints():
    def ignored(path):
        result = subprocess.run(["git", "check-ignore", "-q", "--no-index", path], cwd=ROOT, capture_output=True)
        if result.returncode not in (0, 1):
            pytest.skip(f"git says: {result.stderr.decode(errors='replace')}")
        return result.returncode == 0

    if shutil.which("git") is None:
        pytest.skip("git is absent")
    for name in (
        google_format.CONFIG,
        google_format.VOCABULARY,
        f"{google_format.PREFIX}.index",
        "README.md",
        "log.csv",
    ):
        assert not ignored(f"checkpoints/tiny-zh/{name}")
    assert not ignored(f"checkpoints/tiny-zh/{google_format.PREFIX}.data-00000-of-00001")
    assert not ignored("checkpoints/README.md")
    assert ignored("checkpoints/bert-base-chinese/vocab.txt") and ignored("checkpoints/bert-base-chinese.zip")


def test_setup_lists_every_package():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = setup["options"]["packages"].split()
    existing = [".".join(file.parent.relative_to(ROOT).parts) for file in ROOT.glob("kbert_tasks/**/__init__.py")]
    assert sorted(listed) == sorted([*existing, "kbert_tasks.checkpoints"])


def test_wheel_contains_tiny_zh(tmp_path):
    """The wheel contains no other checkpoint of the repository."""
    pytest.importorskip("setuptools")
    pytest.importorskip("wheel")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "kbert_tasks", source / "kbert_tasks", ignore=shutil.ignore_patterns("__pycache__"))
    checkpoint = write_substitute(source / "checkpoints" / embedded.NAME)
    shutil.copytree(checkpoint, source / "checkpoints" / "other")
    program = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=source, capture_output=True, text=True, encoding="utf-8"
    )
    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    site = tmp_path / "site" / "kbert_tasks"
    assert [path.name for path in (site / "checkpoints").iterdir()] == [embedded.NAME]
    for path in checkpoint.iterdir():
        assert (site / "checkpoints" / embedded.NAME / path.name).read_bytes() == path.read_bytes()
    in_wheel = {path.relative_to(site) for path in site.rglob("*") if path.is_file()}
    in_package = [
        path.relative_to(source / "kbert_tasks") for path in (source / "kbert_tasks").rglob("*") if path.is_file()
    ]
    assert set(in_package) <= in_wheel


def test_repository_contains_tiny_zh():
    folder = ROOT / "checkpoints" / embedded.NAME
    assert embedded.folder() == folder
    assert not [finding.problem for finding in examine(folder) if finding.problem]
    found = kb.Checkpoint.open(folder)
    assert found.language == "zh" and 6000 <= len(found.vocabulary) <= 10000
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 24_000_000
    assert {"README.md", google_format.CONFIG, google_format.VOCABULARY} <= {path.name for path in folder.iterdir()}
    entry = catalog.find(embedded.NAME)
    assert entry.parameters == sum(a.size for name, a in found.tensors().items() if name.startswith("bert/"))
