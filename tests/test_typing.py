"""Type hints: type checkers see the public names, and mypy accepts the package and an example of its use."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kbert_tasks

ROOT = Path(__file__).parents[1]


def test_type_checkers_see_the_public_names():
    """The imports under TYPE_CHECKING repeat the table of public names."""
    tree = ast.parse(Path(kbert_tasks.__file__).read_text(encoding="utf-8"))
    block = next(each for each in tree.body if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING")
    imported = {name.asname: each.module for each in block.body for name in each.names if name.name == name.asname}
    assert imported == kbert_tasks._HOME


def test_package_is_marked_as_typed():
    assert (Path(kbert_tasks.__file__).parent / "py.typed").is_file()


@pytest.mark.slow  # `make lint` does the same
def test_mypy_finds_no_errors():
    """The package and tests/typing_public.py, as `make types` checks them."""
    pytest.importorskip("mypy")
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
