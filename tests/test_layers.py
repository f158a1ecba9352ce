"""Direction of imports: a module imports only from its own folder and lower layers; only tasks/ contains names of tasks."""

import ast
from pathlib import Path

import pytest

import kbert_tasks
from kbert_tasks import tasks

ROOT = Path(kbert_tasks.__file__).parent
# From the highest layer to the lowest. Folders and modules that share a line do not import each other.
LAYERS = (
    ("cli",),
    ("serving",),
    ("auditing",),
    ("searching",),
    ("comparison",),
    ("reporting",),
    ("explanation",),
    ("exporting",),
    ("pretraining", "tasks"),
    ("training",),
    ("inference",),
    ("saving",),
    ("encoder",),
    ("checkpoint",),
    ("text",),
    ("data",),
    ("metrics",),
    ("configuration",),
    ("html", "files", "memory", "settings", "samples", "typing"),
    ("lock",),
    ("cluster", "disk"),
    ("_keras",),
    ("errors",),
)
RANK = {name: -i for i, layer in enumerate(LAYERS) for name in layer}
# __init__.py of the package imports public names lazily and contains the version; every module may import from it.
FREE = "__init__"


def modules():
    """{dotted name without the package: file} of all modules."""
    found = {}
    for file in ROOT.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts) or FREE] = file
    return found


def imports(name, file, types=False):
    """Modules of the package that a module imports, also inside functions; with `types`, also imports for type checkers."""
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
def test_modules_import_only_from_lower_layers(name):
    own = name.split(".")[0]
    for other in imports(name, modules()[name]):
        imported = other.split(".")[0]
        if imported not in (own, FREE):
            assert RANK[imported] < RANK[own], f"{name} imports {other}"


def test_imports_have_no_cycle():
    graph = {name: {each for each in imports(name, file) if each != FREE} for name, file in modules().items()}
    while graph:
        leaves = {name for name, others in graph.items() if not others & graph.keys() - {name}}
        assert leaves, f"these modules import one another: {sorted(graph)}"
        graph = {name: others for name, others in graph.items() if name not in leaves}


def test_every_folder_belongs_to_a_layer():
    assert {name.split(".")[0] for name in modules()} - {FREE} == set(RANK)


# Files of annotation tools have keys such as "relation", which are also names of tasks.
def test_no_module_outside_tasks_contains_the_name_of_a_task():
    for name, file in modules().items():
        if name.split(".")[0] not in ("tasks", "samples", FREE) and not name.startswith("data.annotations."):
            words = {
                node.value
                for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                if isinstance(node, ast.Constant)
            }
            named = words & set(tasks.names())
            assert not named or name.startswith("cli."), f"{name} names {named}"
