"""Files that appear whole or not at all."""

import hashlib
from pathlib import Path

import pytest

from kbert_tasks.files import sha256, write_text


def test_a_text_replaces_the_earlier_one(tmp_path):
    file = tmp_path / "a.txt"
    for text in ("first\n", "第二 half \ud83d\n"):
        write_text(file, text)
    assert file.read_bytes() == "第二 half \\ud83d\n".encode() and [*tmp_path.iterdir()] == [file]


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path, monkeypatch):
    file, other = tmp_path / "run" / "a.txt", tmp_path / "other"
    file.parent.mkdir()
    other.mkdir()
    write_text(file, "earlier")
    seen = []

    def full(path, target):
        seen.append(path)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    for beside in (None, other):
        with pytest.raises(OSError, match="No space left"):
            write_text(file, "new", beside)
    assert [path.parent for path in seen] == [file.parent, other]
    assert file.read_text() == "earlier" and [*file.parent.iterdir()] == [file] and [*other.iterdir()] == []


def test_the_checksum_of_a_file_of_several_blocks(tmp_path):
    content = b"x" * (2**20 + 1)
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()
