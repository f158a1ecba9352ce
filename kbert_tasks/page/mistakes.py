"""The wrong answers with the highest loss, ready to be shown."""

from . import spans

SHOWN = 50
LIKELY = 3  # labels of an answer that are shown with their probability
# Of answers that are entities: keys that make one answer, and which of them stand in the text.
ENTITIES = {
    "relation": (("subject", "predicate", "object"), ("subject", "object")),
    "subject": (("subject",), ("subject",)),
}


def worst(task, answers):
    """A list of dicts, the highest loss first.

    Args:
        task: its name.
        answers: as `html` takes them.

    Returns:
        For each: `loss`, `tokens`, `about` (the event's type or None), `texts` (pieces of each text of it), `left_out`
        (characters that are not shown); `verdicts`, or else `gold` and `predicted` (tuples of labels, predicted None where the
        model abstained) and `probable`, [(label, probability)].
    """
    wrong = sorted((a for a in answers if not a["right"]), key=_loss, reverse=True)[:SHOWN]
    return [_shown(task, answer) for answer in wrong]


def _loss(answer):
    loss = answer.get("loss")
    return float("-inf") if loss is None or loss != loss else loss


def _shown(task, answer):
    texts = [text for name in ("text", "text_b") if (text := answer.get(name)) is not None]
    made = {
        "loss": answer.get("loss"),
        "tokens": answer.get("tokens"),
        "about": answer.get("event_type"),
        "left_out": sum(max(0, len(text) - spans.LONG) for text in texts),
    }
    if task in ENTITIES:
        whole, standing = ENTITIES[task]
        return made | {"texts": [spans.marked(answer, standing)], "verdicts": spans.verdicts(answer, whole)}
    gold, predicted = _labels(answer["gold"]), _labels(answer["predicted"])
    p = answer.get("probabilities") or {}
    probable = sorted(p, key=p.get, reverse=True)[:LIKELY]
    probable += [label for label in gold or () if label in p and label not in probable]
    return made | {
        "texts": [[(text[: spans.LONG], "")] for text in texts],
        "gold": gold,
        "predicted": predicted,
        "probable": [(label, p[label]) for label in probable],
    }


def _labels(value):
    """A tuple of labels; None where there is no answer."""
    return tuple(value) if isinstance(value, list | tuple) else None if value is None else (value,)
