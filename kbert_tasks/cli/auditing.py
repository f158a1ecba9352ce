"""kbert-audit: looks for wrong answers in a labelled file, and merges corrections."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import settings, tasks
from ..errors import InputError
from ..lock import locked
from . import options
from .arguments import add_task
from .command import Parser, command, file_options, tables

if TYPE_CHECKING:
    from ..tasks.base import Task


@command
def audit(argv: Sequence[str]) -> None:
    first = Parser(prog="kbert-audit", add_help=False)
    first.add_argument("--task", default="classify")
    task = tasks.find(first.parse_known_args(argv)[0].task)
    arguments = _parser(task).parse_args(argv)
    if arguments.corrections is not None:
        _merge(task, arguments)
    else:
        output = arguments.output or f"runs/audit-{Path(arguments.file).stem}"
        with locked(output):
            _audit(task, arguments, Path(output))


def _parser(task: "type[Task[Any]]") -> Parser:
    parser = Parser(
        prog="kbert-audit",
        description="Find labels that are probably wrong, with models that have not seen them, and other problems of labelled "
        "texts. Needs pip install 'kbert-tasks[audit]'.",
        epilog="Options of the other tasks: kbert-audit --task NAME --help",
    )
    parser.add_argument("file", metavar="F", help="file of labelled texts, usually the training file")
    add_task(parser)
    parser.add_argument("--test", metavar="T", help="labelled test file; texts that it shares with F are reported")
    parser.add_argument(
        "--folds",
        type=int,
        metavar="N",
        help="number of models, each of which judges the texts that it has not seen (default: 5 for at most 10,000 texts, "
        "otherwise 3)",
    )
    parser.add_argument(
        "--texts-only", action="store_true", help="train no model: check the texts and the label names only"
    )
    parser.add_argument(
        "--corrections",
        metavar="FILE",
        help="merge this corrected file into F instead of an audit, and write the result to --output",
    )
    parser.add_argument(
        "--output",
        metavar="OUT",
        help="folder for the files of the audit (default runs/audit-NAME); with --corrections the new file "
        "(default NAME.corrected with the extension of F)",
    )
    groups: dict[str, argparse._ActionsContainer] = {"common": parser, "data": file_options(parser)}
    for group, title in settings.GROUPS.items():
        place = groups.get(group) or parser.add_argument_group(title)
        groups[group] = place
        options.add_options(place, task.Settings, group=group)
    groups["output"].add_argument("--no-resume", action="store_true", help="ignore saved progress and start over")
    return parser


def _audit(kind: "type[Task[Any]]", arguments: argparse.Namespace, folder: Path) -> None:
    from ..auditing.audit import audit as audited
    from ..checkpoint import embedded
    from ..saving.folder import progress_of
    from ..settings import AUTO
    from ..training.resume import delete

    if folder.is_file():
        raise InputError(f"{folder} is a file: choose a folder for the files of the audit")
    task = kind(arguments.checkpoint or embedded.NAME, **options.given(arguments, kind.Settings))
    if arguments.checkpoint is None and not arguments.texts_only:
        print(f"no --checkpoint: using {embedded.NAME}, the small Chinese checkpoint of the package", flush=True)
    files = {"train": arguments.file} | ({"test": arguments.test} if arguments.test else {})
    rows = tables(arguments, files)
    backup = progress_of(folder)
    if arguments.no_resume:
        delete(backup)
    found = audited(
        task,
        rows["train"],
        test=rows.get("test"),
        folds=AUTO if arguments.folds is None else arguments.folds,
        texts_only=arguments.texts_only,
        resume_dir=backup,
    )
    found.write(folder)
    delete(backup)
    print(f"{found}\nsaved in {folder}\nPage: {folder / 'audit.html'}")


def _merge(kind: "type[Task[Any]]", arguments: argparse.Namespace) -> None:
    from ..auditing.corrections import merge
    from ..data.writing import kind_for, write_table

    given = [f"--{name.replace('_', '-')}" for name in ("test", "folds", "texts_only") if getattr(arguments, name)]
    if given:
        raise InputError(f"--corrections makes no audit: leave out {', '.join(given)}")
    file, corrections = Path(arguments.file), Path(arguments.corrections)
    output = Path(arguments.output or file.with_name(f"{file.stem}.corrected{kind_for(file)}"))
    if output.resolve() in (file.resolve(), corrections.resolve()):
        raise InputError(f"{output} is an input file and is not overwritten: choose another file with --output")
    if not output.absolute().parent.is_dir():
        raise InputError(f"{output} cannot be written: there is no folder {output.parent}")
    table = tables(arguments, {"train": file})["train"]
    made = merge(kind(**options.given(arguments, kind.Settings)), table, corrections)
    write_table(made.table, output)
    print(f"{file}: {len(table)} rows; {corrections}: {made.counts.total()} texts")
    for what, number in made.counts.items():
        print(f"  {what}: {number}")
    if made.unknown:
        shown = ", ".join(map(str, made.unknown[:10])) + (" ..." if len(made.unknown) > 10 else "")
        print(f"  rows of {corrections} that are not found: {shown}")
    change = f" ({made.added:+d})" if made.added else ""
    print(f"saved in {output}: {len(made.table)} rows{change}")
