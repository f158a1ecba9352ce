"""What the tasks share that point at parts of a text: tokens, windows, a threshold, and why gold cannot be found."""

import math
from dataclasses import dataclass

from ..errors import InputError
from ..metrics.sets import best_threshold
from ..settings import Settings, option
from ..text.spans import FLOOR, occurrences, tokens_of
from ..text.windows import WHOLE, windows
from ..training.defaults import SPANS
from .base import P, Task


@dataclass(frozen=True)
class SpanSettings(Settings):
    tokenization: str = option(
        "pieces", "one token for each word piece, or for each character", choices=("pieces", "characters")
    )
    window_overlap: int = option(32, "tokens that two windows of a text longer than max_length share", least=0)
    threshold: float | None = option(
        None,
        f"minimum probability of an answer, from {FLOOR} (anything less probable is never kept) to 1; "
        "default: tuned on the development texts",
        least=FLOOR,
        most=1,
        later=True,
    )


class SpanTask(Task[P]):
    """A task whose answers are spans of the text, with a probability that a threshold is put to."""

    Settings = SpanSettings
    recipe = SPANS
    MAIN_SCORE = "f1"
    threshold_ = 0.5  # until development texts tell

    @property
    def least(self):
        """The threshold in force."""
        return self.threshold_ if self.settings.threshold is None else self.settings.threshold

    def best_threshold(self, gold, answers):
        """The threshold for the best F1, within the limits of the setting `threshold`."""
        return best_threshold(gold, answers, FLOOR)

    def new_tokenizer(self, vocabulary, cased):
        return super().new_tokenizer(vocabulary, cased, self.settings.tokenization == "characters")

    def encode(self, example):
        return windows(self.whole(example), self.settings.max_length, self.settings.window_overlap)

    def whole(self, example):
        """The example as one Encoded, nothing cut."""
        return self.tokenizer.encode(*self.parts(example), WHOLE)

    def tokens(self, example, string, span, encoded):
        """Tokens of every place of a gold string, or of the one that is given: a list of (first, last)."""
        segment = int(self.parts(example)[1] is not None)
        places = [span] if span else occurrences(example.text, string)
        return [tokens for place in places if (tokens := tokens_of(encoded, place, segment))]

    def lost(self, example, string, span, encoded):
        """Why a gold string can be found in none of the windows; None if it can."""
        if any(self.tokens(example, string, span, window) for window in encoded):
            return None
        if not (span or occurrences(example.text, string)):
            return "is not in the text"
        found = self.tokens(example, string, span, self.whole(example))
        return "stands whole in no window" if found else "does not begin and end with tokens"

    def check_targets(self, examples, targets):
        if any(targets):
            return
        reasons = ", ".join(f"{note} {count}" for note, count in examples.notes.items() if "cannot be found" in note)
        raise InputError(
            f"none of the answers in the training examples can be found in its text, so that nothing can be learned "
            f"({reasons}): an answer should stand in the text of its row letter by letter; check the columns of text and "
            "answers, and max_length where the texts are long"
        )

    def wrong(self, known, gold, found):
        """What `error` tells of any task that points.

        Args:
            known: the example as a dict.
            gold: set of what must be found.
            found: {what is answered: its probability}.
        """
        answered = found.keys()
        if gold == answered:
            return None
        parts = {"gold": gold, "predicted": answered, "missing": gold - answered, "spurious": answered - gold}
        told = {name: sorted(each) for name, each in parts.items()}
        return known | told | {"probability": [round(found[each], 6) for each in told["predicted"]]}

    def recorded(self, example, gold, found, answers):
        """What `record` tells of any task that points.

        Args:
            gold: {what must be found: as a dict}.
            found: {what is possible: its probability}.
            answers: {what is answered: as a dict}.

        Returns:
            A dict; its loss is -log of the probability of all that is gold, and of 1 minus that of wrong answers, summed.
        """
        missed = [found.get(each, 0.0) for each in gold]
        wrong = [1 - found[each] for each in answers.keys() - gold.keys()]
        loss = -sum(math.log(max(p, FLOOR)) for p in (*missed, *wrong))
        right = answers.keys() == gold.keys()
        told = {"gold": [*gold.values()], "predicted": [*answers.values()], "right": right, "loss": round(loss, 6)}
        return {"text": example.text} | told
