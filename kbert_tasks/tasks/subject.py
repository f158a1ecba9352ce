"""Subject extraction: the parts of a text, any number or none, that an event of a given type is about."""

from dataclasses import dataclass, field

import numpy as np

from .. import set_metrics
from ..data import text_of
from ..errors import InputError
from ..examples import Skip, joined
from ..metrics import Report
from ..settings import Settings, option
from ..spans import Span, likely, marked, occurrences, span_of, tokens_of, told
from ..windows import WHOLE, windows
from .base import Task

NONE = ("", "NaN", "NAN")  # how the published data write that there is no subject
PUBLISHED = {3: ["id", "text", "event_type"], 4: ["id", "text", "event_type", "subject"]}  # CCKS 2019, no header


@dataclass(frozen=True)
class SubjectSettings(Settings):
    """What subject extraction can be told beside what every task can."""

    label_column: str = option("subject", "column of the subject", later=True)
    type_column: str = option("event_type", "column of the event's type, where there is one", later=True)
    without_subject: str = option(
        "keep", "texts without a subject: learn from them, or skip them", choices=("keep", "skip")
    )
    tokens: str = option(
        "characters", "a token for each word piece or each character", choices=("pieces", "characters")
    )
    overlap: int = option(32, "tokens that two windows of a text longer than max_length share", least=0)
    threshold: float | None = option(
        None, "least probability of a subject (by default found on the development texts)", above=0, below=1, later=True
    )


@dataclass(frozen=True)
class Subject:
    """A subject; its span (half-open characters of the text) where it is known, the score where it is an answer."""

    subject: str
    span: Span | None = None
    score: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Example:
    """A text, the event's type or None, and its gold subjects, or None."""

    text: str
    event_type: str | None
    subjects: tuple | None


@dataclass(frozen=True)
class Prediction:
    """The subjects, most probable first, no two of them overlapping."""

    subjects: tuple = ()


