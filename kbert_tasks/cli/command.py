"""What the commands share: parser, exit status, and options and files that several of them have."""

import argparse
import functools
import os
import sys
import time

from .. import __version__
from ..errors import InputError

# The console scripts import this module first, a few hundredths of a second after their process has started.
_IMPORTED = _began = time.perf_counter()


def elapsed():
    """Seconds since the running command was started: with its process, or by a call from Python."""
    return time.perf_counter() - _began


class Parser(argparse.ArgumentParser):
    """argparse, but an error is one sentence and no usage page."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)
        self.add_argument("--version", action="version", version=f"kbert_tasks {__version__}")

    def error(self, message):
        raise InputError(f"{message}; see {self.prog} --help")


def command(run):
    """Makes `run(argv)` a console command."""

    @functools.wraps(run)
    def main(argv=None):
        global _began
        _began = _IMPORTED if argv is None else time.perf_counter()
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        name = f"kbert-{run.__name__}"
        try:
            run(sys.argv[1:] if argv is None else argv)
            sys.stdout.flush()
            return 0
        except InputError as problem:
            print(f"{name}: {problem}", file=sys.stderr)
        except KeyboardInterrupt:
            goes_on = (
                "; the same command goes on from the last save, if there is one"
                if run.__name__ in ("train", "pretrain")
                else ""
            )
            print(f"{name}: stopped; an earlier output is as it was{goes_on}", file=sys.stderr)
            return 130
        except BrokenPipeError:  # the reader, such as `head`, has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except OSError as problem:  # a full disk, a folder without permission
            print(f"{name}: {problem.strerror or problem}: {problem.filename or 'no file named'}", file=sys.stderr)
        except Exception as problem:
            if not isinstance(problem, MemoryError) and type(problem).__name__ != "ResourceExhaustedError":
                raise
            advice = {
                "train": "try half the --batch-size, or a smaller --max-length",
                "pretrain": "with train, try half the --batch-size, or a smaller --length",
            }.get(run.__name__, "give fewer rows or a shorter text, or free some")
            print(f"{name}: out of memory: {advice}", file=sys.stderr)
        return 2

    return main


def file_options(parser):
    """How a file of rows is to be read."""
    group = parser.add_argument_group("files (CSV, TSV, JSONL, Excel, Parquet)")
    group.add_argument(
        "--no-header", action="store_false", dest="header", help="the first line is data; columns are 1, 2, ..."
    )
    group.add_argument("--encoding", help="of text files; by default UTF-8, or GBK where the bytes tell")
    return group


def page_file(path):
    """The path, if a page can be written there."""
    if path.suffix.lower() != ".html":
        raise InputError(f"--output should end in .html, not {str(path)!r}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(f"{path} cannot be written: it is a folder, or there is no folder {path.parent}")
    return path
