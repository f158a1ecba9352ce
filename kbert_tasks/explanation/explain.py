"""explain: computes how much each token contributes to an answer."""

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
    """Computes how much each token contributes to an answer (integrated gradients), and the attention maps.

    The baseline of the integrated gradients is the same text with each token except [CLS] and [SEP] replaced by [MASK].
    The contributions explain the difference between the log-odds of the answer for the text and for the baseline. Between
    the two, only the token embeddings are interpolated; segment and position embeddings do not change.

    If the text is read in several windows, only the window in which the answer is most probable is explained. The
    computation uses a float32 copy of the model, which stays in memory for the next call.

    Args:
        task: a trained or loaded task.
        text: the text.
        text_b: the second text of a pair, or the event type; only for tasks trained on pairs.
        answer: the answer to explain: a label, a triple such as "subject | predicate | object", a subject (or, if the task
            finds event types, "event type | subject"), or an entity such as "string | type" or (start, end, type). By
            default, the predicted answer is explained. If nothing is predicted, it is the most probable answer, or "no
            subject".
        steps: number of interpolation points, at least 1. More steps make the result more exact: they reduce its `delta`, the
            error of the numerical integration.
        attention: whether to compute the attention maps.

    Returns:
        An Explanation.

    Raises:
        InputError: the task is not trained, the text is empty, `text_b` is missing or not allowed, or the task cannot give
            this answer for this text.

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