class SubjectExtractor(Task):
    """Whom or what an event is about.

    Example:
        >>> task = kb.SubjectExtractor("checkpoints/chinese_L-12_H-768_A-12", epochs=3)
        >>> task.fit(kb.read("train.csv")).predict([("长河科技股东减持", "股东减持")])
        [Prediction(subjects=(Subject(subject='长河科技', span=Span(start=0, end=4), score=0.98),))]
    """

    Settings = SubjectSettings
    MAIN_SCORE = "f1"
    LEARNED = ("typed_", "always_", "longest_", "threshold_")
    ANSWER = ("subjects",)
    FORMAT = "jsonl"
    typed_ = None  # until the training examples tell
    threshold_ = 0.5  # until development texts tell

    # From rows to examples -------------------------------------------------------------------------------------

    def named(self, rows):
        names = PUBLISHED.get(rows.shape[1])
        if names and list(rows.columns) == [str(i) for i in range(1, len(names) + 1)]:
            return rows.set_axis(names, axis=1)
        return rows

    def grouped(self, rows):
        settings = self.settings
        keys = [name for name in (settings.text_column, settings.type_column) if name in rows]
        cells = [name for name in (settings.label_column, "subject_span") if name in rows]
        if settings.text_column not in rows or settings.label_column not in rows:
            return rows
        return joined(rows, keys, cells, settings.label_column)

    def columns(self, gold):
        typed = self.typed_ or self.settings.type_column != SubjectSettings.type_column  # then it must be there
        return ["text_column", *["type_column"] * bool(typed), *["label_column"] * gold]

    def example(self, row, gold):
        text = text_of(row[self.settings.text_column])
        if not text.strip():
            return Skip("empty text")
        kind = text_of(row.get(self.settings.type_column)).strip() or None
        if self.typed_ and kind is None:
            return Skip("no event type")
        kind = None if self.typed_ is False else kind
        if not gold:
            return Example(text, kind, None)
        found = [_subject(*cells, text=text) for cells in row[self.settings.label_column]]
        subjects = tuple(dict.fromkeys(each for each in found if each is not None))
        if not subjects and self.settings.without_subject == "skip":
            return Skip("no subject")
        return Example(text, kind, subjects)

    def learn(self, examples):
        self.typed_ = any(example.event_type is not None for example in examples)
        kinds = {example.event_type for example in examples}
        # A type that had a subject whenever it was seen is answered with one, however unsure the model is.
        self.always_ = sorted(str(kind) for kind in kinds - {e.event_type for e in examples if not e.subjects})
        self.longest_ = max((len(each.subject) for example in examples for each in example.subjects), default=0)
        if not self.longest_:
            raise InputError("the training texts have no subjects: at least one is needed")

    # The model -------------------------------------------------------------------------------------------------

    def new_tokenizer(self, vocabulary, cased):
        return super().new_tokenizer(vocabulary, cased, self.settings.tokens == "characters")

    def build(self, encoder):
        from .._keras import keras2
        from ..pointers import SpanScores

        keras = keras2()
        x = keras.layers.Dropout(self.settings.dropout, name="Head-Dropout")(encoder.output)
        return keras.Model(encoder.inputs, {"spans": SpanScores(1, name="spans")(x)}, name="subject")

    def losses(self):
        from ..pointers import SetLoss

        return {"spans": SetLoss()}

    # From text and gold to tokens, and back --------------------------------------------------------------------

    def encode(self, example):
        first, pair = (example.event_type, example.text) if self.typed_ else (example.text, None)
        whole = self.tokenizer.encode(first, pair, WHOLE)
        return windows(whole, self.settings.max_length, self.settings.overlap)

    def target(self, example, encoded):
        return [tokens for each in example.subjects for tokens in self._tokens(example, each, encoded)]

    def _tokens(self, example, subject, encoded):
        """Of every place of a gold subject."""
        places = [subject.span] if subject.span else occurrences(example.text, subject.subject)
        return [tokens for place in places if (tokens := tokens_of(encoded, place, int(self.typed_)))]

    def draw(self, x, target, chance):
        spans = marked(target, len(x["Input-Token"]))
        if self.typed_:  # the type's own tokens are no part of the text
            spans[x["Input-Segment"] == 0] = -1
        return x, {"spans": spans[None]}

    def remarks(self, example, encoded):
        yield from super().remarks(example, encoded)
        for each in example.subjects or ():
            if any(self._tokens(example, each, window) for window in encoded):
                continue
            there = each.span or occurrences(example.text, each.subject)
            reason = (
                "it does not begin and end with tokens, or is longer than a window"
                if there
                else "it is not in the text"
            )
            yield f"subjects that cannot be found: {reason}"

    def outputs(self, encoded):
        logits = [each["spans"][0].astype("float64") for each in super().outputs(encoded)]
        return [{"spans": 1 / (1 + np.exp(-each))} for each in logits]

    def decode(self, example, encoded, outputs):
        found = {}
        for window, each in zip(encoded, outputs, strict=True):
            for first, last in likely(each["spans"], window, int(self.typed_), self.longest_):
                span, score = span_of(window, first, last), float(each["spans"][first, last])
                if span not in found or found[span].score < score:
                    found[span] = Subject(example.text[slice(*span)], span, score)
        return tuple(sorted(found.values(), key=lambda s: (-s.score, s.span)))

    def tune(self, examples, possible):
        gold = [{each.subject for each in example.subjects} for example in examples]
        answers = [[(s.subject, s.score) for s in _apart(found)] for found in possible]
        self.threshold_ = set_metrics.best_threshold(gold, answers)

    def choose(self, example, possible):
        least = self.settings.threshold or self.threshold_
        chosen = [each for each in _apart(possible) if each.score >= least]
        if not chosen and str(example.event_type) in self.always_:
            chosen = possible[:1]
        return Prediction(tuple(chosen))

    # Scores and answers ----------------------------------------------------------------------------------------

    def row(self, prediction):
        made = [{"subject": s.subject, "span": list(s.span), "score": round(s.score, 6)} for s in prediction.subjects]
        return {"subjects": made}

    def error(self, example, prediction):
        gold, found = ([each.subject for each in part] for part in (example.subjects, prediction.subjects))
        parts = {
            "gold": gold,
            "predicted": found,
            "missing": sorted({*gold} - {*found}),
            "spurious": sorted({*found} - {*gold}),
        }
        return None if {*gold} == {*found} else {"text": example.text, "event_type": example.event_type} | parts

    def score(self, examples, predictions):
        gold, found = ([[s.subject for s in each.subjects] for each in part] for part in (examples, predictions))
        return Report(set_metrics.subjects(gold, found, [example.event_type for example in examples]))


def _subject(string, span=None, *, text):
    """A gold subject from its cells, or None where they say that there is none."""
    string = text_of(string)
    if string.strip() in NONE and string not in text:
        return None
    return Subject(string, told(span, string, text))


def _apart(found):
    """Of subjects, most probable first: those that overlap no more probable one, each string once."""
    kept, strings = [], set()
    for each in found:
        if each.subject not in strings and all(
            each.span.end <= k.span.start or k.span.end <= each.span.start for k in kept
        ):
            kept.append(each)
            strings.add(each.subject)
    return kept


TASK = SubjectExtractor
