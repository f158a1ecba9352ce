"""The wrong answers with the highest loss, prepared for the report."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..tasks.presentation import Presentation
from . import spans

SHOWN = 50
ANSWERS = 20  # maximum number of right, missed and wrong answers for a text; an undertrained model gives hundreds
LIKELY = 3  # number of labels that are shown with their probability


def places(answers: Sequence[Mapping[str, Any]]) -> list[int]:
    """Returns the indices of the wrong answers in the list, the highest loss first, at most SHOWN."""
    wrong = [i for i, answer in enumerate(answers) if not answer["right"]]
    return sorted(wrong, key=lambda i: _loss(answers[i]), reverse=True)[:SHOWN]


def worst(presentation: Presentation, answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Prepares the worst wrong answers, in the order of `places`.

    Args:
        presentation: the Presentation of the task.
        answers: as accepted by `html`.

    Returns:
        A list of dicts: `row`, `loss`, `tokens`, `about` (the event type or None), `texts` (pieces of each text) and
        `left_out` (number of characters that are not shown). If answers are lists of dicts, also `verdicts` and `more`
        (number of verdicts that are not shown); otherwise `gold` and `predicted` (tuples of labels; predicted is None if
        the model abstained) and `probable`, a list of (label, probability).
    """
    return [_shown(presentation, answers[place]) for place in places(answers)]


def _loss(answer: Mapping[str, Any]) -> float:
    loss = answer.get("loss")
    return float("-inf") if loss is None or loss != loss else loss


def _shown(presentation: Presentation, answer: Mapping[str, Any]) -> dict[str, Any]:
    shown = [key for key in presentation.question if key != presentation.about]
    texts = [text for key in shown if (text := answer.get(key)) is not None]
    made = {
        "row": answer.get("row"),
        "loss": answer.get("loss"),
        "tokens": answer.get("tokens"),
        "about": answer.get(presentation.about) if presentation.about else None,
        "left_out": sum(max(0, len(text) - spans.LONG) for text in texts),
    }
    if presentation.keys:
        verdicts = spans.verdicts(answer, presentation.keys)
        details = {"verdicts": verdicts[:ANSWERS], "more": max(0, len(verdicts) - ANSWERS)}
        return made | {"texts": [spans.marked(answer, presentation.entities)]} | details
    gold, predicted = labels(answer["gold"]), labels(answer["predicted"])
    p: dict[str, float] = answer.get("probabilities") or {}
    probable = sorted(p, key=p.__getitem__, reverse=True)[:LIKELY]
    probable += [label for label in gold or () if label in p and label not in probable]
    return made | {
        "texts": [[(text[: spans.LONG], "")] for text in texts],
        "gold": gold,
        "predicted": predicted,
        "probable": [(label, p[label]) for label in probable],
    }


def labels(value: Any) -> tuple[Any, ...] | None:
    """Returns a label or a list of labels as a tuple; None if there is no answer."""
    return tuple(value) if isinstance(value, list | tuple) else None if value is None else (value,)
