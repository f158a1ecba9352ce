import errno
import json
import os
import re
import shutil

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks import cli
from kbert_tasks.saving import folder as layout
from kbert_tasks.saving.saving import FORMAT


@pytest.fixture
def task(hotel):
    return hotel[0]


@pytest.fixture
def run(hotel, tmp_path):
    """A copy of the saved folder that a test may change."""
    return shutil.copytree(hotel[1], tmp_path / "run")


@pytest.fixture(scope="module")
def other(checkpoint):
    """A task with three labels; one of them is half an emoji."""
    task = kb.TextClassifier(checkpoint, epochs=1, max_length=32, validation_split=0.0)
    return task.fit(["好", "坏", "吃"], ["a", "b", "\ud83d"])


def same(one, two):
    """Whether two tasks have the same labels and weights."""
    weights = zip(one.model.get_weights(), two.model.get_weights(), strict=True)
    return one.labels_ == two.labels_ and all(np.array_equal(*each) for each in weights)


def load_error(folder):
    with pytest.raises(kb.InputError) as error:
        kb.load(folder)
    return str(error.value)


@pytest.mark.parametrize("name", [n for n in layout.LAYOUT if n not in (layout.TASK, *layout.OPTIONAL)])
def test_missing_file_is_named_in_the_error(run, name):
    (run / name).unlink()
    assert f"lacks {name}: copy the whole folder again" in load_error(run)


def test_save_writes_no_page_and_deletes_an_old_one(task, run):
    assert not (run / layout.PAGE).exists()
    (run / layout.PAGE).write_text("of an earlier model")
    assert kb.load(run).predict(["好"])
    task.save(run)
    assert sorted(p.name for p in run.iterdir()) == sorted(name for name in layout.LAYOUT if name != layout.PAGE)


def test_folder_without_a_saved_task_is_an_error(run, tmp_path):
    assert "does not exist" in load_error(tmp_path / "nowhere")
    (run / "task.json").unlink()
    assert (
        "it has no task.json; found: README.md, answers.jsonl, bert_config.json, errors.jsonl, model.safetensors, report.json"
        in load_error(run)
    )


def test_another_format_is_reported(run):
    about = json.loads((run / "task.json").read_text(encoding="utf-8"))
    (run / "task.json").write_text(json.dumps(about | {"format": FORMAT + 1, "kbert_tasks": "9.0"}), encoding="utf-8")
    assert f"has format {FORMAT + 1}, this is kbert_tasks" in load_error(run) and "kbert_tasks 9.0" in load_error(run)


