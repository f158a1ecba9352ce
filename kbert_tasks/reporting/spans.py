"""A text in pieces for highlighting, and which answers are right, wrong or missed."""

from ..text import spans

LONG = 1500  # characters of a text that are shown


def pieces(text, gold, predicted):
    """The text as (string, kind) in order, kind being "", "gold", "predicted" or "both"; joined they are the text.

    Args:
        text: a string.
        gold, predicted: spans, half-open characters of the text; what lies outside of it counts as far as it is inside.
    """
    inside = [
        [(max(0, begin), min(len(text), end)) for begin, end in part if max(0, begin) < min(len(text), end)]
        for part in (gold, predicted)
    ]
    ends = sorted({0, len(text), *(end for part in inside for span in part for end in span)})
    found = []
    for begin, end in zip(ends, ends[1:], strict=False):
        in_gold, in_predicted = (any(b <= begin and end <= e for b, e in part) for part in inside)
        kind = "both" if in_gold and in_predicted else "gold" if in_gold else "predicted" if in_predicted else ""
        found.append((text[begin:end], kind))
    return found


def places(text, entity, span):
    """The span if there is one, else every place where the entity stands in the text."""
    return [tuple(span)] if span else spans.occurrences(text, entity)


def marked(answer, parts):
    """`pieces` of an answer's text, as far as it is shown.

    Args:
        answer: with `text`, and lists `gold` and `predicted` of dicts.
        parts: which of their keys are entities, such as ("subject", "object"); NAME_span or, for one alone, span.
    """
    text, both = answer["text"], []
    for side in ("gold", "predicted"):
        both.append(
            [
                place
                for each in answer[side] or ()
                for part in parts
                for place in places(text, each[part], each.get(f"{part}_span" if len(parts) > 1 else "span"))
            ]
        )
    return pieces(text[:LONG], *both)


def verdicts(answer, parts):
    """[(verdict, strings, score or None)]: each answer and gold once, compared as strings, as the scores do.

    Args:
        answer: with lists `gold` and `predicted` of dicts.
        parts: the keys that make one, such as ("subject", "predicate", "object").

    Returns:
        Verdicts are "right", "missed" (gold alone) and "wrong" (predicted alone), in the order of gold, then of answers.
    """
    gold, predicted = (
        {tuple(each[part] for part in parts): each.get("score") for each in answer[side] or ()}
        for side in ("gold", "predicted")
    )
    found = [("right" if each in predicted else "missed", each, predicted.get(each)) for each in gold]
    return found + [("wrong", each, score) for each, score in predicted.items() if each not in gold]
