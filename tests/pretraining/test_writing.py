"""Temporary folders of a killed preparation are deleted; other files are kept."""

import pytest

from kbert_tasks.errors import InputError
from kbert_tasks.files import replacing_folder
from kbert_tasks.pretraining.writing import writable


def test_temporary_folder_of_a_killed_preparation_is_deleted(tmp_path):
    folder = tmp_path / "run"
    with replacing_folder(folder / "data") as temporary:
        temporary.mkdir()
        name, left = temporary.parent.name, folder / temporary.parent.name
    left.mkdir()
    (left / "data").mkdir()
    (left / "data" / "train-00000.tfrecord").write_bytes(b"half")
    assert writable(folder) == folder.resolve() and not list(folder.iterdir()) and name.startswith(".data.")


@pytest.mark.parametrize("place", [".data.backup/mine.txt", ".data.20261122/mine.txt", ".data.abcdefgh"])
def test_similar_names_are_not_deleted(tmp_path, place):
    path = tmp_path / "run" / place
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    with pytest.raises(InputError, match="contains other files"):
        writable(tmp_path / "run")
    assert path.read_text() == "precious"


def test_folder_with_other_files_is_not_changed(tmp_path):
    (tmp_path / ".writing").mkdir()
    (tmp_path / ".writing" / "mine.txt").write_text("mine")
    (tmp_path / "other.txt").write_text("other")
    with pytest.raises(InputError, match="is not replaced"):
        writable(tmp_path)
    assert (tmp_path / ".writing" / "mine.txt").read_text() == "mine"
