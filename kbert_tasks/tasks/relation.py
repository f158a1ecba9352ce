"""Relation extraction: the (subject, predicate, object) triples of a text, by subject first, then its objects."""

import collections
from dataclasses import dataclass, field

from .. import cascade, set_metrics, triples
from ..data import text_of
from ..errors import InputError
from ..examples import Skip, joined
from ..metrics import Report
from ..settings import Settings, option
from ..spans import span_of, tokens_of
from ..triples import Triple
from ..windows import WHOLE, windows
from .base import Task


@dataclass(frozen=True)
class RelationSettings(Settings):
    """What relation extraction can be told beside what every task can."""

    label_column: str = option("spo_list", "column of the triples", later=True)
    subject_column: str = option("subject", "where a row has one triple: column of the subject", later=True)
    predicate_column: str = option("predicate", "the same, of the predicate", later=True)
    object_column: str = option("object", "the same, of the object", later=True)
    tokens: str = option("pieces", "a token for each word piece or each character", choices=("pieces", "characters"))
    overlap: int = option(32, "tokens that two windows of a text longer than max_length share", least=0)
    draws: int = option(8, "subjects, and objects, of a text in one step, at most", least=1)
    threshold: float | None = option(
        None, "least probability of a triple (by default found on the development texts)", above=0, below=1, later=True
    )


@dataclass(frozen=True)
class Example:
    """A text and its gold triples, or None."""

    text: str
    triples: tuple | None


@dataclass(frozen=True)
class Prediction:
    """The triples of a text, most probable first; each once, at its most probable place."""

    triples: tuple = field(default=())


