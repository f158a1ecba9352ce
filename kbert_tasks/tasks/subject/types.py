"""Settings, examples and predictions of subject extraction."""

from dataclasses import dataclass

from ...settings import option
from ..span_task import SpanSettings
from .subjects import Subject


@dataclass(frozen=True)
class SubjectSettings(SpanSettings):
    """Settings of subject extraction, in addition to those of every task."""

    label_column: str = option("subject", "column of the subject", later=True)
    type_column: str = option("event_type", "column of the event type, if there is one", later=True)
    find_types: bool = option(
        False,
        "the model reads only the text and also finds the event types; the type column is part of the gold answer",
    )
    without_subject: str = option(
        "keep", "keep or skip texts without a subject, in training and in scoring", choices=("keep", "skip"), later=True
    )


@dataclass(frozen=True)
class Example:
    """A text and its gold subjects.

    Attributes:
        text: the text.
        event_type: the event type that the model reads; None if there are no event types, or if the model finds them.
        subjects: the gold subjects; None if the gold answer is not known.
    """

    text: str
    event_type: str | None
    subjects: tuple[Subject, ...] | None

    @property
    def found_types(self) -> tuple[str, ...]:
        """The event types of the gold subjects, sorted; empty if the model does not find event types."""
        return tuple(sorted({each.event_type for each in self.subjects or () if each.event_type is not None}))


@dataclass(frozen=True)
class Prediction:
    """The predicted subjects, the most probable first. No subject overlaps a more probable one of the same event type."""

    subjects: tuple[Subject, ...] = ()