@pytest.mark.parametrize("name", ["task.json", "bert_config.json", "report.json", "model.safetensors"])
def test_truncated_file_is_reported(run, name):
    raw = (run / name).read_bytes()
    (run / name).write_bytes(raw[: len(raw) // 2])
    assert re.search(f"{name} is (damaged|not JSON)", load_error(run))


def test_files_of_two_trainings_cannot_be_mixed(run, other, tmp_path):
    other.save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", run)
    assert "label/0 should be (16, 2), found (16, 3)" in load_error(run)


def test_save_does_not_replace_other_files(task, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("precious")
    with pytest.raises(kb.InputError, match=r"contains other files \(chapter1.txt\) and is not replaced"):
        task.save(tmp_path / "thesis")
    task.save(tmp_path / "run")
    (tmp_path / "run" / "answers.csv").write_text("precious too")
    with pytest.raises(kb.InputError, match=r"contains other files \(answers.csv\)"):
        task.save(tmp_path / "run")
    assert (tmp_path / "run" / "answers.csv").read_text() == "precious too"
    (tmp_path / "file").write_text("x")
    with pytest.raises(kb.InputError, match="is a file: choose a folder"):
        task.save(tmp_path / "file")
    with pytest.raises(kb.InputError, match="cannot be created"):
        task.save(tmp_path / "file" / "below")
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "precious"


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that is too full for the weights; as in Python, the error does not name a file."""
    from pathlib import Path

    write = Path.write_bytes

    def write_bytes(self, data):
        if self.name == layout.WEIGHTS:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", write_bytes)
        yield patched


def test_full_disk_error_names_the_folder_and_the_space_needed(task, run, full_disk):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    size = sum(len(raw) for name, raw in before.items() if name != layout.PAGE) / 1e6
    with pytest.raises(kb.InputError) as error:
        task.save(run)
    assert re.fullmatch(
        rf"{run} could not be written \(No space left on device; {size:.1f} MB needed, [0-9.,]+ MB free\): free disk space, "
        "and save again; kbert-train resumes from its last save if you run the same command again", str(error.value)
    )  # fmt: skip
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_after_a_full_disk_the_same_command_resumes(checkpoint, tmp_path, full_disk, capsys, caplog):
    (tmp_path / "a.csv").write_text("text,label\n" + "好,a\n坏,b\n" * 4, encoding="utf-8")
    words = (
        f"--checkpoint {checkpoint} --train {tmp_path / 'a.csv'} --output {tmp_path / 'run'} --epochs 1 --max-length 16"
    )
    assert cli.train(words.split()) == 2
    assert f"{tmp_path / 'run'} could not be written (No space left on device; " in capsys.readouterr().err
    full_disk.undo()
    caplog.set_level("INFO", "kbert_tasks")
    assert cli.train(words.split()) == 0
    assert "resuming after step 1" in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "run"]


@pytest.mark.parametrize("stop_at", range(1, 12))
def test_interrupted_save_leaves_a_complete_folder(task, run, monkeypatch, stop_at):
    """Interrupt the n-th write or rename: the folder must still contain the earlier task or all of the new one."""
    from pathlib import Path

    steps = 0

    def interrupted(original):
        def step(*args, **kwargs):
            nonlocal steps
            steps += 1
            if steps == stop_at:
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        return step

    import safetensors.numpy

    with monkeypatch.context() as patched:
        for name in ("write_text", "write_bytes", "rename", "mkdir"):
            patched.setattr(Path, name, interrupted(getattr(Path, name)))
        patched.setattr(safetensors.numpy, "save_file", interrupted(safetensors.numpy.save_file))
        patched.setattr(shutil, "rmtree", interrupted(shutil.rmtree))
        try:
            task.save(run)
            stopped = False
        except KeyboardInterrupt:
            stopped = True
    assert stopped or steps < stop_at
    assert same(kb.load(run), task)
    task.save(run)
    assert [p.name for p in run.parent.iterdir()] == ["run"]


def test_only_leftovers_of_killed_runs_are_deleted(task, tmp_path):
    leftovers = [
        tmp_path / name for name in (".run.17.writing", ".run.18.writing", ".run.seed1.19.writing", ".run.notes")
    ]
    for path in leftovers:
        path.mkdir()
    for path in leftovers[1:]:
        os.utime(path, (1, 1))
    task.save(tmp_path / "run")
    assert [path.exists() for path in leftovers] == [True, False, True, True]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_all_files_have_the_same_permissions(run):
    assert len({path.stat().st_mode for path in run.iterdir()}) == 1


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", f'{{"format": {FORMAT}}}', f'{{"format": {FORMAT}, "task": "classify", "settings": 3}}', '"格式"'],
)
def test_a_damaged_task_file_is_reported(run, content):
    (run / "task.json").write_text(content, encoding="gb18030")
    assert "task.json is damaged" in load_error(run) or "has format None" in load_error(run)


def test_config_with_too_many_layers_is_an_error(run):
    config = json.loads((run / "bert_config.json").read_text())
    (run / "bert_config.json").write_text(json.dumps(config | {"num_hidden_layers": 10**9}))
    assert "has more layers than model.safetensors" in load_error(run)


def test_label_with_half_an_emoji_is_saved(other, tmp_path):
    other.save(tmp_path / "run")
    assert kb.load(tmp_path / "run").labels_ == other.labels_ and "\ud83d" in other.labels_


def test_training_resumes_with_half_an_emoji_in_a_development_text(checkpoint, tmp_path):
    task = kb.TextClassifier(checkpoint, epochs=2, max_length=32)
    dev = (["half \ud83d", "坏"], ["a", "b"])
    first = task.fit(["好", "坏"], ["a", "b"], dev=dev, resume_dir=tmp_path / "progress")
    resumed = kb.TextClassifier(checkpoint, epochs=2, max_length=32, save_minutes=1)
    resumed.fit(["好", "坏"], ["a", "b"], dev=dev, resume_dir=tmp_path / "progress")  # reads the saved progress
    assert resumed.answers_ == first.answers_ and first.answers_[0]["text"] == "half \ud83d"
