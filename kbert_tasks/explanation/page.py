"""An explanation as HTML: one page that opens offline, or a part of another page."""

import base64
import functools
from pathlib import Path

import jinja2
import numpy as np

from ..html import fonts
from ..html.templates import template


def html(explanation):
    """A page of its own.

    Args:
        explanation: an Explanation.

    Returns:
        str, which `fonts.embedded` gives the font of its Chinese characters. Half an emoji in a text stays one, so encode it
        with an `errors` that takes it.
    """
    return _template("page").render(explanation=explanation, body=fragment(explanation), family=fonts.FAMILY)


def fragment(explanation, brief=False):
    """The part of a page that shows one explanation; the page has style.css, explanation.css and, where there are maps of
    attention, at its end attention.js, once for all of them.

    Args:
        explanation: an Explanation. With its attention, the part holds four thirds of a byte for each number of it: 3 MB
            for 128 tokens and 144 heads.
        brief: without the legend, and what the numbers mean beside the numbers; for a page that shows several.
    """
    return _template("fragment").render(
        e=explanation,
        largest=abs(explanation.attributions).max() or 1.0,
        texts=[_pieces(explanation, segment) for segment in range(len(explanation.texts))],
        maps=None if explanation.attention is None else _maps(explanation),
        brief=brief,
    )


def _maps(e):
    """The attention as attention.js reads it: as bytes, and their roots, because most probabilities are small."""
    layers, heads, _, _ = e.attention.shape
    roots = np.round(np.sqrt(e.attention) * 255).astype("uint8")
    return {"layers": layers, "heads": heads, "tokens": e.tokens, "maps": base64.b64encode(roots.tobytes()).decode()}


def _pieces(e, segment):
    """A text in pieces: dicts with the string and whether the model read it; of what it read the value and parts."""
    text, found, at = e.texts[segment], [], 0
    for i in np.flatnonzero((e.segments == segment) & (e.offsets[:, 1] > e.offsets[:, 0])):
        start, end = e.offsets[i].tolist()
        value = float(e.attributions[i])
        if found and start < at:  # several tokens of one character
            found[-1]["value"] += value
            found[-1]["string"] += text[at:end]
        else:
            parts = [name for name, (first, _) in e.places.items() if i == first]
            inside = any(first <= i <= last for first, last in e.places.values())
            found += [{"string": text[at:start], "read": False}] * (start > at)
            found.append({"string": text[start:end], "read": True, "value": value, "parts": parts, "inside": inside})
        at = max(at, end)
    return found + [{"string": text[at:], "read": False}] * (at < len(text))


@functools.cache
def _template(name):
    return template(f"{name}.html.jinja", Path(__file__).parent, undefined=jinja2.StrictUndefined)
