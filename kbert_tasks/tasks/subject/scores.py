"""Scores of subject extraction."""

from collections.abc import Sequence
from typing import Any, TypeVar

from ...metrics.sets import counted

K = TypeVar("K", str, tuple[str, str])
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
    right = _first_right(gold, predicted)
    sets = _sets(gold), _sets(predicted)
    scores = _whole(right, *sets)
    bare = ([{string.strip(AROUND) for string in each} for each in part] for part in sets)
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


def events(gold: Sequence[list[tuple[str, str]]], predicted: Sequence[list[tuple[str, str]]]) -> dict[str, Any]:
    """Scores the subjects of texts together with the event types that were found.

    Args:
        gold, predicted: for each text a list of (event type, subject), the most probable prediction first.

    Returns:
        A dict: `accuracy`, as in `subjects`, and `precision`, `recall`, `f1` of all pairs; `type_precision`, `type_recall`
        and `type_f1` of the event types alone, and `subject_...` of the subjects alone; `per_class`, the scores of the pairs
        of each event type; `per_overlap`, the scores of the pairs of texts with one pair, with several, and with none.
    """
    sets = _sets(gold), _sets(predicted)
    scores = _whole(_first_right(gold, predicted), *sets)
    for place, name in enumerate(("type", "subject")):
        alone = counted(*([{key[place] for key in each} for each in part] for part in sets))
        scores |= {f"{name}_{score}": alone[score] for score in ("precision", "recall", "f1")}
    kinds = sorted({kind for part in sets for each in part for kind, _ in each})
    scores["per_class"] = {
        kind: counted(*([{key for key in each if key[0] == kind} for each in part] for part in sets)) for kind in kinds
    }
    number = ["no event" if not each else "one event" if len(each) == 1 else "several events" for each in sets[0]]
    scores["per_overlap"] = {
        name: counted(*([each for each, its in zip(part, number, strict=True) if its == name] for part in sets))
        | {"texts": number.count(name)}
        for name in sorted(set(number))
    }
    return scores


def _first_right(gold: Sequence[list[K]], predicted: Sequence[list[K]]) -> list[bool]:
    """Returns for each text whether its first prediction is a gold one; without predictions, whether there is no gold one."""
    return [other[0] in one if other else not one for one, other in zip(gold, predicted, strict=True)]


def _sets(each: Sequence[list[K]]) -> list[set[K]]:
    return [set(part) for part in each]


def _whole(right: Sequence[bool], gold: Sequence[set[K]], predicted: Sequence[set[K]]) -> dict[str, Any]:
    whole = counted(gold, predicted)
    scores: dict[str, Any] = {"accuracy": sum(right) / len(right) if right else 0.0}
    return scores | {name: whole[name] for name in ("precision", "recall")} | {"f1": whole["f1"] or 0.0}
