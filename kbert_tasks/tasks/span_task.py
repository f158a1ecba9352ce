"""SpanTask: the base class of tasks whose answers are parts of a text."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..data.examples import Examples
from ..errors import InputError
from ..metrics.sets import Sets, best_threshold, distance
from ..settings import Settings, option
from ..text.spans import FLOOR, Span, TokenSpan, occurrences, tokens_of
from ..text.tokenizer import Encoded, Tokenizer
from ..text.windows import WHOLE, windows
from ..training.defaults import SPANS
from .answers import Record
from .base import P, Task
from .client import Client

# (index of the kind, tokens), and with a teacher also the probability.
SpanTarget: TypeAlias = tuple[int, TokenSpan] | tuple[int, TokenSpan, float]


def weight_of(answer: Any) -> Any:
    """Returns () for a gold answer, which has no probability, and (probability,) for an answer of a teacher."""
    return () if answer.probability is None else (answer.probability,)


@dataclass(frozen=True)
class SpanSettings(Settings):
    """Settings of tasks whose answers are parts of a text."""

    tokenization: str = option(
        "pieces",
        "pieces: one token for each WordPiece; characters: one token for each character",
        choices=("pieces", "characters"),
    )
    window_overlap: int = option(32, "number of tokens that two neighbouring windows of a long text share", least=0)
    threshold: float | None = option(
        None,
        f"minimum probability of a predicted answer, from {FLOOR} to 1; if it is not set, the value with the best F1 on the "
        "development texts is used",
        least=FLOOR,
        most=1,
        later=True,
    )


class SpanTask(Task[P]):
    """Base class of tasks whose answers are spans of the text. An answer is returned if its probability is high enough."""

    Settings = SpanSettings
    recipe = SPANS
    MAIN_SCORE = "f1"
    ANSWERS = ""  # the attribute of an example and of a prediction that holds the answers
    threshold_ = 0.5  # replaced by `tune`

    @property
    def least(self) -> float:
        """The threshold in use: the setting `threshold`, or the tuned value."""
        return self.threshold_ if self.settings.threshold is None else self.settings.threshold

    def best_threshold(self, gold: Sets, answers: Sequence[Sequence[tuple[Hashable, float]]]) -> float:
        """Returns the threshold with the best F1, within the limits of the setting `threshold`.

        Args:
            gold: for each text, a set of gold answers.
            answers: for each text, a list of (answer, probability).
        """
        return best_threshold(gold, answers, FLOOR)

    def new_tokenizer(self, vocabulary: list[str], cased: bool, by_character: bool = False) -> Tokenizer:
        return super().new_tokenizer(vocabulary, cased, by_character or self.settings.tokenization == "characters")

    def encode(self, example: Any) -> list[Encoded]:
        return windows(self.whole(example), self.settings.max_length, self.settings.window_overlap)

    def whole(self, example: Any) -> Encoded:
        """Returns the whole example as one Encoded, without truncation."""
        return self.tokenizer.encode(*self.texts_of(example), WHOLE)

    def tokens(self, example: Any, string: str, span: Span | None, encoded: Encoded) -> list[TokenSpan]:
        """Finds the tokens of a string in a window.

        Args:
            example: the example.
            string: part of its text.
            span: the Span of the string, or None to use all occurrences.
            encoded: an Encoded of the example.

        Returns:
            A list of (first token, last token), both inclusive; empty if the string is not in the window.
        """
        segment = int(self.texts_of(example)[1] is not None)
        places = [span] if span else occurrences(example.text, string)
        return [tokens for place in places if (tokens := tokens_of(encoded, place, segment))]

    def lost(self, example: Any, string: str, span: Span | None, encoded: Sequence[Encoded]) -> str | None:
        """Returns the reason why a string cannot be found in any window, or None if it can be found.

        Args:
            example: the example.
            string: the gold string.
            span: the Span of the string, or None to use all occurrences.
            encoded: list of Encoded, the windows of the example.
        """
        if any(self.tokens(example, string, span, window) for window in encoded):
            return None
        if not (span or occurrences(example.text, string)):
            return "is not in the text"
        found = self.tokens(example, string, span, self.whole(example))
        return "is complete in no window" if found else "does not begin and end with tokens"

    def check_targets(self, examples: Examples, targets: Sequence[Any]) -> None:
        if any(targets):
            return
        reasons = ", ".join(f"{note} {count}" for note, count in examples.notes.items() if "cannot be found" in note)
        raise InputError(
            f"none of the answers in the training examples can be found in its text, so there is nothing to learn "
            f"({reasons}): an answer should occur in the text of its row, character by character; check the columns of text and "
            "answers, and max_length if the texts are long"
        )

    def taught(self, example: Any, candidates: Sequence[Any], share: float) -> Any:
        """Returns the example with the answers of a teacher, whose `probability` is that of the mixture with the gold answers."""
        gold, sure = getattr(example, self.ANSWERS), dict[Hashable, float]()
        for each in candidates:
            sure[self.key(each)] = max(each.probability, sure.get(self.key(each), 0.0))
        known = {self.key(each) for each in gold or ()}
        mixed = [replace(each, probability=1 - share + share * sure.get(self.key(each), 0.0)) for each in gold or ()]
        mixed += [
            replace(each, probability=share * each.probability) for each in candidates if self.key(each) not in known
        ]
        return replace(example, **{self.ANSWERS: tuple(mixed)})

    def as_targets(self, spans: np.ndarray) -> np.ndarray:
        """Returns an array of targets as float32 if there is a teacher, whose answers are probabilities."""
        return spans.astype("float32") if self.teacher_ else spans

    def span_client(self, template: Path, about: dict[str, Any], pairs: bool = False) -> Client:
        """Returns the Client of a task whose model scores spans with the layer `spans`.

        Args:
            template: the file of the function `predict`.
            about: what it reads from `export.json`, in addition to the values that all tasks with spans have.
            pairs: whether the model reads pairs of texts.
        """
        shared = {"threshold": self.least, "floor": FLOOR, "window_overlap": self.settings.window_overlap}
        return Client(
            template=template.read_text(encoding="utf-8"),
            about=about | shared,
            encoding="windows",
            pairs=pairs,
            head=self.model.get_layer("spans").in_numpy(),
            offsets=True,
        )

    def certainty(self, example: Any, candidates: Sequence[Any], prediction: Any) -> float:
        """Returns the certainty of the candidate whose probability is nearest to the threshold; 1 without candidates."""
        return min((distance(each.probability, self.least) for each in candidates), default=1.0)

    # Output ------------------------------------------------------------------------------------------------

    def annotation(self, example: Any, prediction: Any) -> list[Record]:
        return self.answer_of(prediction)

    def key(self, answer: Any) -> Hashable:
        """Returns what identifies an answer, such as its string: two answers with equal keys are the same answer."""
        raise NotImplementedError

    def keyed(self, holder: Any) -> dict[Any, Any]:
        """Returns the answers of an example, of a prediction or of a list of candidates: a dict of key to answer."""
        answers = holder if isinstance(holder, list | tuple) else getattr(holder, self.ANSWERS)
        return {self.key(answer): answer for answer in answers}

    def gold_of(self, example: Any) -> list[Record]:
        return [answer.as_dict() for answer in self.keyed(example).values()]

    def answer_of(self, prediction: Any) -> list[Record]:
        return [answer.as_dict() for answer in self.keyed(prediction).values()]

    def is_right(self, example: Any, prediction: Any) -> bool:
        return self.keyed(example).keys() == self.keyed(prediction).keys()

    def error(self, example: Any, prediction: Any) -> Record | None:
        if self.is_right(example, prediction):
            return None
        found = self.keyed(prediction)
        gold, answered = self.keyed(example).keys(), found.keys()
        parts = {"gold": gold, "predicted": answered, "missing": gold - answered, "spurious": answered - gold}
        listed = {name: sorted(each) for name, each in parts.items()}
        sure = [round(found[each].probability, 6) for each in listed["predicted"]]
        return self.question(example) | listed | {"probability": sure}

    def record(self, example: Any, candidates: Any, prediction: Any) -> Record:
        """Describes one answer; its loss is the sum of -log(p) over gold answers and -log(1 - p) over wrong answers."""
        gold, answered, found = self.keyed(example), self.keyed(prediction), self.keyed(candidates)
        missed = [found[each].probability if each in found else 0.0 for each in gold]
        wrong = [1 - found[each].probability for each in answered.keys() - gold.keys()]
        loss = -sum(math.log(max(p, FLOOR)) for p in (*missed, *wrong))
        return super().record(example, candidates, prediction) | {"loss": round(loss, 6)}
