"""kbert-compare: compares training runs."""

import json
from pathlib import Path

from .command import NO_OUTPUT, Parser, command, needs, page_file, write_page


@command
def compare(argv):
    parser = Parser(
        prog="kbert-compare",
        description="Show in what trained tasks differ, and whether their scores differ by more than chance.",
    )
    parser.add_argument(
        "runs", metavar="DIR", nargs="+", help="folders that kbert-train wrote; the first is the baseline"
    )
    parser.add_argument("--output", metavar="F", help="an .html file, with the texts that one run alone has right")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    arguments = parser.parse_args(argv)
    if arguments.output is None:
        needs("stdout", f"{NO_OUTPUT}, or name a file with --output")
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
