"""Writes configuration files: `run.yaml` of a saved task, and the output of `kbert-train --print-config`."""

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .reading import CHECKSUMS, IN_MEMORY, VERSIONS

WIDTH = 110  # of comments
HEADER = (
    "The settings of this run. To repeat it: kbert-train --config run.yaml --output NEW_FOLDER",
    "Options of the command line take precedence. A change of a file, the checkpoint or a version is reported.",
)


@dataclass(frozen=True)
class Described:
    """An option with its value and its help text; None means that the option is not set."""

    name: str
    value: Any
    help: str


def run_text(report: Mapping[str, Any]) -> str:
    """Returns the contents of `run.yaml`.

    Args:
        report: the contents of report.json. Its entry `run` has the `options` (dict of name to value; None is left out),
            `checksums` (of the files and the checkpoint) and `in_memory` (the names of data that was not in a file).
    """
    run, resolved = report["run"], report.get("resolved", {})
    lines = [f"# {line}" for line in HEADER]
    for name, value in run["options"].items():
        if value is not None:
            chosen = resolved.get(name) if value == "auto" else None
            comment = f"  # {chosen['value']}: {chosen['reason']}" if chosen else ""
            lines.append(_line(name, value) + comment)
    if run["options"].get("train") is None and not run.get("in_memory"):
        lines.insert(len(HEADER), "# The run used the sample data of the package.")
    if run.get("in_memory"):
        lines.append("# These rows were in memory, not in a file: this file repeats the run only with files for them.")
        lines.append(_line(IN_MEMORY, run["in_memory"]))
    for name, values in ((CHECKSUMS, run.get("checksums", {})), (VERSIONS, report.get("versions", {}))):
        if values:
            lines += [f"{name}:", *(f"  {_line(key, value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def described_text(heading: Iterable[str], groups: Iterable[tuple[str, Iterable[Described]]]) -> str:
    """Returns a configuration file with comments; options without a value are comments too.

    Args:
        heading: lines of a comment at the beginning.
        groups: pairs of the title of a group and its options.
    """
    lines = [f"# {line}" for line in heading]
    for title, options in groups:
        lines += ["", f"# ---- {title} ----"]
        for option in options:
            lines += [
                "",
                *textwrap.wrap(option.help, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False),
            ]
            lines.append(f"# {option.name}:" if option.value is None else _line(option.name, option.value))
    return "\n".join(lines) + "\n"


def _line(name: str, value: Any) -> str:
    import yaml

    def dumped(value: Any, flow: bool) -> str:
        return str(yaml.safe_dump(value, allow_unicode=True, default_flow_style=flow, width=float("inf"))).strip()

    if isinstance(value, list | tuple):
        return f"{name}: {dumped(list(value), True)}"
    return dumped({name: value}, False)
