"""Scores of subject extraction."""

from collections.abc import Sequence
from typing import Any

from ...metrics.sets import counted

AROUND = "\"'“”‘’《》〈〉「」『』【】()（）[]<>"


def subjects(gold: Sequence[list[str]], predicted: Sequence[list[str]], kinds: Sequence[str | None]) -> dict[str, Any]:
    """Scores the subjects of texts, compared as strings.

    Args:
        gold, predicted: for each text a list of strings, the most probable prediction first.
        kinds: for each text its event type, or None.

    Returns:
        A dict: `accuracy`, the share of texts whose first predicted subject is one of the gold subjects (or that have no
        gold and no predicted subject); `precision`, `recall`, `f1` of all subjects, as in `counted`; `f1_tolerant`, the F1
        after stripping quotation marks and brackets from both ends; `per_class`, the scores for each event type;
        `per_overlap`, the scores for texts with one subject, with several, and with none.
    """
    right = [
        (not one and not other) or other[:1] != [] and other[0] in one
        for one, other in zip(gold, predicted, strict=True)
    ]
    sets = [[set(each) for each in part] for part in (gold, predicted)]
    bare = [[{string.strip(AROUND) for string in each} for each in part] for part in sets]
    whole = counted(*sets)
    scores: dict[str, Any] = {"accuracy": sum(right) / len(right) if right else 0.0}
    scores |= {name: whole[name] for name in ("precision", "recall")} | {"f1": whole["f1"] or 0.0}
    scores["f1_tolerant"] = counted(*bare)["f1"] or 0.0
    number = ["no subject" if not each else "one subject" if len(each) == 1 else "several subjects" for each in sets[0]]
    for name, of in (("per_class", [str(kind) for kind in kinds]), ("per_overlap", number)):
        scores[name] = {
            kind: counted(*([each for each, its in zip(part, of, strict=True) if its == kind] for part in sets))
            | {"accuracy": sum(r for r, its in zip(right, of, strict=True) if its == kind) / of.count(kind)}
            | {"texts": of.count(kind)}
            for kind in sorted(set(of))
        }  # fmt: skip
    return scores
