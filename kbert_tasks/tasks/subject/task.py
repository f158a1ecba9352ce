"""Subject extraction: finds the parts of a text (any number, or none) that an event is about.

The model reads the event type, or finds it together with the subjects. Spans are scored for each of `kinds`: for each event
type that the model finds, or once.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ...data.annotations.entities import ENTITIES
from ...errors import InputError
from ...metrics.classification import Report
from ...text.spans import FLOOR, MOST, Span, likely, mark, marked, span_of
from ...text.tokenizer import Encoded
from ..answers import Record
from ..client import Client
from ..contract import Arrays, known
from ..presentation import Presentation
from ..span_task import SpanTarget, weight_of
from ..target import Target
from . import annotated, scores
from .judging import SubjectJudging
from .reading import ReadsSubjects
from .subjects import NO_SUBJECT, Key, Subject, without_overlaps
from .types import Example, Prediction, SubjectSettings

if TYPE_CHECKING:
    from tf_keras.losses import Loss

    from ..._keras import Model

Gold: TypeAlias = list[SpanTarget]  # index of the kind, tokens of a gold subject


class SubjectExtractor(ReadsSubjects):
    """Predicts the subjects of an event: the parts of a text that name whom or what the event is about.

    The input is a pair (text, event type), or only a text if the training data have no event types. With `find_types=True`,
    the input is only a text, and each predicted subject has one of the event types of the training data.

    Args:
        checkpoint: the BERT checkpoint to start from: a folder, a name from `kbert-checkpoint list`, or `hf:OWNER/NAME`.
        **settings: settings of the training, such as `epochs=3`. `kbert-train --task subject --help` lists them.

    Examples:
        >>> import kbert_tasks as kb
        >>> task = kb.SubjectExtractor("checkpoints/chinese_L-12_H-768_A-12", epochs=3)
        >>> task.fit(kb.read("train.csv")).predict([("长河科技股东减持", "股东减持")])
        [Prediction(subjects=(Subject(subject='长河科技', span=Span(start=0, end=4), probability=0.98, ...),))]
    """

    Settings = SubjectSettings
    LEARNED = ("typed_", "types_", "always_", "longest_", "threshold_")
    ANSWERS = "subjects"
    ANNOTATION = ENTITIES
    presentation = Presentation(
        "Event subjects", "事件主体抽取", "event type", "各事件类型",
        question=("text", "event_type"), about="event_type", keys=("event_type", "subject"), keys_zh=("事件类型", "主体"),
        entities=("subject",),
        ranked=True, hub_tag="token-classification",
    )  # fmt: skip
    CLASSES = "types_"
    types_: Sequence[str] = ()  # the event types that the model finds

    @property
    def ANSWER(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("subject", *["event_type"] * self.settings.find_types, "probability", "subjects")

    @property
    def kinds(self) -> Sequence[str | None]:
        """The event types that the model finds; [None] if it reads the event type, or if there are none."""
        return self.types_ or [None]

    def prepare(self, examples: Sequence[Example]) -> None:
        kinds = {example.event_type for example in examples}
        self.typed_ = kinds != {None} or self.settings.find_types
        self.types_ = sorted({kind for example in examples for kind in example.found_types})
        # If every training example of a type has a subject, always predict one for that type, whatever its probability.
        self.always_ = sorted(kinds - {e.event_type for e in examples if not e.subjects}, key=str)
        self.longest_ = max((len(each.subject) for example in examples for each in known(example.subjects)), default=0)
        if not self.longest_:
            raise InputError("the training texts have no subjects: at least one is needed")

    # The model -------------------------------------------------------------------------------------------------

    def build(self, encoder: "Model") -> "Model":
        from ..._keras import keras2
        from ...encoder.layers import Dropout
        from ..heads import SpanScores

        x = Dropout(self.settings.dropout, name="Head-Dropout")(encoder.output)
        # Predictions use `spans`, where each span has its own sigmoid, so that a text can have several subjects. `choice` is
        # an auxiliary output for training: one softmax over all spans, so that the encoder learns to compare candidates.
        # Both are (batch, kinds, time of the first token, time of the last token).
        outputs = {name: SpanScores(len(self.kinds), name=name)(x) for name in ("spans", "choice")}
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
        return (known(example.event_type), example.text) if self.paired else (example.text, None)

    def target(self, example: Example, encoded: Encoded) -> Gold | None:
        """Returns the gold subjects of a window.

        Returns:
            A list of (index of the kind, (first token, last token)); an empty list if the window has no subject; None if
            that is not known, because the gold subjects cannot be found in the text. With a teacher, the third element of each
            tuple is the probability of the subject.
        """
        found = self._found(example, encoded)
        return found if found or not example.subjects or self._found(example, self.whole(example)) else None

    def _found(self, example: Example, encoded: Encoded) -> Gold:
        return [
            (self.kinds.index(each.event_type), tokens, *weight_of(each))
            for each in known(example.subjects)
            for tokens in self.tokens(example, each.subject, each.span, encoded)
        ]

    def sample_target(
        self, x: Arrays, target: Gold | None, chance: np.random.Generator | None
    ) -> tuple[Arrays, Arrays]:
        spans = self.as_targets(self.possible(x["Input-Segment"]))
        if target is None:
            spans[:] = -1
        else:
            for kind, tokens, *weight in target or [(0, NO_SUBJECT)]:
                mark(spans[kind], tokens, *weight)
            if self.teacher_ and target:
                spans[(0, *NO_SUBJECT)] = 1 - spans.max()
        return x, {"spans": spans, "choice": spans}

    def possible(self, segments: np.ndarray) -> np.ndarray:
        """Returns int8 (kinds, length, length): 0 at (first, last) of spans that can be an answer, -1 elsewhere.

        [CLS] is the answer "no subject". Only the first kind has it, because it means that no kind has a subject.
        """
        spans = marked([], len(segments))
        if self.paired:
            spans[segments == 0] = -1
        spans = np.repeat(spans[None], len(self.kinds), axis=0)
        spans[(slice(None), *NO_SUBJECT)] = -1
        spans[(0, *NO_SUBJECT)] = 0
        return spans

    def notes_on(self, example: Example, encoded: Sequence[Encoded]) -> Iterator[str]:
        yield from super().notes_on(example, encoded)
        for each in example.subjects or ():
            reason = self.lost(example, each.subject, each.span, encoded)
            if each.event_type not in self.kinds:
                reason = "has an event type that is not in the training data"
            elif reason is None and len(each.subject) > self.longest_:
                reason = "is longer than all subjects in the training data"
            if reason:
                yield f"subjects that cannot be found: it {reason}"

    def decode(self, example: Example, encoded: Sequence[Encoded], outputs: Sequence[Arrays]) -> list[Subject]:
        found: dict[tuple[str | None, Span], Subject] = {}
        floor = 0.0 if example.event_type in self.always_ else FLOOR
        for window, each in zip(encoded, outputs, strict=True):
            for kind, p in zip(self.kinds, self.span_probabilities(window, each), strict=True):
                for first, last in likely(p, window, int(bool(self.paired)), floor):
                    span, score = span_of(window, first, last), float(p[first, last])
                    better = (kind, span) not in found or known(found[kind, span].probability) < score
                    if span.end - span.start <= self.longest_ and better:
                        found[kind, span] = Subject(example.text[slice(*span)], span, score, kind)
        ordered = sorted(found.values(), key=lambda s: (-known(s.probability), known(s.span), s.event_type or ""))
        return without_overlaps(ordered[: MOST * len(encoded)])

    def span_probabilities(self, window: Encoded, outputs: Arrays) -> np.ndarray:
        """Returns the probability of each span of a window, (kind, first token, last token); 0 if it cannot be an answer."""
        return np.where(self.possible(window.segments) == 0, self.probabilities(outputs["spans"]), 0.0)

    def tune(self, examples: Sequence[Example], candidates: Sequence[list[Subject]]) -> None:
        gold = [{each.key for each in known(example.subjects)} for example in examples]
        answers = [
            [
                (s.key, 1.0 if s is found[0] and example.event_type in self.always_ else known(s.probability))
                for s in found
            ]
            for example, found in zip(examples, candidates, strict=True)
        ]
        self.threshold_ = self.best_threshold(gold, answers)

    def decide(self, example: Example, candidates: list[Subject]) -> Prediction:
        sure = 1 if example.event_type in self.always_ else 0
        return Prediction(tuple(s for i, s in enumerate(candidates) if i < sure or known(s.probability) >= self.least))

    def certainty(self, example: Example, candidates: Sequence[Subject], prediction: Prediction) -> float:
        """Returns the same as for other spans, but for a subject that is always predicted, its probability."""
        sure = 1 if example.event_type in self.always_ else 0
        rest = super().certainty(example, candidates[sure:], prediction)
        return min([rest, *(known(each.probability) for each in candidates[:sure])])

    # Scores and answers ----------------------------------------------------------------------------------------

    def annotation(self, example: Example, prediction: Prediction) -> list[Record]:
        return annotated.entities(prediction.subjects, example.event_type)

    def explained_answers(self, value: Sequence[Record]) -> list[Key]:
        found = [Subject(each["subject"], event_type=each.get("event_type")).key for each in value]
        return found or [""]  # "no subject" is an answer too

    def client(self) -> Client:
        about = {"always": self.always_, "longest": self.longest_, "most": MOST, "kinds": [*self.kinds]}
        about["find_types"] = self.settings.find_types
        return self.span_client(Path(__file__).with_name("client.py.jinja"), about, pairs=bool(self.paired))

    def judging(self) -> SubjectJudging:
        return SubjectJudging(self)

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

    def key(self, answer: Subject) -> Key:
        return answer.key

    def to_dict(self, prediction: Prediction) -> Record:
        made = self.answer_of(prediction)
        best = made[0] if made else {"subject": "", "event_type": "", "probability": None}
        return {name: made if name == "subjects" else best[name] for name in self.ANSWER}

    def measure(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> Report:
        both = [known(example.subjects) for example in examples], [prediction.subjects for prediction in predictions]
        if self.settings.find_types:
            gold, found = ([[(known(s.event_type), s.subject) for s in each] for each in part] for part in both)
            measured = scores.events(gold, found)
        else:
            strings, answers = ([[s.subject for s in each] for each in part] for part in both)
            measured = scores.subjects(strings, answers, [example.event_type for example in examples])
        return Report(measured | {"threshold": self.least})


TASK = SubjectExtractor
