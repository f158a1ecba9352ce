"""The direction of imports: a module imports from its own folder or from lower layers, and no module outside tasks/ names a task."""

import ast
from pathlib import Path

import pytest

import kbert_tasks
from kbert_tasks import tasks

ROOT = Path(kbert_tasks.__file__).parent
# From the highest layer to the lowest. Folders and modules that share a line do not import each other.
LAYERS = (
    ("cli",),
    ("comparison",),
    ("reporting",),
    ("explanation",),
    ("pretraining", "tasks"),
    ("training",),
    ("inference",),
    ("saving",),
    ("encoder",),
    ("checkpoint",),
    ("text",),
    ("data",),
    ("metrics",),
    ("html", "files", "memory", "settings", "samples", "typing"),
    ("lock",),
    ("cluster", "disk"),
    ("_keras",),
    ("errors",),
)
RANK = {name: -i for i, layer in enumerate(LAYERS) for name in layer}
# The first module of the package loads public names when they are used, and holds the version.
FREE = "__init__"


def modules():
    """{dotted name without the package: its file} of all modules."""
    found = {}
    for file in ROOT.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts) or FREE] = file
    return found


def imports(name, file, types=False):
    """The modules of the package that a module imports, anywhere in it; `types`: also for type checkers alone."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING" and not types:
            node.body = []
    known = modules()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = package[: len(package) - node.level + 1]
            base = ".".join([*above, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}".strip(".")
                yield full if full in known else base or FREE


@pytest.mark.parametrize("name", sorted(set(modules()) - {FREE}))
def test_imports_go_down(name):
    mine = name.split(".")[0]
    for other in imports(name, modules()[name]):
        its = other.split(".")[0]
        if its not in (mine, FREE):
            assert RANK[its] < RANK[mine], f"{name} imports {other}"


def test_there_is_no_cycle():
    graph = {name: {each for each in imports(name, file) if each != FREE} for name, file in modules().items()}
    while graph:
        leaves = {name for name, others in graph.items() if not others & graph.keys() - {name}}
        assert leaves, f"these modules import one another: {sorted(graph)}"
        graph = {name: others for name, others in graph.items() if name not in leaves}


def test_every_folder_has_its_layer():
    assert {name.split(".")[0] for name in modules()} - {FREE} == set(RANK)


def test_no_module_outside_the_tasks_names_one():
    for name, file in modules().items():
        if name.split(".")[0] not in ("tasks", "samples", FREE):
            words = {
                node.value
                for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                if isinstance(node, ast.Constant)
            }
            named = words & set(tasks.names())
            assert not named or name.startswith("cli."), f"{name} names {named}"
