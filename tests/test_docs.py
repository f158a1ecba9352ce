"""The guide matches the package: settings, messages, commands and names are correct in both languages."""

import ast
import contextlib
import dataclasses
import functools
import importlib
import io
import re
import shlex
from pathlib import Path

import pytest

import kbert_tasks as kb
from kbert_tasks import cli, settings, tasks
from kbert_tasks.serving import limits
from kbert_tasks.tasks import span_task
from kbert_tasks.text import truncation

ROOT = Path(__file__).parents[1]
DOCS, PACKAGE = ROOT / "docs", ROOT / "kbert_tasks"
PAGES = sorted(p for p in DOCS.glob("*.md") if p.stem != "ARCHITECTURE") + sorted(ROOT.glob("README*.md"))
ENGLISH_PAGES = [page for page in PAGES if page.parent == DOCS and not page.name.endswith(".zh.md")]
ENGLISH_ALONE = {"ARCHITECTURE.md"}


def page_name(page):
    return str(page.relative_to(ROOT))


def blocks(page):
    """(kind, text) of each block of code; the kind is the word after the three backticks."""
    found = re.findall(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [(kind, re.sub(f"^{indent}", "", text, flags=re.M)) for indent, kind, text in found]


def commands(page):
    """The words of each line that runs one of the commands, at its start or after a pipe."""
    for kind, text in blocks(page):
        if kind == "":
            for line in text.replace("\\\n", " ").splitlines():
                command = re.search(r"(^|\| )(kbert-\w+ .*)", line)
                if command:
                    yield shlex.split(command[2], comments=True)


def cells(line):
    """The cells of a table row, as text."""
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


# Pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ENGLISH_PAGES, ids=page_name)
def test_each_page_exists_in_both_languages_with_the_same_commands(page):
    chinese = page.with_suffix(".zh.md")
    assert chinese.is_file()
    assert [*commands(page)] == [*commands(chinese)]
    assert len(blocks(page)) == len(blocks(chinese))


def test_every_page_is_in_the_menu():
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert page.name.endswith(".zh.md") or f": {page.relative_to(DOCS).as_posix()}\n" in menu, page


@pytest.mark.parametrize("language", ["", ".zh"])
def test_architecture_page_names_every_folder_and_only_existing_files(language):
    text = (DOCS / f"ARCHITECTURE{language}.md").read_text(encoding="utf-8")
    tree = set(re.findall(r"^  ([\w/.]+)", blocks(DOCS / f"ARCHITECTURE{language}.md")[0][1], re.M))
    own = [each for each in PACKAGE.iterdir() if each.suffix == ".py" or each.is_dir() and each.name != "__pycache__"]
    assert tree == {f"{each.name}/" if each.is_dir() else each.name for each in own}
    files = [
        path.relative_to(ROOT).as_posix()
        for folder in (PACKAGE, ROOT / "tests", ROOT / "benchmarks")
        for path in folder.rglob("*.*")
    ]
    for name in set(re.findall(r"`([\w/]+\.(?:py|js))`", text)):
        assert any(f"/{file}".endswith(f"/{name}") for file in files), name


# Settings ---------------------------------------------------------------------------------------------------------

KINDS = [  # in the order of the tables in settings.md: each lists what a class adds to its base class or changes
    (settings.Settings, object),
    (tasks.find("classify").Settings, settings.Settings),
    (span_task.SpanSettings, settings.Settings),
    (tasks.find("relation").Settings, span_task.SpanSettings),
    (tasks.find("subject").Settings, span_task.SpanSettings),
    (tasks.find("entity").Settings, span_task.SpanSettings),
]
assert issubclass(KINDS[1][0], truncation.TruncationSettings)


def table_row(field):
    return [f"`{field.name}`", "–" if field.default is None else f"`{field.default}`", field.metadata["help"]]


def fields(kind):
    return [table_row(each) for each in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []


@pytest.mark.parametrize("language", ["", ".zh"])
def test_settings_tables_match_the_package(language):
    text = (DOCS / f"settings{language}.md").read_text(encoding="utf-8")
    tables = re.findall(r"((?:^\| `\w+` \|.*\n)+)", text, re.M)
    assert len(tables) == len(KINDS)
    for table, (kind, base) in zip(tables, KINDS, strict=True):
        wanted = [row for row in fields(kind) if row not in fields(base)]
        rows = [cells(line) for line in table.splitlines()]
        assert [row[:2] for row in rows] == [row[:2] for row in wanted]
        if not language:
            assert [row[2] for row in rows] == [row[2] for row in wanted]


@pytest.mark.parametrize("language", ["", ".zh"])
def test_table_of_limits_matches_the_server(language):
    rows = [cells(line) for line in (DOCS / f"serving{language}.md").read_text(encoding="utf-8").splitlines()]
    found = [row for row in rows if row and row[0].startswith("`--")]
    wanted = dataclasses.fields(limits.Limits)
    assert [row[:2] for row in found] == [[f"`--{e.name.replace('_', '-')}`", f"`{e.default}`"] for e in wanted]
    if not language:
        assert [row[2] for row in found] == [each.metadata["help"] for each in wanted]


# Messages ---------------------------------------------------------------------------------------------------------

UNKNOWN = "…"  # a value that is inserted when the message is created


def shape(node):
    """The text of a string in the source, with UNKNOWN for each value that is only known at run time."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(shape(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return shape(node.left) + shape(node.right)
    return UNKNOWN


@functools.cache
def source():
    """(shapes of all strings in the package, shapes of its error messages)."""
    strings, errors = set(), []
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
                strings.add(shape(node))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("InputError", "RowError") and node.args:
                errors.append(shape(node.args[0]))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem":
                errors.append(shape(node.args[1]))
    return strings, [each for each in errors if set(each) - set(UNKNOWN)]


@functools.cache
def pattern(message):
    """A message in the guide as (its longest fixed part, regular expression)."""
    parts = message.split(UNKNOWN)
    return max(parts, key=len), re.compile(f".*{UNKNOWN}.*".join(map(re.escape, parts)).removeprefix(".*"), re.S)


def matches(message, shape):
    """Whether a message in the guide equals this shape or its beginning."""
    fixed, whole = pattern(message)
    return fixed in shape and whole.match(shape) is not None  # most shapes do not have the fixed part


def messages(language):
    text = (DOCS / f"troubles{language}.md").read_text(encoding="utf-8")
    return [message for line in re.findall(r"^\| (`.*?`) \|", text, re.M) for message in line[1:-1].split("`<br>`")]


def test_every_message_in_the_guide_exists_in_the_package():
    strings, _ = source()
    assert [message for message in messages("") if not any(matches(message, each) for each in strings)] == []


def test_every_error_message_of_the_package_is_in_the_guide():
    # A message with almost no fixed text would match every error.
    known = [message for message in messages("") if len(re.sub(rf"[{UNKNOWN}\W]", "", message)) > 3]
    _, errors = source()
    other = {each for each in errors if not any(matches(message, each) for message in known)}
    assert other <= VAGUE, other - VAGUE


VAGUE = {
    "…: …",
    "…, row …: …",
    "row …: …",
    "… …",
    "hf:… …",
    "…; …",
    "found …; …",
    "… is …: …",
}  # the guide lists the possible parts of these messages


def test_both_languages_list_the_same_messages():
    assert messages("") == messages(".zh")


# Commands and Python ----------------------------------------------------------------------------------------------


@functools.cache
def help_of(*words):
    """The output of `words --help`."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        getattr(cli, words[0].removeprefix("kbert-"))([*words[1:], "--help"])
    return out.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_commands_in_the_guide_use_existing_options(page):
    for words in commands(page):
        if "--task" in words and words[words.index("--task") + 1] in tasks.names():
            names = (words[0], "--task", words[words.index("--task") + 1])
        else:
            names = tuple(words[: 1 + (words[0] in ("kbert-checkpoint", "kbert-pretrain"))])
        known = re.findall(r"--[a-z][a-z0-9-]*", help_of(*names)) + ["--help", "--version"]
        assert known[2:], names
        assert [word for word in words if word.startswith("--") and word not in known] == [], words


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_python_code_in_the_guide_compiles_and_uses_public_names(page):
    for kind, text in blocks(page):
        if kind == "python":
            compile(text, page.name, "exec")
            assert set(re.findall(r"\bkb\.(\w+)", text)) <= {*kb.__all__}


@pytest.mark.parametrize("language", ["", ".zh"])
def test_reference_describes_every_public_name(language):
    text = (DOCS / f"reference{language}.md").read_text(encoding="utf-8")
    found = re.findall(r"^::: ([\w.]+)\.(\w+)\n(?:    options:\n      members: (.*)\n)?", text, re.M)
    for module, name, members in found:
        described = getattr(importlib.import_module(module), name)
        for member in re.findall(r"\w+", members):
            assert member == "false" or hasattr(described, member)
    assert {name for _, name, _ in found} >= {*kb.__all__}
