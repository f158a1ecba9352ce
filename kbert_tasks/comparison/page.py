"""Comparison as one HTML page that works offline, in the style of report.html."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from .. import tasks
from ..html import fonts
from ..html.drawing import FIRST, INK, SECOND, THIRD, svg
from ..html.templates import template
from ..reporting import mistakes, plots, tables
from ..tasks.presentation import Presentation
from . import compare
from .runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOGETHER = 3  # maximum number of runs, besides the baseline, in one plot of curves, which has four line styles
LONGEST = {"legend": 16, "axis": 20}  # maximum length of a name in a plot, in characters


def html(comparison: compare.Comparison) -> str:
    """Returns the comparison as an HTML page.

    Args:
        comparison: a Comparison.

    Returns:
        The page as a str. It may contain lone surrogates from the texts, so encode it with a suitable `errors` argument.
    """
    font, runs = fonts.chinese(), comparison.runs
    presentation = tasks.find(comparison.task).presentation
    made = template(
        "page.html.jinja",
        Path(__file__).parent,
        undefined=jinja2.StrictUndefined,
        filters={"cell": compare.cell, "said": compare.said, "span": compare.span, "points": compare.points},
    ).render(
        c=comparison,
        title=presentation.title or comparison.task,
        chinese=presentation.title_zh,
        entities=bool(presentation.entities),
        main={run.name: _main(run) for run in runs},
        curves=_curves(comparison, font),
        intervals=_intervals(comparison, font),
        compared=[each for each in comparison.differences if not each.why_not],
        apart=lambda difference: _apart(presentation, difference),
        other_seed=compare.OTHER_SEED,
        advice=fonts.advice(font),
        family=fonts.FAMILY,
    )
    return fonts.embedded(made, font)


def _main(run: Run) -> tuple[str, float, str] | None:
    """Returns (name, value, "test" or "dev") of the main score of a run, or None."""
    score = tables.main_score(run.report["scores"].get(run.answered, {}))
    return score and (*score, run.answered)


def _curves(comparison: compare.Comparison, font: fonts.Font | None) -> list[str]:
    """Returns plots of the development scores by epoch, each with the baseline and at most TOGETHER other runs."""
    score, made = tasks.find(comparison.task).MAIN_SCORE, []
    names = _short([run.name for run in comparison.runs], "legend")
    drawn = [
        (name, [(epoch.get("dev") or {}).get(score) for epoch in run.report["history"]])
        for name, run in zip(names, comparison.runs, strict=True)
    ]
    for start in range(1, len(drawn), TOGETHER):
        lines = {name: line for name, line in (drawn[0], *drawn[start : start + TOGETHER]) if set(line) - {None}}
        if lines:
            y = f"development {compare.said(score)}", "验证集得分"
            made.append(plots.curves(lines, f"dev-{start}", font, y, share=True))
    return made


def _intervals(comparison: compare.Comparison, font: fonts.Font | None) -> str | None:
    """Returns a plot of the differences of the main score with their intervals; None if no runs can be compared."""
    names = [run.name for run in comparison.runs]
    short = dict(zip(names, _short(names, "axis"), strict=True))
    compared = [each for each in comparison.differences if not each.why_not]
    found = [(short[each.run], next(iter(each.scores.values()))) for each in compared]
    if not found:
        return None

    def draw(axes: "Axes") -> None:
        for i, (_, each) in enumerate(found):
            colour = THIRD if each.low > 0 else SECOND if each.high < 0 else FIRST
            axes.hlines(i, 100 * each.low, 100 * each.high, color=colour, linewidth=2)
            axes.plot(100 * each.difference, i, "o", color=colour, markersize=7)
        axes.axvline(0, color=INK, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
        axes.set_yticks(range(len(found)), [name for name, _ in found])
        axes.set_ylim(len(found) - 0.4, -0.6)
        axes.grid(False, axis="y")
        name = compare.said(next(iter(compared[0].scores)))
        label = f"points of {name}"
        axes.set_xlabel(f"{label} 得分差（百分点）" if font else label)

    return svg(draw, "intervals", font, 4.6, 1.1 + 0.34 * len(found))


def _short(names: Sequence[str], place: str) -> list[str]:
    """Shortens names for a plot to their ends, where they usually differ, or to run numbers if that is ambiguous."""
    most = LONGEST[place]
    short = [name if len(name) <= most else "…" + name[1 - most :] for name in names]
    return short if len({*short}) == len(names) else [f"run {i}" for i in range(1, len(names) + 1)]


def _apart(
    presentation: Presentation, difference: compare.Difference
) -> list[tuple[str, str, list[dict[str, Any]], int]]:
    """Returns the texts that only one run answers right: a list of (right run, wrong run, texts to show, total number)."""
    found, half = [], mistakes.SHOWN // 2
    wrong = {True: [other for one, other in difference.pairs if one["right"]]}
    wrong[False] = [one for one, _ in difference.pairs if not one["right"]]
    for of_baseline in (False, True):
        most = max(half, mistakes.SHOWN - len(wrong[not of_baseline]))
        names = (difference.baseline, difference.run) if of_baseline else (difference.run, difference.baseline)
        found.append((*names, mistakes.worst(presentation, wrong[of_baseline])[:most], len(wrong[of_baseline])))
    return found
