"""The page of a search: the trials as a table, their scores, and the importance of the settings, as one HTML file."""

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from ..html import fonts
from ..html.drawing import FIRST, INK, SECOND, svg
from ..html.templates import template
from .space import DIGITS, Choices, Range
from .table import ranked, rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .search import Prepared
    from .study import Study

ENOUGH = 5  # with fewer complete trials, the importance of a setting means nothing


def html(study: "Study", found: "Prepared") -> str:
    """Returns the page of a search."""
    font, task = fonts.chinese(), found.task
    trials, best = rows(study), study.best()
    important = importances(study)
    made = template("page.html.jinja", Path(__file__).parent, undefined=jinja2.StrictUndefined).render(
        title=task.presentation.title or task.name,
        chinese=task.presentation.title_zh,
        score=task.MAIN_SCORE,
        trials=ranked(trials),
        names=[*study.space],
        best=next((row for row in trials if best and row["trial"] == best.number), None),
        default=next((row for row in trials if row["note"].startswith("automatic")), None),
        space={name: str(each) for name, each in study.space.items()},
        texts={"training": len(found.train.rows), "development": len(found.dev.rows)},
        final={"trial": None, "scores": {}} | study.final,
        history=_history(trials, font),
        importance=_importance(important, font) if important else None,
        enough=ENOUGH,
        settings=[_setting(trials, name, each, font) for name, each in study.space.items()],
        advice=fonts.advice(font),
        family=fonts.FAMILY,
    )
    return fonts.embedded(made, font)


def importances(study: "Study") -> dict[str, float]:
    """Returns the importance of each setting, from 0 to 1 with the sum 1, the largest first; {} with too few trials."""
    import optuna

    complete = [
        each for each in study.trials() if each.state.name == "COMPLETE" and each.params.keys() == study.space.keys()
    ]
    if len(complete) < ENOUGH or len({each.value for each in complete}) < 2:
        return {}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            copy = optuna.create_study(direction="maximize")
            copy.add_trials(complete)
            found = optuna.importance.get_param_importances(copy)
    finally:
        optuna.logging.set_verbosity(verbosity)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _history(trials: list[dict[str, Any]], font: fonts.Font | None) -> str:
    """Plots the score of each trial, and the best score so far."""

    def draw(axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        _points(axes, [row["trial"] for row in trials], trials)
        complete = [row for row in trials if row["state"] == "complete"]
        best = [max(row["dev"] for row in complete[: i + 1]) for i in range(len(complete))]
        axes.step([row["trial"] for row in complete], best, where="post", color=INK, linewidth=1, label="best so far")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlabel("trial 试验" if font else "trial")
        axes.set_ylabel("development score 验证集得分" if font else "development score")
        axes.legend(loc="best")

    return svg(draw, "history", font)


def _importance(found: dict[str, float], font: fonts.Font | None) -> str:
    """Plots the importance of each setting as a bar."""

    def draw(axes: "Axes") -> None:
        names = [*found][::-1]
        axes.barh(names, [found[name] for name in names], color=FIRST, height=0.6)
        axes.grid(False, axis="y")
        axes.set_xlabel("importance 重要性" if font else "importance")

    return svg(draw, "importance", font, height=1 + 0.3 * len(found))


def _setting(trials: list[dict[str, Any]], name: str, values: Choices | Range, font: fonts.Font | None) -> str:
    """Plots the scores of the trials against the values of one setting."""

    def draw(axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator, NullFormatter

        shown = [row for row in trials if row[name] is not None]
        if isinstance(values, Choices):
            order = [*values.values, *{row[name] for row in shown} - {*values.values}]
            _points(axes, [order.index(row[name]) for row in shown], shown)
            axes.set_xticks(range(len(order)), [str(each) for each in order])
            axes.set_xlim(-0.5, len(order) - 0.5)
        else:
            _points(axes, [row[name] for row in shown], shown)
            if values.log:
                axes.set_xscale("log")
                axes.set_xlim(values.low * 0.9, values.high * 1.1)
                axes.set_xticks([values.low, math.sqrt(values.low * values.high), values.high])
                axes.xaxis.set_major_formatter(lambda value, _: f"{value:.{DIGITS}g}")
                axes.xaxis.set_minor_formatter(NullFormatter())
            elif isinstance(values.low, int):
                axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlabel(name)
        axes.set_ylabel("development score 验证集得分" if font else "development score")

    return svg(draw, f"setting-{name}", font)


def _points(axes: "Axes", places: list[Any], trials: list[dict[str, Any]]) -> None:
    """Draws a mark for each trial with a score: a disc if it is complete, otherwise a cross."""
    for states, marker, colour, label in (
        (("complete",), "o", FIRST, "complete"),
        (("pruned",), "x", SECOND, "pruned"),
    ):
        found = [
            (place, row["dev"])
            for place, row in zip(places, trials, strict=True)
            if row["state"] in states and row["dev"] is not None
        ]
        if found:
            x, y = zip(*found, strict=True)
            axes.scatter(x, y, s=26, marker=marker, color=colour, label=label, zorder=3)
