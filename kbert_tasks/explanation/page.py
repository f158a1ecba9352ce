"""Explanations as HTML: a page that works offline, or a fragment of another page."""

import base64
import functools
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from ..html import fonts
from ..html.templates import template
from .explanation import Explanation
from .words import LANGUAGES


def html(explanation: Explanation) -> str:
    """Returns a complete HTML page.

    Args:
        explanation: an Explanation.

    Returns:
        The page as a str. `fonts.embedded` adds a font for its Chinese characters. It may contain lone surrogates from the
        text, so encode it with a suitable `errors` argument.
    """
    return _template("page").render(explanation=explanation, body=fragment(explanation), family=fonts.FAMILY)


def fragment(explanation: Explanation, brief: bool = False, language: str | None = None) -> str:
    """Returns the HTML fragment of one explanation.

    The page around it must include style.css and explanation.css and, if any fragment has attention maps, attention.js at
    its end.

    Args:
        explanation: an Explanation. Its attention maps need 4/3 bytes per value: 3 MB for 128 tokens and 144 heads.
        brief: whether to omit the legend and the descriptions of the numbers, for a page with several explanations.
        language: "en" or "zh" for a fragment without attention maps; None for a page with headings in both.
    """
    return _template("fragment").render(
        e=explanation,
        largest=abs(explanation.attributions).max() or 1.0,
        texts=[_pieces(explanation, segment) for segment in range(len(explanation.texts))],
        maps=None if explanation.attention is None else _maps(explanation.tokens, explanation.attention),
        brief=brief,
        t=LANGUAGES[language or "en"],
        bilingual=language is None,
    )


def _maps(tokens: tuple[str, ...], attention: np.ndarray) -> dict[str, Any]:
    """Encodes the attention for attention.js: square roots as bytes, because most probabilities are small."""
    layers, heads, _, _ = attention.shape
    roots = np.round(np.sqrt(attention) * 255).astype("uint8")
    return {"layers": layers, "heads": heads, "tokens": tokens, "maps": base64.b64encode(roots.tobytes()).decode()}


def _pieces(e: Explanation, segment: int) -> list[dict[str, Any]]:
    """Splits a text at its tokens.

    Returns:
        A list of dicts with `string` and `read` (whether the model read it); if read, also with `value`, `parts` and
        `inside`.
    """
    text, at = e.texts[segment], 0
    found: list[dict[str, Any]] = []
    for i in np.flatnonzero((e.segments == segment) & (e.offsets[:, 1] > e.offsets[:, 0])):
        start, end = e.offsets[i].tolist()
        value = float(e.attributions[i])
        if found and start < at:  # several tokens for one character
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
def _template(name: str) -> jinja2.Template:
    return template(f"{name}.html.jinja", Path(__file__).parent, undefined=jinja2.StrictUndefined)
