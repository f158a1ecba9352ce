"""Renders matplotlib plots as inline SVG that uses the light or dark colours of the page, with text as outlines."""

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .fonts import Font

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Placeholders for the colours of the page, which style.css defines.
INK, LINE, FIRST, SECOND, THIRD = "#010101", "#020202", "#030303", "#040404", "#050505"
NAMES = {INK: "ink", LINE: "line", FIRST: "first", SECOND: "second", THIRD: "third"}
STYLE: dict[str, Any] = {
    "axes.axisbelow": True, "axes.edgecolor": LINE, "axes.facecolor": "none", "axes.grid": True, "axes.labelcolor": INK,
    "axes.labelsize": 9, "axes.spines.right": False, "axes.spines.top": False, "figure.facecolor": "none", "font.size": 9,
    "grid.color": LINE, "grid.linewidth": 0.6, "legend.frameon": False, "legend.fontsize": 8.5, "lines.linewidth": 1.8,
    "lines.markersize": 4.5, "savefig.facecolor": "none", "svg.fonttype": "path", "svg.hashsalt": "kbert_tasks",
    "text.color": INK, "text.parse_math": False, "xtick.color": LINE, "xtick.labelcolor": INK, "xtick.labelsize": 8.5,
    "ytick.color": LINE, "ytick.labelcolor": INK, "ytick.labelsize": 8.5,
}  # fmt: skip


def svg(draw: "Callable[[Axes], None]", name: str, font: Font | None, width: float = 4.3, height: float = 2.8) -> str:
    """Returns a plot as an SVG element that can be embedded in an HTML page.

    The function changes no global state and ignores the user's matplotlib style. Characters that are not in the font
    become boxes.

    Args:
        draw: function that receives matplotlib's Axes and draws the plot.
        name: prefix of the ids in the element, which must be unique in a page.
        font: a fonts.Font, or None.
        width, height: size in inches; the page scales the plot.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    family = [font.name, "DejaVu Sans"] if font else ["DejaVu Sans"]
    with style.context(["default", STYLE | {"font.family": family}]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure, out = Figure(figsize=(width, height), layout="constrained"), io.StringIO()
        draw(figure.add_subplot())
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _inline(out.getvalue(), name)


def _inline(text: str, name: str) -> str:
    """Converts an SVG file to an element: removes the head, the comments (they contain the text) and the global CSS."""
    text = re.sub(r"<!--.*?-->\s*", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    text = re.sub(r'<svg width="[^"]*" height="[^"]*"', '<svg aria-hidden="true" focusable="false"', text, count=1)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"\s*\n\s*", " ", text)
    return re.sub("|".join(NAMES), lambda found: f"var(--{NAMES[found[0]]})", text)
