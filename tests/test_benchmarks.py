"""Static checks of the benchmarks: they run rarely, and a renamed setting would otherwise go unnoticed."""

import argparse
import ast
import dataclasses
import importlib
import sys
from pathlib import Path

import pytest

import kbert_tasks as kb
from kbert_tasks import tasks
from kbert_tasks.errors import InputError

FOLDER = Path(__file__).parents[1] / "benchmarks"
FILES = sorted(FOLDER.rglob("*.py"))
PARSED = ("args", "arguments")  # the variables that hold the parsed options

pytestmark = pytest.mark.skipif(not FILES, reason="the source distribution has no benchmarks")


@pytest.fixture
def benchmark(monkeypatch):
    """A function that imports a benchmark by its name."""
    monkeypatch.syspath_prepend(FOLDER)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == FOLDER:
            del sys.modules[name]


def check(settings, *kinds):
    """Creates the Settings of each task class."""
    for kind in kinds:
        kind.Settings.of(settings)


def test_fixed_settings(benchmark):
    fixed = benchmark("fixed")
    check(fixed.SPANS, kb.RelationExtractor, kb.SubjectExtractor)
    check(fixed.CLASSIFY, kb.TextClassifier)
    source = (FOLDER / "workers" / "ours.py").read_text(encoding="utf-8")
    worker = {
        ast.unparse(each.targets[0]): each.value for each in ast.parse(source).body if isinstance(each, ast.Assign)
    }
    assert ast.literal_eval(worker["FIXED"]) == fixed.CLASSIFY


def test_no_automatic_setting_is_left(benchmark):
    """The benchmarks set the number of epochs themselves; the last three settings do not change what is learned."""
    own = {"epochs", "validation_split", "precision", "device", "compile"}
    automatic = {each.name for each in dataclasses.fields(kb.TextClassifier.Settings) if each.default == "auto"}
    assert benchmark("fixed").CLASSIFY.keys() == automatic - own


@pytest.mark.parametrize("name", ["accuracy", "long_text"])
def test_variants_of_classification(benchmark, name):
    for each in benchmark(name).VARIANTS.values():
        check(each[0] if isinstance(each, tuple) else each, kb.TextClassifier)


def test_options(benchmark):
    options = benchmark("options")
    for case, (kind, *_, settings) in options.CASES.items():
        check(settings, getattr(kb, kind))
        args = argparse.Namespace(defaults=False, options=list(options.OPTIONS))
        for each in options.options(args, case).values():
            check(each, getattr(kb, kind))
    known = {field.name for name in tasks.names() for field in dataclasses.fields(tasks.find(name).Settings)}
    for each in (*options.OPTIONS.values(), *options.DEFAULTS.values()):
        assert each.keys() <= known


def test_grid_of_the_defaults(benchmark):
    defaults = benchmark("defaults")
    for cell, (kind, *_) in defaults.CELLS.items():
        for settings in defaults.grid(cell, 200):
            check(settings, getattr(kb, kind))


def test_memory(benchmark):
    for kind, _, texts, length, settings in benchmark("memory_plan").CASES.values():
        check({"batch_size": texts, "max_length": length} | settings, tasks.find(kind))
    check(benchmark("memory_curve").ROWS, kb.TextClassifier)


@pytest.mark.parametrize("name", ["relation_heads", "subject_heads"])
def test_variants_of_the_heads(benchmark, name):
    for kind, settings in benchmark(name).VARIANTS.values():
        check(settings, kind)


def test_a_renamed_setting_is_found():
    with pytest.raises(InputError, match="unknown setting 'adversarial'"):
        check({"adversarial": 0.5}, kb.TextClassifier)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_parsed_options_are_defined(file):
    """Each `args.name` in a script belongs to an option that the script defines, or is assigned."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    defined, used = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            defined |= {
                each.value.lstrip("-").replace("-", "_") for each in node.args if isinstance(each, ast.Constant)
            }
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in PARSED:
            (used if isinstance(node.ctx, ast.Load) else defined).add(node.attr)
    assert used <= defined
