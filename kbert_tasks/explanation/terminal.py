"""Explanations as plain text, with a line and a bar for each token."""

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .explanation import Explanation

LONGEST = 24  # maximum width of a token, in columns
BAR = 30  # width of the longest bar, in columns


def summary(explanation: "Explanation") -> str:
    """Returns the answer, its log-odds, and the accuracy of the attributions, in three lines."""
    e = explanation
    odds = f"log-odds {e.score:+.3f} for the text, {e.baseline:+.3f} if each token is [MASK]"
    delta = f"the attributions add up to {e.attributions.sum():+.3f}; the error is {e.delta:+.1g} after {e.steps} steps"
    said = "as predicted" if e.predicted else "not the prediction of the model"
    cut = f"\n{e.cut} more tokens of the text are outside this window" if e.cut else ""
    return (
        f"{shown(e.shown)}: probability {e.probability:.4f}, {said}\n{odds}\n{delta}"
        f"{'' if e.close else ' (use more steps)'}{cut}"
    )


def table(explanation: "Explanation") -> str:
    """Returns the summary and a line for each token with its attribution; + supports the answer, - opposes it."""
    e = explanation
    largest = abs(e.attributions).max() or 1.0
    tokens = [cropped(shown(token)) for token in e.tokens]
    broad = max(map(width, tokens))
    lines = [summary(e), ""]
    for i, (token, value) in enumerate(zip(tokens, e.attributions, strict=True)):
        bar = ("+" if value > 0 else "-") * round(BAR * abs(value) / largest)
        names = ", ".join(name for name, (first, last) in e.places.items() if first <= i <= last)
        line = f"{token}{' ' * (broad - width(token))}  {value:+8.3f}  {bar}"
        lines.append(f"{line}{' ' * bool(bar)} ({names})" if names else line.rstrip())
    return "\n".join(lines)


def shown(text: str) -> str:
    """Returns the text with control characters, which could move the cursor, replaced by escape sequences."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def width(text: str) -> int:
    """Returns the width of a text in terminal columns: 2 for Chinese characters and emoji, 0 for combining marks."""
    return sum(0 if unicodedata.category(c)[0] == "M" else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def cropped(text: str) -> str:
    """Returns the text, shortened to LONGEST columns if it is longer."""
    if width(text) <= LONGEST:
        return text
    while width(text) >= LONGEST:
        text = text[:-1]
    return text + "…"
