"""Plots of the report as SVG. Axis labels are in English, and also in Chinese if a Chinese font is available."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..html.drawing import FIRST, INK, LINE, SECOND, THIRD, svg
from ..html.fonts import Font

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

LINES = ((FIRST, "-", "o"), (SECOND, "--", "s"), (THIRD, ":", "^"), (INK, "-.", "D"))  # distinct without colour
NAMED = 45  # maximum number of labels in a heat map whose names are legible


def curves(
    values: Mapping[str, Sequence[float | None]],
    name: str,
    font: Font | None,
    y: tuple[str, str],
    best: int | None = None,
    share: bool = False,
) -> str:
    """Plots lines over epochs.

    Args:
        values: dict of the name of a line to a list with a number or None for each epoch.
        name: name of the plot.
        font: a fonts.Font, or None.
        y: label of the y axis, in English and in Chinese.
        best: the epoch to mark, or None.
        share: whether the numbers are between 0 and 1.
    """

    def draw(axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        for i, (line, numbers) in enumerate(values.items()):
            colour, dash, marker = LINES[i % len(LINES)]
            points = [math.nan if number is None else number for number in numbers]
            shown = marker if len(points) <= 30 else None
            axes.plot(range(1, len(points) + 1), points, dash, color=colour, marker=shown, label=_short(line))
        if best:
            axes.axvline(best, color=INK, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
            axes.annotate(f"{_both(font, 'best', '最佳')}: {best}", (best, 1), xycoords=axes.get_xaxis_transform(), fontsize=8,
                          xytext=(0, 3), textcoords="offset points", ha="center", va="bottom")  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlabel(_both(font, "epoch", "轮次"))
        axes.set_ylabel(_both(font, *y))
        if share:
            axes.set_ylim(max(-0.02, axes.get_ylim()[0] - 0.05), 1.02)
        elif axes.get_ylim()[0] > 0:
            axes.set_ylim(0)
        if len(values) > 1:
            axes.legend(loc="best", handlelength=2.8)

    return svg(draw, name, font)


def learning_curve(curve: Mapping[str, Any], font: Font | None) -> str:
    """Plots the main score over the number of training texts, with standard deviations and the baseline if there are any.

    Args:
        curve: the entry `learning_curve` of report.json.
        font: a fonts.Font, or None.
    """
    score, each = curve["score"], curve["each"]
    texts = [one["texts"] for one in each]

    def draw(axes: "Axes") -> None:
        lines = [(part, part, "sd") for part in ("dev", "test") if part in each[-1]]
        lines += [
            (f"{part}, baseline", part, "") for _, part, _ in lines[-1:] if each[-1].get("baseline", {}).get(part)
        ]
        for (name, part, sd), (colour, dash, marker) in zip(lines, LINES, strict=False):
            ones = each if sd else [one.get("baseline", {}) for one in each]
            values = [_value(one, part, score) for one in ones]
            bars = [_value(one.get(sd, {}), part, score) for one in each] if sd else []
            axes.plot(texts, values, dash, color=colour, marker=marker, label=name)
            if not all(map(math.isnan, bars)):
                axes.errorbar(texts, values, bars, fmt="none", ecolor=colour, capsize=3)
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks(texts, [f"{number:,}" for number in texts])
        axes.set_xlabel(_both(font, "training texts", "训练文本数"))
        axes.set_ylabel(score.replace("_", " "))
        if len(lines) > 1:
            axes.legend(handlelength=2.8)

    return svg(draw, "learning-curve", font)


def _value(scores: Mapping[str, Mapping[str, float | None]], part: str, name: str) -> float:
    value = scores.get(part, {}).get(name)
    return math.nan if value is None else value


def reliability(counts: "np.ndarray", sure: "np.ndarray", right: "np.ndarray", font: Font | None) -> str:
    """Plots the share of right answers against the mean probability; Args as returned by `calibration.reliability`."""

    def draw(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
        axes.vlines(sure, sure, right, color=SECOND, linewidth=2.2)
        axes.plot(sure, right, color=FIRST, linewidth=1.2)
        area = [12 + 150 * count / max(counts) for count in counts]
        axes.scatter(sure, right, s=area, color=FIRST, zorder=3)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        axes.set_xlabel(_both(font, "mean probability", "平均概率"))
        axes.set_ylabel(_both(font, "accuracy", "准确率"))

    return svg(draw, "calibration", font, 3.9, 3.6)


def lengths(parts: Mapping[str, Sequence[int]], limit: int | None, font: Font | None) -> str:
    """Plots a histogram of text lengths.

    Args:
        parts: dict of the name of a set of texts to their lengths in tokens, at most four sets.
        limit: max_length, or None.
        font: a fonts.Font, or None.
    """
    import numpy as np

    def draw(axes: "Axes") -> None:
        longest = max(max(tokens) for tokens in parts.values())
        step = max(1, math.ceil(longest / 30))
        for (part, tokens), (colour, dash, _) in zip(parts.items(), LINES, strict=False):
            edges = np.arange(0, max(tokens) + step + 1, step)
            share = np.histogram(tokens, edges)[0] / len(tokens)
            axes.stairs(share, edges, color=colour, fill=True, alpha=0.15)
            axes.stairs(share, edges, color=colour, linestyle=dash, linewidth=1.6, label=part)
        if limit and limit < 2 * longest:
            axes.axvline(limit, color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
            axes.annotate(f"max_length {limit}", (limit, 1), xycoords=axes.get_xaxis_transform(), fontsize=8,
                          xytext=(0, 3), textcoords="offset points", ha="center", va="bottom")  # fmt: skip
        axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:g}%")
        axes.set_xlim(0)
        axes.set_xlabel(_both(font, "tokens per text", "文本的词元数"))
        axes.set_ylabel(_both(font, "share of texts", "文本占比"))
        if len(parts) > 1:
            axes.legend()

    return svg(draw, "lengths", font)


def by_length(groups: Sequence[Mapping[str, float]], font: Font | None) -> str:
    """Plots the share of right answers, with its 95 % interval, for each length group of `counting.by_length`."""

    def draw(axes: "Axes") -> None:
        for i, group in enumerate(groups):
            axes.vlines(i, group["low"], group["high"], color=FIRST, linewidth=1.4)
            axes.plot(i, group["right"], "o", color=FIRST, markersize=6)
        names = [f"{g['from']}" if g["from"] == g["to"] else f"{g['from']}–{g['to']}" for g in groups]
        axes.set_xticks(range(len(groups)), names, rotation=30 if len(groups) > 5 else 0)
        axes.set(xlim=(-0.6, len(groups) - 0.4), ylim=(-0.02, 1.04))
        axes.grid(False, axis="x")
        axes.set_xlabel(_both(font, "tokens per text", "文本的词元数"))
        axes.set_ylabel(_both(font, "accuracy", "准确率"))

    return svg(draw, "by-length", font)


def heat(matrix: Sequence[Sequence[int]], labels: Sequence[str], font: Font | None) -> str:
    """Plots a confusion matrix as a heat map. Each row is normalised, so that rare labels are visible too."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap

    counts = np.array(matrix, float)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    named = len(labels) <= NAMED

    def draw(axes: "Axes") -> None:
        # An image cannot use the colours of the page, so use one that is visible on white and on black.
        blue = LinearSegmentedColormap.from_list("", [(0.15, 0.5, 0.9, 0.2), (0.15, 0.5, 0.9, 1)])
        # Plot the square root, so that an error rate of 5 % is visible.
        axes.imshow(np.ma.masked_equal(share, 0) ** 0.5, blue, vmin=0, vmax=1, interpolation="none")
        axes.grid(False)
        axes.spines[:].set(visible=True, color=LINE)
        ticks = range(len(labels)) if named else []
        names = [_short(label) for label in labels] if named else []
        axes.set_xticks(ticks, names, rotation=90, fontsize=6)
        axes.set_yticks(ticks, names, fontsize=6)
        axes.set_xlabel(_both(font, "predicted", "预测"))
        axes.set_ylabel(_both(font, "gold", "标注"))

    return svg(draw, "heat", font, 5.6, 5.4)


def _both(font: Font | None, english: str, chinese: str) -> str:
    return f"{english} {chinese}" if font else english


def _short(label: str) -> str:
    """Shortens a label for an axis, joins its lines, and replaces lone surrogates by question marks."""
    label = " ".join(str(label).encode(errors="replace").decode().split())
    return label if len(label) <= 16 else label[:15] + "…"
