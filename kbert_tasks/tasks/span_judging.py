"""What an audit asks a task whose answers are parts of the text: each gold answer, and the answers that contradict it."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..text.spans import is_whole, occurrences
from ..text.tokenizer import Encoded
from .judging import Evidence, Judgement, Judging, Strings

NOT_THERE = "is not in the text"


@dataclass(frozen=True)
class Doubt:
    """One doubt about a gold answer, or about an answer that is missing. Its score is low if the doubt is strong."""

    score: float
    gold: float
    other: float
    reason: str
    spurious: bool = False


class SpanJudging(Judging):
    """Judges the answers of a SpanTask. The text is as doubtful as its most doubtful answer.

    The score of a gold answer is p (1 - q): p is its probability, which is also computed if it is too small for a candidate,
    and q that of the strongest other answer that contradicts it. The score of an answer that contradicts no gold answer, and
    is missing, is 1 - q.
    """

    def contradicts(self, gold: Any, other: Any) -> bool:
        """Returns whether the text probably has only one of two answers."""
        raise NotImplementedError

    def strings(self, answer: Any) -> Strings:
        """Returns the parts of the text that an answer consists of."""
        raise NotImplementedError

    def kind(self, answer: Any) -> str | None:
        """Returns the type or predicate of an answer, or None."""
        raise NotImplementedError

    def shown(self, answer: Any) -> str:
        """Returns an answer as text."""
        kind = self.kind(answer)
        return " | ".join([*self.strings(answer), *([kind] if kind is not None else [])])

    def evidence(self, example: Any, encoded: Sequence[Encoded], outputs: Sequence[Any]) -> Evidence:
        gold: dict[Hashable, float] = {}
        for window, each in zip(encoded, outputs, strict=True):
            for key, p in self.gold_scores(example, window, each):
                gold[key] = max(p, gold.get(key, 0.0))
        return replace(super().evidence(example, encoded, outputs), gold=gold)

    def gold_scores(self, example: Any, window: Encoded, outputs: Any) -> Iterator[tuple[Hashable, float]]:
        """Yields (key, probability) for each gold answer that is in a window, several times if it occurs several times.

        Args:
            example: an example with a gold answer.
            window: an Encoded of the example.
            outputs: the outputs of the model for the window.
        """
        raise NotImplementedError

    def judge(self, example: Any, encoded: Sequence[Encoded], evidence: Evidence) -> Judgement:
        prediction = self.task.decide(example, evidence.candidates)
        strongest = min(self._doubts(example, encoded, evidence), key=lambda each: each.score, default=None)
        suggested = self.task.answer_of(prediction)
        if strongest is None:
            return Judgement(1.0, 0.0, 1.0, suggested, "the models find no other answer")
        known = {self.kind(each) for each in self._gold(example).values()} <= self._kinds()
        return Judgement(
            strongest.gold,
            strongest.other,
            strongest.score,
            suggested,
            strongest.reason,
            None,
            known,
            strongest.spurious,
        )

    def _doubts(self, example: Any, encoded: Sequence[Encoded], evidence: Evidence) -> Iterator[Doubt]:
        gold, found = self._gold(example), self.task.keyed(evidence.candidates)
        others = [answer for key, answer in found.items() if key not in gold]
        against: set[int] = set()
        for key, answer in gold.items():
            rivals = [each for each in others if self.contradicts(answer, each)]
            against.update(map(id, rivals))
            rival = max(rivals, key=lambda each: each.probability, default=None)
            q = rival.probability if rival else 0.0
            if key in evidence.gold:
                p = evidence.gold[key]
                yield Doubt(p * (1 - q), p, q, self._reason(answer, p, rival), spurious=rival is None)
            # Nothing is known of an answer that tokens cannot give, unless the text does not have it.
            elif NOT_THERE in (lost := self._lost(example, answer, encoded) or ""):
                yield Doubt(0.0, 0.0, q, lost, spurious=rival is None)
        for each in others:
            if id(each) not in against:
                q = each.probability
                reason = f"{self.shown(each)!r} is not among the gold answers and has the probability {q:.2f}"
                yield Doubt(1 - q, 1 - q, q, reason)

    def _lost(self, example: Any, answer: Any, encoded: Sequence[Encoded]) -> str | None:
        """Returns why the model cannot give an answer, or None."""
        for string in self.strings(answer):
            if reason := self.task.lost(example, string, None, encoded):
                return f"{self.shown(answer)!r} cannot be found: {string!r} {reason}"
        return None

    def _reason(self, answer: Any, p: float, rival: Any) -> str:
        if p >= self.task.least and rival:
            return (
                f"{self.shown(rival)!r} is not among the gold answers and has the probability {rival.probability:.2f}"
            )
        shown = f"{p:.2f}" if p >= 0.01 else "below 0.01"
        other = (
            f", and {self.shown(rival)!r} {rival.probability:.2f}" if rival else ", and no other answer in its place"
        )
        return f"models trained without this text give {self.shown(answer)!r} the probability {shown}{other}"

    def _gold(self, example: Any) -> dict[Any, Any]:
        return self.task.keyed(example) if getattr(example, self.task.ANSWERS) else {}

    def _kinds(self) -> set[str | None]:
        """Returns the types or predicates that the trained model knows."""
        raise NotImplementedError

    def names(self, example: Any) -> Strings:
        kinds = (self.kind(each) for each in self._gold(example).values())
        return tuple(sorted({kind for kind in kinds if kind is not None}))

    def answers(self, example: Any) -> dict[Hashable, Strings]:
        gold = self._gold(example).values()
        return {(self.kind(each), *self.strings(each)): self.strings(each) for each in gold}

    def same_answers(self, one: Any, other: Any) -> bool:
        return self._gold(one).keys() == self._gold(other).keys()

    def answer_shown(self, answer: Any) -> str:
        kind, *strings = answer
        return " | ".join([*strings, *([kind] if kind is not None else [])])

    def is_free(self, example: Any, answer: Any, strings: Strings) -> bool:
        return all(any(is_whole(example.text, span) for span in occurrences(example.text, each)) for each in strings)
