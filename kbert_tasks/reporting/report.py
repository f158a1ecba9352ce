"""report.html: the report of a training run as one page that works offline, without external files."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import tasks
from ..html import fonts
from ..html.templates import template
from ..metrics import calibration
from ..metrics import formatting as report_text
from ..tasks.presentation import Presentation
from . import counting, mistakes, plots, tables

EXPLANATION = Path(__file__).parents[1] / "explanation"  # style and script of the explanations on the page
CELLS = 20  # maximum number of labels for a confusion matrix as a table; larger ones are shown as a heat map


def html(
    report: dict[str, Any],
    answers: Sequence[Mapping[str, Any]],
    why: Mapping[int, Sequence[tuple[str, str]]] | None = None,
) -> str:
    """Returns the report as an HTML page.

    Args:
        report: the dict of report.json. `files`, `command`, `plan`, `seeds`, `folds`, `learning_curve`, `lengths`,
            `baseline`, `run` and `advice` are optional.
        answers: a dict for each evaluated text (of the test set, or else of the development set), in the order of the file.
            All have `text`, `gold`, `predicted`, `loss`, `right` and `tokens`.
            classify: also `text_b` and `probabilities`; gold and predicted are labels or lists of labels, and predicted is
            None if the model abstained.
            relation: gold and predicted are lists of {subject, predicate, object}, optionally with subject_span,
            object_span, the types of both and probability.
            subject: also `event_type`; gold and predicted are lists of {subject}, optionally with span and probability. If
            the event types are found, they are in these lists instead.
            entity: gold and predicted are lists of {entity, type, start, end}, optionally with probability.
            Spans are [start, end) in characters.
        why: dict of the index of a wrong answer in `answers` to a list of (what is explained, HTML), as returned by
            `explanation.mistakes`, or None.

    Returns:
        The page as a str. It may contain lone surrogates from the texts, so encode it with a suitable `errors` argument.
    """
    font = fonts.chinese()
    shown_as = tasks.find(report["task"]).presentation
    evaluated = "test" if "test" in report["scores"] else "dev"
    page = template(
        "report.html.jinja",
        Path(__file__).parent,
        EXPLANATION,
        finalize=lambda value: "–" if value is None else value,
        filters={"shown": shown, "duration": duration},
    ).render(
        report=report,
        title=shown_as.title or report["task"],
        chinese=shown_as.title_zh,
        evaluated=evaluated,
        number=len(answers),
        wrong=sum(not answer["right"] for answer in answers),
        abstained=sum(answer["predicted"] is None for answer in answers),
        main={part: tables.main_score(scores) for part, scores in report["scores"].items()},
        baseline=report_text.baseline_text(report["baseline"]) if report.get("baseline") else None,
        teacher=report_text.teacher_text(report["teacher"]) if report.get("teacher") else None,
        baselines={
            part: tables.main_score(its) for part, its in report.get("baseline", {"scores": {}})["scores"].items()
        },
        tables=tables,
        class_=shown_as.group,
        classes=shown_as.groups_zh,
        kind_of=shown_as.kind_of,
        kinds_zh=shown_as.kinds_zh,
        training=_training(report, font),
        curve=_learning_curve(report.get("learning_curve"), font),
        confusion=_confusion(report["scores"].get(evaluated, {}), font),
        calibration=_calibration(report["scores"].get(evaluated, {}), answers, font),
        length=_length(report, answers, evaluated, font),
        mistakes=_mistakes(shown_as, answers, why or {}),
        explained=len(why or {}),
        maps=any('<div class="attention">' in made for reasons in (why or {}).values() for _, made in reasons),
        advice=fonts.advice(font),
        family=fonts.FAMILY,
    )
    return fonts.embedded(page, font)


def _training(report: Mapping[str, Any], font: fonts.Font | None) -> dict[str, Any]:
    losses, scores = tables.curves(report["history"])
    drawn = {"loss": plots.curves(losses, "loss", font, ("loss", "损失"))}
    if scores:
        best = report.get("best_epoch")
        drawn["score"] = plots.curves(scores, "scores", font, ("development score", "验证集得分"), best, share=True)
    return drawn | {"table": tables.epochs(report["history"])}


def _learning_curve(curve: Mapping[str, Any] | None, font: fonts.Font | None) -> dict[str, Any] | None:
    if not curve:
        return None
    table = tables.learning_curve(curve)
    gain = report_text.gain_text(curve) if curve["gain"] else None
    return {"plot": plots.learning_curve(curve, font), "table": table, "gain": gain, "sd": "sd" in curve["each"][0]}


def _confusion(scores: Mapping[str, Any], font: fonts.Font | None) -> dict[str, Any] | None:
    if not scores.get("confusion_matrix"):
        return None
    labels, matrix = (scores["confusion_matrix"][name] for name in ("labels", "rows_gold_columns_predicted"))
    texts = {label: each["support"] for label, each in scores["per_class"].items()}
    pairs = counting.confused(matrix, labels, texts) if len(labels) > 2 else []
    made = {"labels": labels, "pairs": tables.confused(pairs) if pairs else None, "rows": None}
    if len(labels) > CELLS:
        return made | {"picture": plots.heat(matrix, labels, font)}
    shares = [[(count, count / max(1, sum(row))) for count in row] for row in matrix]
    return made | {"rows": list(zip(labels, shares, strict=True))}


def _calibration(
    scores: Mapping[str, Any], answers: Sequence[Mapping[str, Any]], font: fonts.Font | None
) -> dict[str, Any] | None:
    pairs = counting.sureness(answers)
    if pairs is None:
        return None
    counts, sure, right = calibration.reliability(*pairs)
    return {
        "scores": scores,
        "error": float((counts * abs(sure - right)).sum() / counts.sum()),
        "plot": plots.reliability(counts, sure, right, font),
        "bins": calibration.BINS,
        "table": tables.bins(counts.tolist(), sure.tolist(), right.tolist()),
    }


def _length(
    report: Mapping[str, Any], answers: Sequence[Mapping[str, Any]], evaluated: str, font: fonts.Font | None
) -> dict[str, Any] | None:
    tokens = [(answer["tokens"], answer["right"]) for answer in answers if answer.get("tokens") is not None]
    parts = {name: found for name, found in (report.get("lengths") or {}).items() if found}
    if tokens:
        parts[evaluated] = [number for number, _ in tokens]
    if not parts:
        return None
    groups = counting.by_length(*zip(*tokens, strict=True)) if tokens else []
    return {
        "plot": plots.lengths(parts, report["settings"].get("max_length"), font),
        "by": plots.by_length(groups, font) if groups else None,
        "table": tables.lengths(groups),
    }


def _mistakes(
    presentation: Presentation, answers: Sequence[Mapping[str, Any]], why: Mapping[int, Sequence[tuple[str, str]]]
) -> list[dict[str, Any]]:
    worst = zip(mistakes.places(answers), mistakes.worst(presentation, answers), strict=True)
    return [mistake | {"why": why.get(place)} for place, mistake in worst]


def shown(value: Any) -> str:
    """Formats a table cell: four decimal places for floats below 100, otherwise one; a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}" if math.isfinite(value) and abs(value) < 100 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def duration(seconds: float) -> str:
    """Formats a duration, such as "2 h 5 min", "3 min 12 s" or "4.2 s"."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
