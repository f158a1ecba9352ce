"""Shared parts of the commands: the argument parser, the exit status, and common options and files."""

import argparse
import functools
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .. import __version__
from ..disk import FULL
from ..errors import InputError

if TYPE_CHECKING:
    import pandas as pd

# The console scripts import this module first, so that this is close to the start of the process.
_IMPORTED = _began = time.perf_counter()


NO_OUTPUT = "keep it open, because the result is printed there"
_closed: list[str] = []  # names of the closed standard streams


def elapsed() -> float:
    """Returns the number of seconds since the command started, as a process or by a call from Python."""
    return time.perf_counter() - _began


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that reports errors in one sentence, and does not read a text such as -5度 as an option."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)
        self._given: list[str] = []
        # argparse reads negative numbers as values; extend this to a dash followed by anything but a dash or a letter.
        self._negative_number_matcher = re.compile("-[^-A-Za-z]")
        self.add_argument("--version", action="version", version=f"kbert_tasks {__version__}")

    def parse_known_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        self._given = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        """Returns no matches: argparse would read a word such as -h好 as the option -h with something after it."""
        return []

    def error(self, message: str) -> NoReturn:
        dashed = [word for word in self._given if word.startswith("-") and not self._known(word)]
        advice = ""
        if dashed and "the following arguments are required" in message:
            advice = f"; {dashed[0]} was read as an option: put -- before a text that begins with a dash"
        elif "expected one argument" in message:
            advice = "; put = between an option and a value that begins with a dash"
        raise InputError(f"{message}{advice}; see {self.prog} --help")

    def _known(self, word: str) -> bool:
        return word in ("-", "--") or word.split("=")[0] in self._option_string_actions


def command(run: Callable[[Sequence[str]], None]) -> Callable[[Sequence[str] | None], int]:
    """Decorates `run(argv)` as a console command, which prints errors and returns the exit status."""

    @functools.wraps(run)
    def main(argv: Sequence[str] | None = None) -> int:
        global _began
        _began = _IMPORTED if argv is None else time.perf_counter()
        _closed[:] = _opened()
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        name = f"kbert-{run.__name__}"
        try:
            run(sys.argv[1:] if argv is None else argv)
            sys.stdout.flush()
            return 0
        except InputError as problem:
            print(f"{name}: {problem}", file=sys.stderr)
        except KeyboardInterrupt:
            goes_on = (
                "; run the same command again to resume from the last save, if there is one"
                if run.__name__ in ("train", "pretrain", "audit", "search")
                else ""
            )
            print(f"{name}: interrupted; earlier output was not changed{goes_on}", file=sys.stderr)
            return 130
        except BrokenPipeError:  # the reader of a pipe, such as `head`, has exited
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except OSError as problem:  # a full disk, a folder without permission
            full = "the disk is full; free disk space, and run the same command again" if problem.errno in FULL else ""
            where = problem.filename or full or "unknown file"
            print(f"{name}: {problem.strerror or problem}: {where}", file=sys.stderr)
        except Exception as problem:
            if not isinstance(problem, MemoryError) and type(problem).__name__ != "ResourceExhaustedError":
                raise
            advice = {
                "train": "try half the --batch-size, or a smaller --max-length",
                "audit": "try half the --batch-size, or a smaller --max-length",
                "search": "try a smaller --max-length, or a space with smaller values of batch_size",
                "pretrain": "with train, try half the --batch-size, or a smaller --max-length",
            }.get(run.__name__, "use fewer rows or a shorter text, or free some memory")
            print(f"{name}: out of memory: {advice}", file=sys.stderr)
        return 2

    return main


def _opened() -> list[str]:
    """Replaces each closed standard stream (`>&-`) by the null device; returns the names of these streams.

    Otherwise the stream is None in Python, and the next opened file, such as a weights file, gets its file descriptor, so
    that output of native code is written to that file.
    """
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if name not in closed:
            continue
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
        setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
    return closed


def needs(stream: str, instead: str) -> None:
    """Checks that a standard stream is open.

    Args:
        stream: "stdin" or "stdout".
        instead: advice for the error message.

    Raises:
        InputError: the stream is closed.
    """
    if stream in _closed:
        raise InputError(f"standard {'input' if stream == 'stdin' else 'output'} is closed: {instead}")


def file_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds the options for reading tables to a parser; returns their argument group."""
    from ..data.annotations.formats import FORMATS

    group = parser.add_argument_group("data (CSV, TSV, JSON, JSONL, Excel, Parquet, and formats of annotated texts)")
    group.add_argument(
        "--no-header",
        action="store_false",
        dest="header",
        help="the file has no header line; its columns are named 1, 2, ...",
    )
    group.add_argument("--encoding", help="encoding of text files (default: UTF-8, UTF-16 and GBK are detected)")
    group.add_argument("--sheet", metavar="NAME|NUMBER", help="sheet of Excel files (default: the first)")
    group.add_argument(
        "--input-format",
        metavar="FORMAT",
        help=f"format of annotated texts, for all files that are read: {', '.join(FORMATS)} (default: it is detected)",
    )
    group.add_argument(
        "--token-column", type=int, metavar="N", help="column of the tokens in token files, from 1 (default: the first)"
    )
    group.add_argument(
        "--tag-column", type=int, metavar="N", help="column of the tags in token files, from 1 (default: the last)"
    )
    return group


def tables(arguments: argparse.Namespace, files: Mapping[str, str | Path]) -> "dict[str, pd.DataFrame]":
    """Reads tables with the options of `file_options`; --sheet applies only to Excel files, columns to token files.

    Args:
        arguments: the parsed arguments.
        files: dict of name to path.

    Returns:
        A dict of name to DataFrame.
    """
    from ..data.annotations.formats import is_token_file
    from ..data.tables import EXCEL, read

    excel = [file for file in files.values() if Path(file).suffix.lower() == EXCEL]
    if arguments.sheet is not None and not excel:
        raise InputError(f"--sheet is for Excel files, which end in {EXCEL}: leave it out")
    columns = {name: getattr(arguments, name) for name in ("token_column", "tag_column")}
    tokens = [file for file in files.values() if is_token_file(Path(file), arguments.input_format)]
    if any(column is not None for column in columns.values()) and not tokens:
        raise InputError("--token-column and --tag-column are for token files, such as .bio: leave them out")
    return {
        name: read(
            file,
            header=arguments.header,
            encoding=arguments.encoding,
            sheet=arguments.sheet if file in excel else None,
            format=arguments.input_format,
            **(columns if file in tokens else {}),
        )
        for name, file in files.items()
    }


def page_file(path: Path) -> Path:
    """Returns the path if an HTML page can be written there.

    Raises:
        InputError: the name does not end in .html, or the parent folder does not exist.
    """
    if path.suffix.lower() != ".html":
        raise InputError(f"--output should end in .html, not {str(path)!r}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(f"{path} cannot be written: it is a folder, or there is no folder {path.parent}")
    return path


def write_page(page: str, path: Path) -> None:
    """Writes the page to a temporary file and renames it."""
    from ..files import replacing

    with replacing(path) as file:
        file.write(page)
