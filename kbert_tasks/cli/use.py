"""kbert-evaluate and kbert-predict: scores and predictions of a saved task for a file."""

import argparse
import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import settings, tasks
from ..errors import InputError
from ..inference.openvino import ENGINES
from . import options
from .command import NO_OUTPUT, Parser, command, file_options, needs, tables
from .writing import KINDS, joined, write_parts, write_rows

if TYPE_CHECKING:
    import pandas as pd

    from ..inference.predict import Answer
    from ..tasks.base import Task

MANY = 20  # minimum number of identical answers for a warning
SLICE = 20_000  # number of rows that are answered and written together, so that memory does not grow with the file


def _later() -> dict[str, dataclasses.Field[Any]]:
    """Returns the settings that can be changed after training, for all tasks: a dict of name to dataclass field."""
    # The shared settings come last, so that text_column and label_column have their general help text.
    kinds = [*(tasks.find(name).Settings for name in tasks.names()), settings.Settings]
    return {each.name: each for kind in kinds for each in dataclasses.fields(kind) if each.metadata["later"]}


def _parser(name: str, description: str) -> Parser:
    parser = Parser(prog=name, description=description)
    parser.add_argument("run", metavar="DIR", help="a folder written by kbert-train")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="software that runs the model (default auto: openvino if it is installed, the run was exported by an earlier "
        "--engine openvino, and there is no GPU or TPU; otherwise keras)",
    )
    group = file_options(parser)
    for each in _later().values():
        options.add_option(group, each, f"{each.metadata['help']} (default: as in training)")
    return parser


def _load(arguments: argparse.Namespace) -> "Task[Any]":
    from ..tasks.loading import load

    task = load(arguments.run, arguments.engine)
    said = {name: value for name, value in vars(arguments).items() if name in _later()}
    unknown = said.keys() - {each.name for each in dataclasses.fields(task.settings)}
    if unknown:
        raise InputError(f"the task in {arguments.run} has no setting {', '.join(sorted(unknown))}")
    task.settings = dataclasses.replace(task.settings, **said)
    return task


@command
def evaluate(argv: Sequence[str]) -> None:
    parser = _parser("kbert-evaluate", "Score a trained task on labelled texts.")
    parser.add_argument("file", metavar="F", help="labelled texts")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    parser.add_argument("--errors", metavar="F", help="a .jsonl file for the wrong predictions")
    arguments = parser.parse_args(argv)
    if arguments.errors is None:
        needs("stdout", NO_OUTPUT)
    rows = tables(arguments, {"test": arguments.file})["test"]
    if arguments.errors is not None:
        _writable(arguments.errors, ("jsonl",), "--errors")
    report = _load(arguments).evaluate(rows)
    if arguments.errors is not None:
        write_rows(report.errors, "jsonl", arguments.errors)
    if arguments.json:
        print(json.dumps({"scores": report.scores, "examples": report.examples}, ensure_ascii=False, indent=2))
    else:
        print(report)


@command
def predict(argv: Sequence[str]) -> None:
    from ..data.annotations.formats import FORMATS

    parser = _parser(
        "kbert-predict",
        "Predict the answers for texts with a trained task. The output has one row for each input row, in the same order "
        "unless --uncertain-first is given.",
    )
    parser.add_argument(
        "file",
        metavar="F",
        nargs="?",
        default="-",
        help="file of texts; if it is - or missing, one text per line is read from standard input",
    )
    parser.add_argument("--output", metavar="F", help="file to write: .csv, .tsv or .jsonl (default: standard output)")
    others = [name for name in FORMATS if name not in KINDS]
    parser.add_argument(
        "--format",
        choices=(*KINDS, *others),
        help="output format (default: the extension of --output; on standard output csv, or jsonl for relations and "
        f"entities); {', '.join(others)}: annotated texts that an annotation tool can load",
    )
    parser.add_argument(
        "--uncertain-first", action="store_true", help="write the texts with the most uncertain answers first"
    )
    arguments = parser.parse_args(argv)
    if arguments.file == "-":
        needs("stdin", "give a file of texts")
    if arguments.output is None:
        needs("stdout", f"{NO_OUTPUT}, or give a file with --output")
    else:
        _writable(arguments.output, () if arguments.format else KINDS, "--output")
    if arguments.file == "-":
        _lines(arguments)
    else:
        _file(arguments)


