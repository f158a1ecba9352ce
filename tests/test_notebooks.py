"""Each notebook is generated from its .py file, contains no outputs, and has the same setup cell."""

import importlib.util
import json
import re

import pytest

from .checkpoint.test_embedded import ROOT

SOURCES = sorted((ROOT / "notebooks").glob("[0-9]*.py"))
NAMES = ["01_inside_bert", "02_classify", "03_relation", "04_subject", "05_pretrain", "06_entity"]
CHINESE = re.compile("[一-鿿]")


@pytest.fixture(scope="module")
def script():
    """The module scripts/notebooks.py."""
    for name in ("jupytext", "nbformat"):
        pytest.importorskip(name)
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "scripts" / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells(source):
    """(whether it is Markdown, its lines) of each cell of a .py file."""
    for part in source.read_text("utf-8").split("# %%")[1:]:
        yield part.startswith(" [markdown]"), part.split("\n")[1:]


def test_all_notebooks_exist():
    assert [source.stem for source in SOURCES] == NAMES
    assert sorted(notebook.stem for notebook in (ROOT / "notebooks").glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_ipynb_is_generated_from_the_py_file(script, source):
    made = script.written(script.notebook(source, script.repository()))
    assert source.with_suffix(".ipynb").read_text("utf-8") == made, "run: make ipynb"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_notebooks_contain_no_outputs(source):
    for cell in json.loads(source.with_suffix(".ipynb").read_text("utf-8"))["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_each_text_cell_is_in_both_languages(source):
    for text, lines in cells(source):
        if text:
            words = re.sub(r"```.*?```|`[^`]*`", "", "\n".join(lines), flags=re.DOTALL)
            assert CHINESE.search(words) and re.search("[a-z]{3}", words), words[:200]


def test_all_notebooks_have_the_same_setup_cell():
    found = [next("\n".join(lines) for text, lines in cells(source) if not text) for source in SOURCES]
    assert all("kbert_tasks" in each for each in found) and len(set(found)) == 1


def test_repository_address_sets_the_badge_and_the_pip_package(script):
    address = script.repository('title: x\nrepository-code: "https://github.com/someone/kbert_tasks.git"\n')
    assert address == "https://github.com/someone/kbert_tasks"
    first, *rest = script.notebook(SOURCES[0], address).cells
    assert (
        "(https://colab.research.google.com/github/someone/kbert_tasks/blob/main/notebooks/01_inside_bert.ipynb)"
        in first.source
    )
    assert first.source.startswith("# Inside BERT")
    assert any(f'PACKAGE = "git+{address}"' in cell.source for cell in rest)
    assert script.repository("title: x\n") is None
    assert "colab-badge" not in script.notebook(SOURCES[0], None).cells[0].source


@pytest.mark.slow
def test_a_failing_notebook_is_reported_and_the_others_still_run(script, tmp_path, monkeypatch, capsys):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    (tmp_path / "1_wrong.py").write_text("# %%\n1 / 0\n", "utf-8")
    (tmp_path / "2_right.py").write_text("# %%\nopen('here', 'w').close()\nprint(6 * 7)\n", "utf-8")
    monkeypatch.setattr(script, "FOLDER", tmp_path)
    assert script.run([], tmp_path / "kept") == ["1_wrong"]
    output = capsys.readouterr()
    assert re.search(r"1_wrong .* s  failed\n2_right +\d+\.\d s\n", output.out) and "ZeroDivisionError" in output.err
    assert '"42\\n"' in (tmp_path / "kept" / "2_right.ipynb").read_text("utf-8")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["1_wrong.py", "2_right.py", "kept"]
