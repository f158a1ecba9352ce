"""Target: an answer in one window, and its log-odds."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..tasks.relation.triples import Triple
from ..tasks.subject.subjects import Subject
from ..text.tokenizer import Encoded


@dataclass(frozen=True)
class Target:
    """What is to be explained.

    Attributes:
        answer: a label, Triple, Subject, or None for "no subject".
        predicted: whether the task answers so.
        probability: as the task has it; None for an answer so improbable that it has none.
        window: the Encoded.
        log_odds: function from the model's outputs, a dict of name to (batch, ...), to (batch,).
        places: name of a part of the answer to its tokens (first, last), both included.
        more: what the model is given beside the window: dict of name to array, with a batch axis of 1.
    """

    answer: str | Triple | Subject | None
    predicted: bool
    probability: float | None
    window: Encoded
    log_odds: Callable
    places: dict = field(default_factory=dict)
    more: dict = field(default_factory=dict)