class RelationExtractor(Task):
    """Triples of a text.

    Example:
        >>> task = kb.RelationExtractor("checkpoints/chinese_L-12_H-768_A-12", learning_rate=5e-5, epochs=10)
        >>> task.fit(kb.read("train.jsonl")).predict(["《雪的体重》的作者是方小雪。"])
        [Prediction(triples=(Triple(subject='雪的体重', predicate='作者', object='方小雪', ...),))]
    """

    Settings = RelationSettings
    MAIN_SCORE = "f1"
    LEARNED = ("predicates_", "threshold_")
    ANSWER = ("spo_list",)
    FORMAT = "jsonl"
    threshold_ = 0.5  # until development texts tell

    def example(self, row, gold):
        text = text_of(row[self.settings.text_column])
        if not text.strip():
            return Skip("empty text")
        if not gold:
            return Example(text, None)
        found = triples.triples_of(row[self.settings.label_column], text)
        return Skip("no list of triples") if found is None else Example(text, found)

    def grouped(self, rows):
        names = [getattr(self.settings, f"{part}_column") for part in ("subject", "predicate", "object")]
        if self.settings.label_column in rows or not {self.settings.text_column, *names} <= set(rows.columns):
            return rows
        return joined(rows, [self.settings.text_column], names, self.settings.label_column)

    def columns(self, gold):
        return ["text_column", *["label_column"] * gold]

    def learn(self, examples):
        self.predicates_ = sorted({triple.predicate for example in examples for triple in example.triples})
        if not self.predicates_:
            raise InputError("the training texts have no triples: at least one is needed")

    def new_tokenizer(self, vocabulary, cased):
        return super().new_tokenizer(vocabulary, cased, self.settings.tokens == "characters")

    def build(self, encoder):
        from .._keras import keras2
        from ..pointers import PairScores, SpanScores

        keras = keras2()
        # First and last token of each.
        subjects, objects = (keras.Input((None, 2), dtype="int32", name=name) for name in ("Subjects", "Objects"))
        x = keras.layers.Dropout(self.settings.dropout, name="Head-Dropout")(encoder.output)
        outputs = {"spans": SpanScores(2, name="spans")(x)}  # (batch, subject or object, time, time)
        # (batch, subjects, objects, predicates)
        outputs["pairs"] = PairScores(len(self.predicates_), name="pairs")([x, subjects, objects])
        return keras.Model([*encoder.inputs, subjects, objects], outputs, name="relation")

    def losses(self):
        from ..pointers import SetLoss

        return {"spans": SetLoss(), "pairs": SetLoss()}

    # From text and gold to tokens ------------------------------------------------------------------------------

    def encode(self, example):
        whole = self.tokenizer.encode(example.text, max_length=WHOLE)
        return windows(whole, self.settings.max_length, self.settings.overlap)

    def target(self, example, encoded):
        """The window's gold: {subject's tokens: [(predicate's number, object's tokens)]}."""
        gold = collections.defaultdict(list)
        for triple in example.triples:
            for subject, object_ in self._pairs(example, triple, encoded):
                gold[subject].append((self.predicates_.index(triple.predicate), object_))
        return dict(gold)

    @staticmethod
    def _pairs(example, triple, encoded):
        """Tokens of subject and object, at every place where both stand."""
        subjects, objects = (
            [tokens for span in triples.places(example.text, *part) if (tokens := tokens_of(encoded, span))]
            for part in ((triple.subject, triple.subject_span), (triple.object, triple.object_span))
        )
        return [(subject, object_) for subject in subjects for object_ in objects]

    def remarks(self, example, encoded):
        yield from super().remarks(example, encoded)
        for triple in example.triples or ():
            if reason := self._lost(example, triple, encoded):
                yield f"triples that cannot be found: {reason}"

    def _lost(self, example, triple, encoded):
        if triple.predicate not in self.predicates_:
            return "training never saw the predicate"
        if any(self._pairs(example, triple, window) for window in encoded):
            return None
        for part, string, span in (
            ("subject", triple.subject, triple.subject_span), ("object", triple.object, triple.object_span),
        ):  # fmt: skip
            found = triples.places(example.text, string, span)
            if not found:
                return f"{part} is not in the text"
            if not any(tokens_of(window, place) for window in encoded for place in found):
                whole = self.tokenizer.encode(example.text, max_length=WHOLE)
                cut = any(tokens_of(whole, place) for place in found)
                return f"{part} is longer than a window" if cut else f"{part} does not begin and end with tokens"
        return "subject and object stand in no window together"

    def draw(self, x, target, chance):
        size = len(x["Input-Token"]), len(self.predicates_)
        more, y = cascade.step(target, *size, self.settings.draws, chance)
        return x | more, y

    # From tokens to triples ------------------------------------------------------------------------------------

    def outputs(self, encoded):
        from ..inference import inputs

        return cascade.probabilities(self.model, inputs(encoded), encoded)

    def decode(self, example, encoded, outputs):
        found = {}
        for window, each in zip(encoded, outputs, strict=True):
            for subject, predicate, object_, score in cascade.answers(**each):
                one, other = span_of(window, *subject), span_of(window, *object_)
                strings = example.text[slice(*one)], self.predicates_[predicate], example.text[slice(*other)]
                if strings not in found or found[strings].score < score:
                    found[strings] = Triple(*strings, one, other, score)
        return Prediction(tuple(sorted(found.values(), key=lambda t: (-t.score, t.strings))))

    def tune(self, examples, possible):
        gold = [{t.strings for t in e.triples} for e in examples]
        answers = [[(t.strings, t.score) for t in p.triples] for p in possible]
        self.threshold_ = set_metrics.best_threshold(gold, answers)

    def choose(self, example, possible):
        least = self.settings.threshold or self.threshold_
        return Prediction(tuple(triple for triple in possible.triples if triple.score >= least))

    def row(self, prediction):
        return {"spo_list": [triple.as_dict() for triple in prediction.triples]}

    def error(self, example, prediction):
        gold, found = ({triple.strings for triple in each} for each in (example.triples, prediction.triples))
        parts = {"gold": gold, "predicted": found, "missing": gold - found, "spurious": found - gold}
        return None if gold == found else {"text": example.text} | {name: sorted(each) for name, each in parts.items()}

    def score(self, examples, predictions):
        return Report(set_metrics.triples([e.triples for e in examples], [p.triples for p in predictions]))


TASK = RelationExtractor
