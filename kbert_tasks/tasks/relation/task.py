"""Relation extraction: finds the (subject, predicate, object) triples of a text."""

import collections
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data import doubts, tables
from ...data.annotations.entities import TRIPLES
from ...data.cells import blank, text_of
from ...data.examples import Skip, join_rows
from ...errors import InputError
from ...metrics.classification import Report
from ...text.spans import MOST, TokenSpan, span_of
from ...text.tokenizer import Encoded
from ..answers import Record
from ..client import Client
from ..contract import Arrays, Outputs, Row, known
from ..presentation import Presentation
from ..span_task import SpanTask, weight_of
from ..target import Target
from . import cascade, triples
from .judging import TripleJudging
from .scores import triples as triple_scores
from .triples import Strings, Triple
from .types import COLUMNS, MANY_SPANS, MANY_TRIPLES, Candidates, Example, Prediction, RelationSettings

if TYPE_CHECKING:
    import pandas as pd
    from tf_keras.losses import Loss

    from ..._keras import Model


class RelationExtractor(SpanTask[Prediction]):
    """Predicts the (subject, predicate, object) triples that a text contains.

    The predicates are those of the training data. Subjects and objects are parts of the text.

    Args:
        checkpoint: the BERT checkpoint to start from: a folder, a name from `kbert-checkpoint list`, or `hf:OWNER/NAME`.
        **settings: settings of the training, such as `epochs=3`. `kbert-train --task relation --help` lists them.

    Examples:
        >>> import kbert_tasks as kb
        >>> task = kb.RelationExtractor("checkpoints/chinese_L-12_H-768_A-12", epochs=10)
        >>> task.fit(kb.read("train.jsonl")).predict(["《雪的体重》的作者是方小雪。"])
        [Prediction(triples=(Triple(subject='雪的体重', predicate='作者', object='方小雪', ...),))]
    """

    settings: RelationSettings
    types_: dict[str, list[str | None]]  # for each predicate, its most frequent types of subject and object

    Settings = RelationSettings
    LEARNED = ("predicates_", "types_", "threshold_")
    ANSWER = ("spo_list",)
    ANSWERS = "triples"
    ANNOTATION = TRIPLES
    FORMAT = "jsonl"
    SECOND_STAGE = "pairs"
    presentation = Presentation(
        "Relation extraction", "关系抽取", "predicate", "各谓词",
        keys=("subject", "predicate", "object"), keys_zh=("主体", "谓词", "客体"), entities=("subject", "object"),
        hub_tag="token-classification",
    )  # fmt: skip
    CLASSES = "predicates_"

    def read_row(self, row: Row, with_answer: bool) -> Example | Skip:
        text = text_of(row[self.settings.text_column], self.settings.text_column)
        if blank(text):
            return Skip("empty text")
        if not with_answer:
            return Example(text, None)
        found = triples.triples_of(row[self.settings.label_column], text)
        return Skip("no list of triples") if found is None else Example(text, found)

    def group_rows(self, rows: "pd.DataFrame") -> "tuple[pd.DataFrame, list[tuple[int, ...]]]":
        settings, names = self.settings, [getattr(self.settings, option) for option in COLUMNS]
        if settings.label_column in rows or not set(names) & set(rows.columns):
            return super().group_rows(rows)
        for name in ("text_column", *COLUMNS):
            tables.column(rows, getattr(settings, name), name)
        more = [name for name in ("subject_span", "object_span", *triples.TYPES) if name in rows]
        rows, sources = join_rows(rows, [settings.text_column], [*names, *more], settings.label_column)
        parts = (*triples.PARTS, *more)
        lists = [[dict(zip(parts, cells, strict=True)) for cells in each] for each in rows[settings.label_column]]
        return rows.assign(**{settings.label_column: lists}), sources

    def split_key(self, example: Example) -> Hashable:
        return bool(example.triples)

    def prepare(self, examples: Sequence[Example]) -> None:
        self.predicates_ = sorted({triple.predicate for example in examples for triple in known(example.triples)})
        if not self.predicates_:
            raise InputError("the training texts have no triples: at least one is needed")
        # In DuIE, the predicate of a triple determines the types of its subject and its object.
        found: collections.defaultdict[str, collections.Counter[triples.Types]] = collections.defaultdict(
            collections.Counter
        )
        for triple in (triple for example in examples for triple in known(example.triples)):
            if triple.types:
                found[triple.predicate][triple.types] += 1
        self.types_ = {predicate: list(kinds.most_common(1)[0][0]) for predicate, kinds in sorted(found.items())}

    def doubtful_answers(self, examples: Sequence[Example]) -> Iterator[str]:
        return doubts.alike(collections.Counter(t.predicate for e in examples for t in known(e.triples)), "predicates")

    def build(self, encoder: "Model") -> "Model":
        from ..._keras import keras2
        from ...encoder.layers import Dropout
        from ..heads import PairScores, SpanScores

        keras = keras2()
        # Indices of the first and last token of each span.
        subjects, objects = (keras.Input((None, 2), dtype="int32", name=name) for name in ("Subjects", "Objects"))
        x = Dropout(self.settings.dropout, name="Head-Dropout")(encoder.output)
        outputs = {"spans": SpanScores(2, name="spans")(x)}  # (batch, subject or object, time, time)
        # (batch, subjects, objects, predicates)
        outputs["pairs"] = PairScores(len(self.predicates_), name="pairs")([x, subjects, objects])
        return keras.Model([*encoder.inputs, subjects, objects], outputs, name="relation")

    @staticmethod
    def prediction_model(model: "Model") -> "Model":
        from ..._keras import keras2

        outputs = {"hidden": model.get_layer("Head-Dropout").input, "spans": model.get_layer("spans").output}
        return keras2().Model(model.inputs[:2], outputs)

    def loss(self) -> "dict[str, Loss]":
        from ..heads import SetLoss

        return {"spans": SetLoss(), "pairs": SetLoss()}

    # From text and gold to tokens ------------------------------------------------------------------------------

    def target(self, example: Example, encoded: Encoded) -> cascade.Gold:
        """Returns the gold of a window: a dict of subject tokens to a list of (predicate index, object tokens)."""
        gold: cascade.Gold = collections.defaultdict(list)
        for triple in known(example.triples):
            for subject, object_ in self.pairs_of(example, triple, encoded):
                gold[subject].append((self.predicates_.index(triple.predicate), object_, *weight_of(triple)))
        return dict(gold)

    def pairs_of(self, example: Example, triple: Triple, encoded: Encoded) -> list[tuple[TokenSpan, TokenSpan]]:
        """Returns (subject tokens, object tokens) for each combination of their occurrences in the window."""
        subjects = self.tokens(example, triple.subject, triple.subject_span, encoded)
        objects = self.tokens(example, triple.object, triple.object_span, encoded)
        return [(subject, object_) for subject in subjects for object_ in objects]

    def notes_on(self, example: Example, encoded: Sequence[Encoded]) -> Iterator[str]:
        yield from super().notes_on(example, encoded)
        for triple in example.triples or ():
            if reason := self._lost(example, triple, encoded):
                yield f"triples that cannot be found: {reason}"

    def _lost(self, example: Example, triple: Triple, encoded: Sequence[Encoded]) -> str | None:
        if triple.predicate not in self.predicates_:
            return "the predicate is not in the training data"
        if any(self.pairs_of(example, triple, window) for window in encoded):
            return None
        if reason := self.lost(example, triple.subject, triple.subject_span, encoded):
            return f"subject {reason}"
        if reason := self.lost(example, triple.object, triple.object_span, encoded):
            return f"object {reason}"
        return "subject and object are in no window together"

    def sample_target(self, x: Arrays, target: cascade.Gold, chance: np.random.Generator) -> tuple[Arrays, Arrays]:
        size = len(x["Input-Token"]), len(self.predicates_)
        more, y = cascade.step(target, *size, self.settings.max_sampled_spans, chance, soft=self.teacher_ is not None)
        return x | more, y

    # From tokens to triples ------------------------------------------------------------------------------------

    def run_model(self, encoded: Sequence[Encoded]) -> list[Outputs]:
        from ...inference.predict import inputs, run

        engine = run(self)
        found = engine(inputs(encoded))
        return cascade.probabilities(
            lambda *x: self.probabilities(engine.second(*x)),
            found["hidden"],
            self.probabilities(found["spans"]),
            encoded,
        )

    def decode(self, example: Example, encoded: Sequence[Encoded], outputs: Sequence[Outputs]) -> Candidates:
        found: dict[Strings, Triple] = {}
        remarks: set[str] = set()
        for window, each in zip(encoded, outputs, strict=True):
            answers = list(cascade.answers(**each))
            if MOST in (len(each["subjects"]), len(each["objects"])):
                remarks.add(MANY_SPANS)
            if len(answers) == cascade.TRIPLES:
                remarks.add(MANY_TRIPLES)
            for subject, predicate, object_, score in answers:
                one, other = span_of(window, *subject), span_of(window, *object_)
                strings = example.text[slice(*one)], self.predicates_[predicate], example.text[slice(*other)]
                if strings not in found or known(found[strings].probability) < score:
                    kinds = self.types_.get(strings[1], (None, None))
                    found[strings] = Triple(*strings, one, other, score, *kinds)
        candidates = Candidates(sorted(found.values(), key=lambda t: (-known(t.probability), t.strings)))
        candidates.remarks = remarks
        return candidates

    def score_candidates(
        self, examples: Sequence[Example], encoded: Sequence[Sequence[Encoded]], candidates: Sequence[Candidates]
    ) -> Report:
        report = super().score_candidates(examples, encoded, candidates)
        report.examples["notes"] = dict(collections.Counter(remark for each in candidates for remark in each.remarks))
        return report

    def tune(self, examples: Sequence[Example], candidates: Sequence[Candidates]) -> None:
        gold = [{t.strings for t in known(example.triples)} for example in examples]
        answers = [[(t.strings, known(t.probability)) for t in found] for found in candidates]
        self.threshold_ = self.best_threshold(gold, answers)

    def decide(self, example: Example, candidates: Candidates) -> Prediction:
        return Prediction(tuple(triple for triple in candidates if known(triple.probability) >= self.least))

    def client(self) -> Client:
        about = {"predicates": self.predicates_, "types": self.types_, "most": MOST, "most_triples": cascade.TRIPLES}
        made = self.span_client(Path(__file__).with_name("client.py.jinja"), about)
        return replace(made, second=self.SECOND_STAGE, second_head=self.model.get_layer("pairs").in_numpy())

    def explained_answers(self, value: Sequence[Record]) -> list[tuple[str, ...]]:
        return [tuple(each[key] for key in self.presentation.keys) for each in value]

    def judging(self) -> TripleJudging:
        return TripleJudging(self)

    def explain_targets(
        self,
        example: Example,
        windows: Sequence[Encoded],
        candidates: Candidates,
        prediction: Prediction,
        answer: Any,
    ) -> list[Target]:
        from .explain import targets

        return targets(self, example, windows, candidates, prediction, answer)

    def key(self, answer: Triple) -> Strings:
        return answer.strings

    def to_dict(self, prediction: Prediction) -> Record:
        return {"spo_list": self.answer_of(prediction)}

    def measure(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> Report:
        scores = triple_scores([known(e.triples) for e in examples], [p.triples for p in predictions])
        return Report(scores | {"threshold": self.least})


TASK = RelationExtractor
