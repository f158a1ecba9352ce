"""audit.html: the suspicious rows and the other findings, as one page that opens offline."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from ..html import fonts
from ..html.templates import template
from ..reporting import spans
from ..reporting.mistakes import labels
from .findings import KINDS

if TYPE_CHECKING:
    from ..tasks.presentation import Presentation
    from .audit import Audit, Line

SHOWN = 200  # maximum number of suspicious rows
OF_KIND = 50  # maximum number of rows of each other kind
STRINGS = 20  # maximum number of answers of a text
LONG = 400  # maximum number of characters of a text in the tables


def html(audit: "Audit") -> str:
    """Returns the page of an audit. It may contain lone surrogates, so encode it with a suitable `errors` argument."""
    font, shown = fonts.chinese(), audit.task.presentation
    suspicious = [line for line in audit.lines if line.suspicious]
    made = template("audit.html.jinja", Path(__file__).parent, undefined=jinja2.StrictUndefined).render(
        audit=audit,
        name=Path(audit.file).name,
        title=shown.title or audit.task.name,
        chinese=shown.title_zh,
        entities=bool(shown.entities),
        number=len(suspicious),
        suspicious=[_answer(shown, line) for line in suspicious[:SHOWN]],
        sections=[_section(audit, shown, kind) for kind in audit.counts if kind != "answer"],
        scored=audit.out_of_fold is not None,
        advice=fonts.advice(font),
        family=fonts.FAMILY,
    )
    return fonts.embedded(made, font)


def _answer(shown: "Presentation", line: "Line") -> dict[str, Any]:
    """Prepares a line with its texts, its given and suggested answers, and its reasons."""
    keys = [key for key in shown.question if key != shown.about]
    texts = [text for key in keys if (text := line.question.get(key)) is not None]
    made = {
        "row": ", ".join(map(str, line.rows)),
        "score": line.score,
        "about": line.question.get(shown.about) if shown.about else None,
        "reasons": [each.reason for each in line.findings],
        "left_out": sum(max(0, len(text) - spans.LONG) for text in texts),
    }
    if not shown.keys:
        pieces = [[(text[: spans.LONG], "")] for text in texts]
        return made | {"texts": pieces, "given": labels(line.given), "suggested": labels(line.suggested)}
    answer = {**line.question, "gold": line.given, "predicted": line.suggested or ()}
    pieces = [spans.marked(answer, shown.entities)]
    given, suggested = (_strings(shown, each) for each in (line.given, line.suggested))
    return made | {"texts": pieces, "given": given, "suggested": suggested}


def _strings(shown: "Presentation", answers: Sequence[Mapping[str, Any]] | None) -> tuple[str, ...] | None:
    """Returns answers that are dicts as strings; None without answers to show."""
    if answers is None:
        return None
    keys = [key for key in shown.keys if key != "start"]
    found = dict.fromkeys(" → ".join(str(each[key]) for key in keys if key in each) for each in answers)
    return (*list(found)[:STRINGS], *([f"… {len(found) - STRINGS} more"] if len(found) > STRINGS else []))


def _section(audit: "Audit", shown: "Presentation", kind: str) -> dict[str, Any]:
    """Prepares the table of one kind of findings."""
    lines = [line for line in audit.lines if any(each.kind == kind for each in line.findings)]
    rows = []
    for line in lines[:OF_KIND]:
        text = " / ".join(str(line.question[key]) for key in shown.question if line.question.get(key) is not None)
        given = labels(line.given) if not shown.keys else _strings(shown, line.given)
        reasons = [each.reason for each in line.findings if each.kind == kind]
        more = " …" if len(text) > LONG else ""
        rows.append(
            {"row": ", ".join(map(str, line.rows)), "text": text[:LONG] + more, "given": given, "reasons": reasons}
        )
    english, chinese = KINDS[kind]
    return {"id": kind.replace(" ", "-"), "english": english, "chinese": chinese, "number": len(lines), "rows": rows}
