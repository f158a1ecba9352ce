"""Named entity recognition: finds parts of a text and their types; entities may be nested or overlap."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data import doubts
from ...data.annotations.entities import ENTITIES
from ...data.cells import blank, text_of
from ...data.examples import Skip
from ...errors import InputError
from ...metrics.classification import Report
from ...settings import AUTO, Auto, option
from ...text.spans import likely, mark, marked, span_of, tokens_of
from ...text.tokenizer import Encoded
from ...training.defaults import Resolved, chosen
from ..answers import Record
from ..client import Client
from ..contract import Arrays, Row, known
from ..presentation import Presentation
from ..span_task import SpanSettings, SpanTarget, SpanTask, weight_of
from ..target import Target
from . import scores
from .entities import Entity, Key, entities_of, most_probable_first, overlapping, without_overlaps
from .judging import EntityJudging

if TYPE_CHECKING:
    from tf_keras.losses import Loss

    from ..._keras import Model


@dataclass(frozen=True)
class EntitySettings(SpanSettings):
    """Settings of named entity recognition, in addition to those of every task."""

    label_column: str = option("entities", "column of the entities", later=True)
    flat: bool | Auto = option(
        AUTO,
        "of predicted entities that overlap, keep the most probable one; auto: if no training entities overlap",
    )


@dataclass(frozen=True)
class Example:
    """A text and its gold entities; None if the gold answer is not known. `notes` describes gold entities that are not used."""

    text: str
    entities: tuple[Entity, ...] | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """The predicted entities of a text, in the order of the text."""

    entities: tuple[Entity, ...] = ()


class EntityRecognizer(SpanTask[Prediction]):
    """Predicts the named entities of a text: parts of it, each with a type of the training data.

    Args:
        checkpoint: the BERT checkpoint to start from: a folder, a name from `kbert-checkpoint list`, or `hf:OWNER/NAME`.
        **settings: settings of the training, such as `epochs=3`. `kbert-train --task entity --help` lists them.

    Examples:
        >>> import kbert_tasks as kb
        >>> task = kb.EntityRecognizer("checkpoints/chinese_L-12_H-768_A-12", epochs=5)
        >>> task.fit(kb.read("train.jsonl")).predict(["方小雪住在青岛。"])
        [Prediction(entities=(Entity(entity='方小雪', type='人物', start=0, end=3, probability=0.99), ...))]
    """

    settings: EntitySettings

    Settings = EntitySettings
    LEARNED = ("types_", "flat_", "threshold_")
    ANSWER = ("entities",)
    ANSWERS = "entities"
    ANNOTATION = ENTITIES
    FORMAT = "jsonl"
    presentation = Presentation(
        "Named entities", "命名实体识别", "type", "各类型", "entity", "按是否嵌套",
        keys=("entity", "type", "start"), keys_zh=("实体", "类型", "起点"), entities=("entity",), hub_tag="token-classification",
    )  # fmt: skip
    CLASSES = "types_"
    types_: list[str]
    flat_: bool

    # From rows to examples -------------------------------------------------------------------------------------

    def read_row(self, row: Row, with_answer: bool) -> Example | Skip:
        text = text_of(row[self.settings.text_column], self.settings.text_column)
        if blank(text):
            return Skip("empty text")
        if not with_answer:
            return Example(text, None)
        found = entities_of(row[self.settings.label_column], text)
        return Skip("no list of entities") if found is None else Example(text, *found)

    def split_key(self, example: Example) -> Hashable:
        return bool(example.entities)

    def prepare(self, examples: Sequence[Example]) -> None:
        self.types_ = sorted({each.type for example in examples for each in known(example.entities)})
        if not self.types_:
            raise InputError("the training texts have no entities: at least one is needed")
        overlaps = any(overlapping(known(example.entities)) for example in examples)
        self.flat_ = not overlaps if self.settings.flat == AUTO else bool(self.settings.flat)

    def auto_settings(self) -> dict[str, Resolved[Any]]:
        reason = "no entities of the training texts overlap" if self.flat_ else "entities of the training texts overlap"
        return {"flat": chosen(self.settings.flat, Resolved(self.flat_, reason))}

    def doubtful_answers(self, examples: Sequence[Example]) -> Iterator[str]:
        return doubts.alike(Counter(each.type for e in examples for each in known(e.entities)), "types of entities")

    def notes_on(self, example: Example, encoded: Sequence[Encoded]) -> Iterator[str]:
        yield from super().notes_on(example, encoded)
        yield from example.notes
        for each in example.entities or ():
            if each.type not in self.types_:
                yield "entities that cannot be found: the type is not in the training data"
            elif reason := self.lost(example, each.entity, each.span, encoded):
                yield f"entities that cannot be found: it {reason}"

    # The model -------------------------------------------------------------------------------------------------

    def build(self, encoder: "Model") -> "Model":
        from ..._keras import keras2
        from ...encoder.layers import Dropout
        from ..heads import SpanScores

        x = Dropout(self.settings.dropout, name="Head-Dropout")(encoder.output)
        # (batch, types, time of the first token, time of the last token)
        return keras2().Model(encoder.inputs, {"spans": SpanScores(len(self.types_), name="spans")(x)}, name="entity")

    def loss(self) -> "dict[str, Loss]":
        from ..heads import SetLoss

        return {"spans": SetLoss()}

    def target(self, example: Example, encoded: Encoded) -> list[SpanTarget]:
        """Returns the gold entities in a window, a list of (index of the type, (first token, last token)).

        With a teacher, the third element of each tuple is the probability of the entity.
        """
        found = ((each, tokens_of(encoded, each.span)) for each in known(example.entities))
        return [(self.types_.index(each.type), tokens, *weight_of(each)) for each, tokens in found if tokens]

    def sample_target(
        self, x: Arrays, target: list[SpanTarget], chance: np.random.Generator | None
    ) -> tuple[Arrays, Arrays]:
        spans = np.repeat(marked([], len(x["Input-Token"]))[None], len(self.types_), axis=0)
        spans = self.as_targets(spans)
        for kind, tokens, *weight in target:
            mark(spans[kind], tokens, *weight)
        return x, {"spans": spans}

    # From tokens to entities -----------------------------------------------------------------------------------

    def decode(self, example: Example, encoded: Sequence[Encoded], outputs: Sequence[Arrays]) -> list[Entity]:
        found: dict[Key, Entity] = {}
        for window, each in zip(encoded, outputs, strict=True):
            for kind, p in zip(self.types_, self.probabilities(each["spans"]), strict=True):
                # A list of names can have an entity of the same type at every second token.
                for first, last in likely(p, window, most=len(window.ids)):
                    start, end = span_of(window, first, last)
                    entity = Entity(example.text[start:end], kind, start, end, float(p[first, last]))
                    if entity.key not in found or known(found[entity.key].probability) < known(entity.probability):
                        found[entity.key] = entity
        candidates = most_probable_first(found.values())
        # A threshold removes the least probable ones, so overlaps can be resolved before it is known.
        return without_overlaps(candidates) if self.flat_ else candidates

    def tune(self, examples: Sequence[Example], candidates: Sequence[list[Entity]]) -> None:
        gold = [{each.key for each in known(example.entities)} for example in examples]
        answers = [[(each.key, known(each.probability)) for each in found] for found in candidates]
        self.threshold_ = self.best_threshold(gold, answers)

    def decide(self, example: Example, candidates: list[Entity]) -> Prediction:
        kept = (each for each in candidates if known(each.probability) >= self.least)
        return Prediction(tuple(sorted(kept, key=lambda each: (each.start, -each.end, each.type))))

    # Scores and answers ----------------------------------------------------------------------------------------

    def measure(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> Report:
        found = scores.entities([known(e.entities) for e in examples], [p.entities for p in predictions])
        return Report(found | {"threshold": self.least})

    def key(self, answer: Entity) -> Key:
        return answer.key

    def to_dict(self, prediction: Prediction) -> Record:
        return {"entities": self.answer_of(prediction)}

    def error(self, example: Example, prediction: Prediction) -> Record | None:
        if self.is_right(example, prediction):
            return None
        gold, found = self.keyed(example), self.keyed(prediction)
        kinds = scores.errors(set(gold), set(found))
        wrong: dict[str, list[Record]] = {name: [] for name in scores.ERRORS}
        for key in sorted(kinds):
            wrong[kinds[key]].append((found[key] if key in found else gold[key]).as_dict())
        return self.details(example, prediction) | wrong

    def client(self) -> Client:
        about = {"types": self.types_, "flat": self.flat_}
        return self.span_client(Path(__file__).with_name("client.py.jinja"), about)

    def explained_answers(self, value: Sequence[Record]) -> list[Key]:
        return [(each["start"], each["end"], each["type"]) for each in value]

    def judging(self) -> EntityJudging:
        return EntityJudging(self)

    def explain_targets(
        self,
        example: Example,
        windows: Sequence[Encoded],
        candidates: list[Entity],
        prediction: Prediction,
        answer: Any,
    ) -> list[Target]:
        from .explain import targets

        return targets(self, example, windows, candidates, prediction, answer)


TASK = EntityRecognizer
