"""Subject extraction: finds the parts of a text (any number, or none) that an event of a given type is about."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data import doubts
from ...data.cells import blank, text_of, texts_of
from ...data.examples import Skip, join_rows
from ...errors import InputError
from ...metrics.classification import Report
from ...settings import option
from ...text.spans import FLOOR, MOST, Span, TokenSpan, likely, marked, span_of
from ...text.tokenizer import Encoded
from ..answers import Record
from ..client import Client
from ..contract import Arrays, Row, known
from ..presentation import Presentation
from ..span_task import SpanSettings, SpanTask
from ..target import Target
from .scores import subjects as subject_scores
from .subjects import NO_SUBJECT, Subject, subjects_of, without_overlaps

if TYPE_CHECKING:
    import pandas as pd
    from tf_keras.losses import Loss

    from ..._keras import Model


@dataclass(frozen=True)
class SubjectSettings(SpanSettings):
    """Settings of subject extraction, in addition to those of every task."""

    label_column: str = option("subject", "column of the subject", later=True)
    type_column: str = option("event_type", "column of the event type, if there is one", later=True)
    without_subject: str = option(
        "keep", "keep or skip texts without a subject, in training and in scoring", choices=("keep", "skip"), later=True
    )


@dataclass(frozen=True)
class Example:
    """A text, its event type or None, and its gold subjects; None if the gold answer is not known."""

    text: str
    event_type: str | None
    subjects: tuple[Subject, ...] | None


@dataclass(frozen=True)
class Prediction:
    """The predicted subjects, the most probable first. No subject overlaps a more probable one."""

    subjects: tuple[Subject, ...] = ()


class SubjectExtractor(SpanTask[Prediction]):
    """Predicts the subjects of an event: the parts of a text that name whom or what the event is about.

    The input is a pair (text, event type), or only a text if the training data have no event types.

    Args:
        checkpoint: the BERT checkpoint to start from: a folder, a name from `kbert-checkpoint list`, or `hf:OWNER/NAME`.
        **settings: settings of the training, such as `epochs=3`. `kbert-train --task subject --help` lists them.

    Examples:
        >>> import kbert_tasks as kb
        >>> task = kb.SubjectExtractor("checkpoints/chinese_L-12_H-768_A-12", epochs=3)
        >>> task.fit(kb.read("train.csv")).predict([("长河科技股东减持", "股东减持")])
        [Prediction(subjects=(Subject(subject='长河科技', span=Span(start=0, end=4), probability=0.98),))]
    """

    settings: SubjectSettings

    Settings = SubjectSettings
    LEARNED = ("typed_", "always_", "longest_", "threshold_")
    ANSWER = ("subject", "probability", "subjects")
    ANSWERS = "subjects"
    SECOND = "type_column"
    SECOND_TEXT = "the event's type"
    presentation = Presentation(
        "Event subjects", "事件主体抽取", "event type", "各事件类型",
        question=("text", "event_type"), about="event_type", keys=("subject",), entities=("subject",), ranked=True,
    )  # fmt: skip
    typed_: bool | None = None  # set by `name_columns` and `prepare`
    paired = property(lambda self: self.typed_)

    # From rows to examples -------------------------------------------------------------------------------------

    def name_columns(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        settings = self.settings
        names = ["id", settings.text_column, settings.type_column, settings.label_column][: rows.shape[1]]
        numbered = [str(i) for i in range(1, len(names) + 1)]
        # The published CCKS 2019 files have no header. Their columns are id, text, type and, for training, subject.
        if len(names) >= 3 and list(rows.columns) == numbered and settings.text_column not in numbered:
            if all(number.isdigit() for number in texts_of(rows, "1")):
                rows = rows.set_axis(names, axis=1)
        if settings.type_column in rows:
            kinds = ["" if blank(kind) else kind.strip() for kind in texts_of(rows, settings.type_column)]
            rows = rows.assign(**{settings.type_column: kinds})
        if self.typed_ is None:
            self.typed_ = settings.type_column in rows and bool((rows[settings.type_column] != "").any())
        return rows

    def group_rows(self, rows: "pd.DataFrame") -> "tuple[pd.DataFrame, list[tuple[int, ...]]]":
        text, kind, label = (getattr(self.settings, f"{name}_column") for name in ("text", "type", "label"))
        if text not in rows or label not in rows or (self.typed_ and kind not in rows):  # `columns` reports it
            return super().group_rows(rows)
        return join_rows(
            rows, [text, kind] if self.typed_ else [text], [label, *["subject_span"] * ("subject_span" in rows)], label
        )

    def split_key(self, example: Example) -> Hashable:
        return example.event_type, bool(example.subjects)

    def columns(self, with_answer: bool) -> list[str]:
        typed = self.typed_ or self.settings.type_column != SubjectSettings.type_column  # required if the user named it
        return ["text_column", *["type_column"] * bool(typed), *["label_column"] * with_answer]

    def read_row(self, row: Row, with_answer: bool) -> Example | Skip:
        text = text_of(row[self.settings.text_column], self.settings.text_column)
        if blank(text):
            return Skip("empty text")
        kind = row[self.settings.type_column] if self.typed_ else None
        if kind == "":
            return Skip("no event type")
        if not with_answer:
            return Example(text, kind, None)
        found = [each for cells in row[self.settings.label_column] for each in subjects_of(text, *cells)]
        if not found and self.settings.without_subject == "skip":
            return Skip("no subject")
        return Example(text, kind, tuple(dict.fromkeys(found)))

    def prepare(self, examples: Sequence[Example]) -> None:
        kinds = {example.event_type for example in examples}
        self.typed_ = kinds != {None}
        # If every training example of a type has a subject, always predict one for that type, whatever its probability.
        self.always_ = sorted(kinds - {e.event_type for e in examples if not e.subjects}, key=str)
        self.longest_ = max((len(each.subject) for example in examples for each in known(example.subjects)), default=0)
        if not self.longest_:
            raise InputError("the training texts have no subjects: at least one is needed")

    def doubtful_answers(self, examples: Sequence[Example]) -> Iterator[str]:
        return doubts.alike(Counter(known(example.event_type) for example in examples if self.typed_), "event types")

    # The model -------------------------------------------------------------------------------------------------

    def build(self, encoder: "Model") -> "Model":
        from ..._keras import keras2
        from ...encoder.layers import Dropout
        from ..heads import SpanScores

        x = Dropout(self.settings.dropout, name="Head-Dropout")(encoder.output)
        # Predictions use `spans`, where each span has its own sigmoid, so that a text can have several subjects. `choice` is
        # an auxiliary output for training: one softmax over all spans, so that the encoder learns to compare candidates.
        outputs = {name: SpanScores(1, name=name)(x) for name in ("spans", "choice")}
        return keras2().Model(encoder.inputs, outputs, name="subject")

    @staticmethod
    def prediction_model(model: "Model") -> "Model":
        from ..._keras import keras2

        return keras2().Model(model.inputs, {"spans": model.get_layer("spans").output})

    def loss(self) -> "dict[str, Loss]":
        from ..heads import ChoiceLoss, SetLoss

        return {"spans": SetLoss(), "choice": ChoiceLoss()}

    # From text and gold to tokens, and back --------------------------------------------------------------------

    def texts_of(self, example: Example) -> tuple[str, str | None]:
        return (known(example.event_type), example.text) if self.typed_ else (example.text, None)

    def target(self, example: Example, encoded: Encoded) -> list[TokenSpan] | None:
        """Returns the gold subjects of a window.

        Returns:
            A list of (first token, last token); an empty list if the window has no subject; None if that is not known,
            because the gold subjects cannot be found in the text.
        """
        found = self._found(example, encoded)
        return found if found or not example.subjects or self._found(example, self.whole(example)) else None

    def _found(self, example: Example, encoded: Encoded) -> list[TokenSpan]:
        return [t for each in known(example.subjects) for t in self.tokens(example, each.subject, each.span, encoded)]

    def sample_target(
        self, x: Arrays, target: list[TokenSpan] | None, chance: np.random.Generator | None
    ) -> tuple[Arrays, Arrays]:
        spans = self._answers(x["Input-Segment"])
        if target is None:
            spans[:] = -1
        else:
            for first, last in target or [NO_SUBJECT]:
                spans[first, last] = 1
        return x, {"spans": spans[None], "choice": spans[None]}

    def _answers(self, segments: np.ndarray) -> np.ndarray:
        """Returns int8 (length, length): 0 at (first, last) of spans that can be an answer, -1 elsewhere."""
        spans = marked([], len(segments))
        if self.typed_:
            spans[segments == 0] = -1
        spans[NO_SUBJECT] = 0
        return spans

    def notes_on(self, example: Example, encoded: Sequence[Encoded]) -> Iterator[str]:
        yield from super().notes_on(example, encoded)
        for each in example.subjects or ():
            reason = self.lost(example, each.subject, each.span, encoded)
            if reason is None and len(each.subject) > self.longest_:
                reason = "is longer than all subjects in the training data"
            if reason:
                yield f"subjects that cannot be found: it {reason}"

    def decode(self, example: Example, encoded: Sequence[Encoded], outputs: Sequence[Arrays]) -> list[Subject]:
        found: dict[Span, Subject] = {}
        floor = 0.0 if example.event_type in self.always_ else FLOOR
        for window, each in zip(encoded, outputs, strict=True):
            p = self.span_probabilities(window, each)
            for first, last in likely(p, window, int(bool(self.typed_)), floor):
                span, score = span_of(window, first, last), float(p[first, last])
                better = span not in found or known(found[span].probability) < score
                if span.end - span.start <= self.longest_ and better:
                    found[span] = Subject(example.text[slice(*span)], span, score)
        return without_overlaps(sorted(found.values(), key=lambda s: (-known(s.probability), known(s.span))))

    def span_probabilities(self, window: Encoded, outputs: Arrays) -> np.ndarray:
        """Returns the probability of each span of a window, (first token, last token); 0 if it cannot be an answer."""
        return np.where(self._answers(window.segments) == 0, self.probabilities(outputs["spans"][0]), 0.0)

    def tune(self, examples: Sequence[Example], candidates: Sequence[list[Subject]]) -> None:
        gold = [{each.subject for each in known(example.subjects)} for example in examples]
        answers = [
            [
                (s.subject, 1.0 if s is found[0] and example.event_type in self.always_ else known(s.probability))
                for s in found
            ]
            for example, found in zip(examples, candidates, strict=True)
        ]
        self.threshold_ = self.best_threshold(gold, answers)

    def decide(self, example: Example, candidates: list[Subject]) -> Prediction:
        sure = 1 if example.event_type in self.always_ else 0
        return Prediction(tuple(s for i, s in enumerate(candidates) if i < sure or known(s.probability) >= self.least))

    # Scores and answers ----------------------------------------------------------------------------------------

    def explained_answers(self, value: Sequence[Record]) -> list[str]:
        return [each["subject"] for each in value] or [""]  # "no subject" is an answer too

    def client(self) -> Client:
        about = {"always": self.always_, "longest": self.longest_, "most": MOST}
        return self.span_client(Path(__file__).with_name("client.py.jinja"), about, pairs=bool(self.typed_))

    def explain_targets(
        self,
        example: Example,
        windows: Sequence[Encoded],
        candidates: list[Subject],
        prediction: Prediction,
        answer: Any,
    ) -> list[Target]:
        from .explain import targets

        return targets(self, example, windows, candidates, prediction, answer)

    def key(self, answer: Subject) -> str:
        return answer.subject

    def to_dict(self, prediction: Prediction) -> Record:
        made = self.answer_of(prediction)
        best = made[0] if made else {"subject": "", "probability": None}
        return {"subject": best["subject"], "probability": best["probability"], "subjects": made}

    def measure(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> Report:
        gold = [[s.subject for s in known(example.subjects)] for example in examples]
        found = [[s.subject for s in prediction.subjects] for prediction in predictions]
        scores = subject_scores(gold, found, [example.event_type for example in examples])
        return Report(scores | {"threshold": self.least})


TASK = SubjectExtractor