def _writable(file: str, kinds: Sequence[str], option: str) -> None:
    """Checks that a file can be written, before any other work is done.

    Raises:
        InputError: the file has another ending than `kinds`, or its folder does not exist.
    """
    if kinds and Path(file).suffix.lower()[1:] not in kinds:
        raise InputError(f"{option} should end in {' or '.join(f'.{kind}' for kind in kinds)}, not {file!r}")
    if not Path(file).absolute().parent.is_dir():
        raise InputError(f"{file} cannot be written: there is no folder {Path(file).parent}")


def _kind(arguments: argparse.Namespace, task: "Task[Any]") -> str:
    """Returns the format of the output.

    Raises:
        InputError: the answers of the task cannot be written in this format.
    """
    from ..data.annotations.formats import check_column

    if arguments.format is None and arguments.output is not None:
        return Path(arguments.output).suffix.lower()[1:]
    kind = arguments.format or task.FORMAT
    if kind not in KINDS:
        check_column(kind, task.ANNOTATION)
    return kind


def _file(arguments: argparse.Namespace) -> None:
    rows = tables(arguments, {"new": arguments.file})["new"]
    task = _load(arguments)
    _answer(task, rows, arguments, _kind(arguments, task))


def _lines(arguments: argparse.Namespace) -> None:
    from ..data.encodings import decoded, lines
    from ..data.tables import table

    task = _load(arguments)
    kind = _kind(arguments, task)
    second = getattr(task.settings, task.SECOND) if task.paired and task.SECOND else None
    columns = (task.settings.text_column, None, second)

    def rows(texts: list[str]) -> "pd.DataFrame":
        return table([tuple(text.split("\t", 1)) for text in texts] if task.paired else texts, columns=columns)

    one_by_one = arguments.output is None and kind in KINDS and not arguments.uncertain_first
    if sys.stdin.isatty() and one_by_one:
        for line in sys.stdin:
            _answer(task, rows([line.rstrip("\n")]), arguments, "jsonl")
    else:
        text = decoded(sys.stdin.buffer.read(), "standard input", arguments.encoding)
        _answer(task, rows(lines(text) if text else []), arguments, kind)


def _answer(task: "Task[Any]", rows: "pd.DataFrame", arguments: argparse.Namespace, kind: str) -> None:
    """Writes each row with its answer, and prints the number of rows without an answer."""
    from ..data.annotations import formats
    from ..inference.predict import answered
    from ..tasks.annotate import annotated, by_certainty

    none: Counter[str] = Counter()
    given: Counter[str] = Counter()
    problems: Counter[str] = Counter()

    def each_row() -> "Iterator[tuple[dict[str, Any], Answer | None]]":
        for start in range(0, len(rows), SLICE):
            some = rows.iloc[start : start + SLICE]
            some.attrs["before"] = start
            examples = task.examples(some, gold=False)
            none.update(examples.skipped)
            found = answered(task, examples)
            if len(given) < 2:
                given.update(str(task.to_dict(each.prediction)[task.ANSWER[0]]) for each in found if each is not None)
            yield from zip(some.to_dict("records"), found, strict=True)

    answers = by_certainty(task, each_row()) if arguments.uncertain_first else each_row()
    if kind in KINDS:
        write_rows(joined(task, answers, arguments.uncertain_first), kind, arguments.output)
    else:
        texts, name = annotated(task, answers, problems), Path(arguments.run).resolve().name
        write_parts(formats.lines(texts, kind, problems, model_version=name), arguments.output)
    if none:
        reasons = ", ".join(f"{reason} {count}" for reason, count in none.items())
        print(f"{none.total()} of {len(rows)} rows have no answer ({reasons})", file=sys.stderr)
    for problem, number in problems.items():
        print(f"{number} {problem}", file=sys.stderr)
    if len(given) == 1 and given.total() >= MANY:
        print(f"all {given.total()} answers are the same: {task.ANSWER[0]} {next(iter(given))!r}", file=sys.stderr)
