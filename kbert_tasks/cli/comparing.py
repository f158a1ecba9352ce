"""kbert-compare: compares training runs."""

import json
from collections.abc import Sequence
from pathlib import Path

from .command import NO_OUTPUT, Parser, command, needs, page_file, write_page


@command
def compare(argv: Sequence[str]) -> None:
    parser = Parser(
        prog="kbert-compare",
        description="Compare trained tasks: what differs, and whether the differences of their scores are significant.",
    )
    parser.add_argument(
        "runs", metavar="DIR", nargs="+", help="folders written by kbert-train; the first is the baseline"
    )
    parser.add_argument(
        "--output", metavar="F", help="an .html file, with the texts that only one run answers correctly"
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    arguments = parser.parse_args(argv)
    if arguments.output is None:
        needs("stdout", f"{NO_OUTPUT}, or give a file with --output")
    output = None if arguments.output is None else page_file(Path(arguments.output))
    from ..comparison.compare import compare as compared

    found = compared(arguments.runs)
    if output is not None:
        from ..comparison.page import html

        write_page(html(found), output)
    if arguments.json:
        print(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        print(found)
        if output is not None:
            print(f"saved in {output}")
