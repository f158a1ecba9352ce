"""Settings, examples and predictions of relation extraction."""

from collections.abc import Collection
from dataclasses import dataclass

from ...settings import option
from ...text.spans import MOST
from ..span_task import SpanSettings
from . import cascade
from .triples import Triple

_ADVICE = (
    "This is normal for a model that is hardly trained: use more --epochs or a higher --learning-rate. "
    "For a trained model, a smaller --max-length gives each window fewer candidates"
)
MANY_SPANS = (
    f"at least {MOST} candidate subjects or objects in a window: only the {MOST} most probable are used. {_ADVICE}"
)
MANY_TRIPLES = f"at least {cascade.TRIPLES} candidate triples in a window: only the {cascade.TRIPLES} most probable are used. {_ADVICE}"
COLUMNS = ("subject_column", "predicate_column", "object_column")


@dataclass(frozen=True)
class RelationSettings(SpanSettings):
    """Settings of relation extraction, in addition to those of every task."""

    label_column: str = option("spo_list", "column of the triples", later=True)
    subject_column: str = option("subject", "column of the subject, if each row has one triple", later=True)
    predicate_column: str = option("predicate", "column of the predicate, if each row has one triple", later=True)
    object_column: str = option("object", "column of the object, if each row has one triple", later=True)
    max_sampled_spans: int = option(
        8, "maximum number of subjects and of objects that are sampled from a text in one training step", least=1
    )


@dataclass(frozen=True)
class Example:
    """A text and its gold triples; None if the gold answer is not known."""

    text: str
    triples: tuple[Triple, ...] | None


@dataclass(frozen=True)
class Prediction:
    """The predicted triples of a text, the most probable first. Each occurs once, with its most probable spans."""

    triples: tuple[Triple, ...] = ()


class Candidates(tuple[Triple, ...]):
    """The candidate triples of a text, the most probable first; `remarks` is a set of notes about candidates that were ignored."""

    remarks: Collection[str] = ()
