"""Files are written completely or not at all."""

import hashlib

import pytest

from kbert_tasks.errors import InputError
from kbert_tasks.files import replacing, sha256


def write(file, text, beside=None):
    with replacing(file, beside, "the rest is saved") as stream:
        stream.write(text)


def test_writing_replaces_the_earlier_file(tmp_path):
    file = tmp_path / "a.txt"
    for text in ("first\n", "第二 half \ud83d\n"):
        write(file, text)
    assert file.read_bytes() == "第二 half \\ud83d\n".encode() and [*tmp_path.iterdir()] == [file]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_full_disk_keeps_the_earlier_file(tmp_path, monkeypatch, elsewhere):
    file, other = tmp_path / "run" / "a.txt", tmp_path / "other"
    file.parent.mkdir()
    other.mkdir()
    write(file, "earlier")
    with pytest.raises(InputError, match="could not be written .No space left.* free disk space, the rest is saved"):
        with replacing(file, other if elsewhere else None, "the rest is saved") as stream:
            stream.write("new")
            assert [path.name for path in other.iterdir()] == [".run.a.txt.writing"] * elsewhere
            raise OSError(28, "No space left on device")
    assert file.read_text() == "earlier" and [*file.parent.iterdir()] == [file] and [*other.iterdir()] == []


def test_checksum_of_a_file_larger_than_one_block(tmp_path):
    content = b"x" * (2**20 + 1)
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()
