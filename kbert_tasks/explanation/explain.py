"""explain: an answer of a trained task, token by token."""

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from .._keras import tensorflow
from ..errors import InputError
from .explanation import Explanation

if TYPE_CHECKING:
    from ..tasks.base import Task

STEPS = 50


def explain(
    task: "Task[Any]",
    text: str,
    text_b: str | None = None,
    answer: Any = None,
    steps: int = STEPS,
    attention: bool = True,
) -> Explanation:
    """Which tokens an answer comes from (integrated gradients), and what each head attends to.

    The way goes from a text in which each token is [MASK] to the text itself, along the vectors of the tokens' table: before
    segments and positions are added, which stay as they are, and so do [CLS] and [SEP]. What is explained is the log-odds of
    the answer. All is computed in float32, on one window of `max_length` tokens: the one where the answer is most
    probable. A float32 copy of the model stays in memory for the next explanation of the same task.

    Args:
        task: a trained or loaded task.
        text: the text.
        text_b: what stands second in a pair: a second text, such as the event's type; for tasks trained on pairs.
        answer: the answer to explain, in a form that the task accepts: see its guide page. By default what `predict` answers, or
            the most probable answer if that is nothing.
        steps: points on the way, at least 1. More bring `delta` down.
        attention: with what each head attends to.

    Returns:
        An Explanation.

    Raises:
        InputError: the task is not trained, the text empty or not a pair where one is wanted, or the answer none that the
            task could give for this text.

    Source: Sundararajan et al., "Axiomatic Attribution for Deep Networks", 2017 (arXiv 1703.01365).

    Examples:
        >>> print(kb.explain(kb.load("runs/hotel"), "房间很干净"))
    """
    from . import models, targets
    from .attention import maps
    from .gradients import integrated
    from .tokens import strings

    if not isinstance(steps, Integral) or steps < 1:
        raise InputError(f"steps should be a whole number, at least 1, not {steps!r}")
    texts, found = targets.find(task, text, text_b, answer)
    model = models.whole(task)
    vectors, mask = models.table(model), task.tokenizer.vocabulary.index("[MASK]")
    scores = [models.score(model, target) for target in found]
    at_text = [float(score(vectors[target.window.ids][None])[0]) for score, target in zip(scores, found, strict=True)]
    best = int(np.argmax(at_text))
    target, score, window = found[best], scores[best], found[best].window

    special = window.offsets[:, 0] == window.offsets[:, 1]
    start, end = vectors[np.where(special, window.ids, mask)], vectors[window.ids]  # (tokens, hidden)
    attributions = integrated(score, start, end, int(steps))
    baseline = float(score(start[None])[0])
    odds = at_text[best]
    return Explanation(
        texts=texts, tokens=strings(task.tokenizer, window, texts), offsets=window.offsets, segments=window.segments,
        cut=window.cut, answer=target.answer, shown=target.shown, record=target.record, predicted=target.predicted,
        probability=float(tensorflow().sigmoid(odds)) if target.probability is None else target.probability,
        places=target.places, score=odds, baseline=baseline, steps=int(steps), attributions=attributions,
        delta=float(attributions.sum() - (odds - baseline)),
        attention=maps(model, window, task.config["num_attention_heads"]) if attention else None,
    )  # fmt: skip
