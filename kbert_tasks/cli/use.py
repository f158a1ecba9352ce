"""kbert-evaluate and kbert-predict: what a saved task says of a file."""

import csv
import dataclasses
import json
import sys
from pathlib import Path

from ..errors import InputError
from . import Parser, command, file_options

COLUMNS = ("text_column", "label_column", "text_b_column")


def _parser(name, description):
    parser = Parser(prog=name, description=description)
    parser.add_argument("run", metavar="DIR", help="the folder that kbert-train wrote")
    group = file_options(parser)
    for option in COLUMNS:
        group.add_argument("--" + option.replace("_", "-"), metavar="NAME", help="(default: as in training)")
    return parser


def _load(arguments):
    from ..saving import load

    task = load(arguments.run)
    said = {name: getattr(arguments, name) for name in COLUMNS if getattr(arguments, name)}
    unknown = said.keys() - {each.name for each in dataclasses.fields(task.settings)}
    if unknown:
        raise InputError(f"the task in {arguments.run} has no {', '.join(sorted(unknown))}")
    task.settings = dataclasses.replace(task.settings, **said)
    return task


@command
def evaluate(argv):
    parser = _parser("kbert-evaluate", "Score a trained task on labelled texts.")
    parser.add_argument("file", metavar="F", help="labelled texts")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    arguments = parser.parse_args(argv)
    from ..data import read

    rows = read(arguments.file, header=arguments.header, encoding=arguments.encoding)
    report = _load(arguments).evaluate(rows)
    if arguments.json:
        print(json.dumps({"scores": report.scores, "examples": report.examples}, ensure_ascii=False, indent=2))
    else:
        print(report)


@command
def predict(argv):
    parser = _parser("kbert-predict", "Answers of a trained task, in the input's order.")
    parser.add_argument(
        "file", metavar="F", nargs="?", default="-", help="texts; - or nothing: lines of standard input"
    )
    parser.add_argument("--output", metavar="F", help="a .csv or .jsonl file (default: standard output)")
    parser.add_argument("--format", choices=("csv", "jsonl"), help="of what is written (default csv)")
    arguments = parser.parse_args(argv)
    kind = arguments.format or (Path(arguments.output).suffix.lower()[1:] if arguments.output else "csv")
    if kind not in ("csv", "jsonl"):
        raise InputError(f"--output should end in .csv or .jsonl, not {arguments.output}")
    if arguments.output and not Path(arguments.output).absolute().parent.is_dir():
        raise InputError(f"{arguments.output} cannot be written: there is no folder {Path(arguments.output).parent}")
    if arguments.file == "-":
        _lines(arguments, kind)
    else:
        _file(arguments, kind)


def _file(arguments, kind):
    from ..data import read

    rows = read(arguments.file, header=arguments.header, encoding=arguments.encoding)
    task = _load(arguments)
    answers = task.predict(rows)
    _write(_joined(rows.to_dict("records"), answers), kind, arguments.output)
    empty = sum(answer is None for answer in answers)
    if empty:
        print(f"{empty} of {len(answers)} rows have no text: their answer is left empty", file=sys.stderr)


def _lines(arguments, kind):
    task = _load(arguments)
    lines = (line.rstrip("\r\n") for line in _decoded(sys.stdin.buffer, arguments.encoding))
    if sys.stdin.isatty():
        for line in lines:
            _write(_joined([{"text": line}], task.predict([line])), "jsonl", None)
    else:
        lines = list(lines)
        answers = task.predict(lines) if lines else []
        _write(_joined([{"text": line} for line in lines], answers), kind, arguments.output)


def _decoded(stream, encoding):
    for number, line in enumerate(stream, 1):
        try:
            yield line.decode(encoding or ("utf-8-sig" if number == 1 else "utf-8"))
        except (UnicodeDecodeError, LookupError) as error:
            raise InputError(f"standard input, line {number}: {error}; name its encoding with --encoding") from None


def _joined(rows, answers):
    """Each row's columns, then its answer's; an input column of the same name is kept as input_NAME."""
    names = next((tuple(answer.row()) for answer in answers if answer is not None), ())
    made = []
    for row, answer in zip(rows, answers, strict=True):
        new = dict.fromkeys(names) if answer is None else answer.row()
        made.append({f"input_{name}" if name in names else name: value for name, value in row.items()} | new)
    return made


def _write(rows, kind, path):
    """Writes to standard output, or aside and renamed to `path`."""
    if path is None:
        return _to(sys.stdout, rows, kind)
    aside = Path(path).with_name(f".{Path(path).name}.writing")
    try:
        with open(aside, "w", encoding="utf-8", newline="") as stream:
            _to(stream, rows, kind)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _to(stream, rows, kind):
    if kind == "jsonl":
        for row in rows:
            print(json.dumps(row, ensure_ascii=False, default=str), file=stream, flush=True)
    elif rows:
        writer = csv.DictWriter(stream, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
