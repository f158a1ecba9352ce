"""kbert-explain: shows the contribution of each token to an answer."""

import json
from collections.abc import Sequence
from pathlib import Path

from ..explanation.explain import STEPS
from ..explanation.explain import explain as explained
from .command import NO_OUTPUT, Parser, command, needs, page_file, write_page


@command
def explain(argv: Sequence[str]) -> None:
    parser = Parser(
        prog="kbert-explain",
        description="Show which tokens of a text an answer comes from (integrated gradients), and what each head attends to.",
    )
    parser.add_argument("run", metavar="DIR", help="a folder written by kbert-train")
    parser.add_argument("text", metavar="TEXT", help="the text")
    parser.add_argument("--text-b", metavar="T", help="second text of a pair, or the event type")
    parser.add_argument(
        "--answer",
        metavar="A",
        help="a label; 'subject | predicate | object', or a JSON list of the three; a subject ('' for none), or "
        "'event type | subject' if the model finds the types; an entity: 'string | type', "
        "or [start, end, type] in JSON; default: what is predicted",
    )
    parser.add_argument(
        "--steps", type=int, default=STEPS, metavar="N", help=f"number of steps of the integral (default {STEPS})"
    )
    parser.add_argument("--output", metavar="F", help="an .html file, with the attention of each layer and head")
    parser.add_argument("--json", action="store_true", help="print the attributions as JSON")
    arguments = parser.parse_args(argv)
    if arguments.output is None:
        needs("stdout", f"{NO_OUTPUT}, or give a file with --output")
    output = None if arguments.output is None else page_file(Path(arguments.output))
    from ..tasks.loading import load

    found = explained(load(arguments.run, "keras"), arguments.text, arguments.text_b, arguments.answer, arguments.steps)
    if output is not None:
        from ..explanation.page import html
        from ..html import fonts

        write_page(fonts.embedded(html(found), fonts.chinese()), output)
    if arguments.json:
        print(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
    elif output is None:
        print(found)
    else:
        from ..explanation.terminal import summary

        print(f"{summary(found)}\nsaved in {output}")
