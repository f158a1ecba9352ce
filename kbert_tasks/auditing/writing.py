"""Writes the files of an audit: tables, the page, and the rows to correct for annotation tools."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.annotations import formats
from ..data.output import Delimited, json_line
from ..disk import unwritable
from ..files import replacing
from ..metrics.formatting import counts_text
from .findings import KINDS

if TYPE_CHECKING:
    from .audit import Audit, Line

CSV, JSONL, PAGE = "audit.csv", "audit.jsonl", "audit.html"
DOCCANO, LABEL_STUDIO = "correct.doccano.jsonl", "correct.label-studio.json"
TO_CORRECT = ("answer", "same text", "similar text", "unlabelled", "name")  # what can be corrected in the answer

log = logging.getLogger("kbert_tasks")


def write(audit: "Audit", folder: str | PathLike[str]) -> None:
    """Writes all files of an audit to a folder, which is created if necessary."""
    from .page import html

    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(place, error) from None
    with replacing(place / JSONL) as stream:
        stream.writelines(json_line(line.as_dict()) for line in audit.lines)
    with replacing(place / CSV) as stream:
        _table(audit, stream)
    for name, lines in ((DOCCANO, doccano(audit)), (LABEL_STUDIO, label_studio(audit))):
        if (parts := [*lines]) and parts != ["[]\n"]:
            with replacing(place / name) as stream:
                stream.writelines(parts)
        else:
            (place / name).unlink(missing_ok=True)  # of an earlier audit
    with replacing(place / PAGE) as stream:
        stream.write(html(audit))


def _table(audit: "Audit", stream: Any) -> None:
    """Writes the CSV file: as audit.jsonl, with the kinds and the reasons of the findings as text."""
    texts = dict.fromkeys(name for line in audit.lines for name in line.question)
    names = ["row", "rows", "suspicious", "score", "given", "suggested", "kinds", "reasons", *texts]
    table = Delimited(stream, "csv", names)
    for line in audit.lines:
        row = line.as_dict()
        findings = row.pop("findings")
        joined = {f"{name}s": "; ".join(each[name] for each in findings) for name in ("kind", "reason")}
        table.add({"rows": list(line.rows)} | row | joined)


def to_correct(audit: "Audit") -> list["Line"]:
    """Returns the lines whose answers should be looked at again, most suspicious first."""
    return [
        line
        for line in audit.lines
        if line.place is not None and any(each.kind in TO_CORRECT for each in line.findings)
    ]


def annotated(audit: "Audit") -> Iterator[dict[str, Any] | None]:
    """Yields the rows for annotation tools: the given answer, and as other columns the row, the suggestion and the reason.

    None stands for a row whose answers they cannot show.
    """
    judging = audit.task.judging()
    for line in to_correct(audit):
        row = judging.annotated(audit.read.rows[line.place or 0])
        about = {"row": line.rows[0], "reason": "; ".join(each.reason for each in line.findings)}
        yield row and row | about | ({} if line.suggested is None else {"suggested": line.suggested})


def doccano(audit: "Audit") -> Iterable[str]:
    """Returns the lines of a JSONL file for doccano."""
    return _lines(audit, "doccano")


def label_studio(audit: "Audit") -> Iterable[str]:
    """Returns the parts of a JSON file for Label Studio."""
    return _lines(audit, "label-studio")


def _lines(audit: "Audit", format: str) -> Iterable[str]:
    rows, left_out = [], 0
    for row in annotated(audit):
        problems: Counter[str] = Counter()
        if row is not None:
            _ = [*formats.lines([row], format, problems)]
        if row is None or problems:  # otherwise the answers that are not shown would vanish when the file is merged
            left_out += 1
        else:
            rows.append(row)
    if left_out:
        log.warning(
            "%d texts to correct are not in the file for %s, which cannot show all of their answers: correct them in the "
            "original file",
            left_out,
            format,
        )
    return formats.lines(rows, format, Counter()) if rows else []


def text(audit: "Audit") -> str:
    """Returns the counts of an audit as text for the console."""
    lines = [f"{audit.file}: {counts_text(audit.examples)}"]
    if audit.out_of_fold is not None:
        lines.append(str(audit.out_of_fold))
        unknown = sum(line.score is None for line in audit.lines if line.place is not None)
        if unknown:
            lines.append(f"{unknown} texts were not judged, because no other fold has their label")
    for kind, number in audit.counts.items():
        lines.append(f"  {KINDS[kind][0]}: {number}")
    if not audit.counts:
        lines.append("  nothing was found")
    if audit.warning:
        lines.append(audit.warning)
    return "\n".join(lines)
