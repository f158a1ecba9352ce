import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbert_tasks.metrics.sets import best_threshold, counted
from kbert_tasks.tasks.relation.scores import OVERLAPS, overlap, triples
from kbert_tasks.tasks.relation.triples import Triple
from kbert_tasks.text.spans import Span

MEMBERS = "abcde"
sets = st.sets(st.sampled_from(MEMBERS))
# Few different scores, so that many are equal. They are exact in binary, like the values half way between them.
scores = st.integers(1, 16).map(lambda n: n / 16)
answered = st.lists(st.tuples(sets, st.dictionaries(st.sampled_from(MEMBERS), scores).map(lambda d: list(d.items()))))


@pytest.mark.parametrize(
    "gold, predicted, precision, recall, f1",
    [
        (["ab", "c"], ["ad", "c"], 2 / 3, 2 / 3, 2 / 3),
        (["abc", ""], ["a", "a"], 1 / 2, 1 / 3, 2 / 5),
        (["a", "b"], ["b", "a"], 0, 0, 0),
        (["a"], ["a"], 1, 1, 1),
        (["ab"], [""], None, 0, 0),
        ([""], ["ab"], 0, None, 0),
        (["", ""], ["", ""], None, None, None),
        ([], [], None, None, None),
    ],
)
def test_precision_recall_and_f1_over_all_texts(gold, predicted, precision, recall, f1):
    found = counted(list(map(set, gold)), list(map(set, predicted)))
    assert (found["precision"], found["recall"], found["f1"]) == (precision, recall, f1)
    assert (found["support"], found["predicted"]) == (len("".join(gold)), len("".join(predicted)))


def test_different_numbers_of_texts_and_answers_raise_an_error():
    with pytest.raises(ValueError):
        counted([set()], [])


@given(st.lists(st.tuples(sets, sets), min_size=1))
def test_scores_equal_scikit_learn(texts):
    from sklearn.metrics import precision_recall_fscore_support
    from sklearn.preprocessing import MultiLabelBinarizer

    gold, predicted = zip(*texts, strict=True)
    binary = MultiLabelBinarizer(classes=list(MEMBERS)).fit([])
    *expected, _ = precision_recall_fscore_support(
        binary.transform(gold), binary.transform(predicted), average="micro", zero_division=np.nan
    )
    found = counted(gold, predicted)
    for name, score in zip(("precision", "recall", "f1"), expected, strict=True):
        assert (math.nan if found[name] is None else found[name]) == pytest.approx(score, nan_ok=True)


def f1_at(threshold, texts):
    chosen = [{each for each, score in answers if score >= threshold} for _, answers in texts]
    return counted([gold for gold, _ in texts], chosen)["f1"] or 0


@pytest.mark.parametrize(
    "gold, answers, threshold",
    [
        ("a", {"a": 0.75, "b": 0.25}, 0.5),
        ("b", {"a": 0.75, "b": 0.25}, 0.125),
        ("a", {"a": 0.5}, 0.25),
        ("a", {"a": 1.0, "b": 0.5}, 0.75),
        ("a", {"a": 0.5, "b": 0.5, "c": 0.25}, 0.375),
        ("ac", {"a": 0.75, "b": 0.5, "c": 0.5, "d": 0.5}, 0.625),
        ("abc", {"a": 0.75, "b": 0.5, "c": 0.5, "d": 0.5}, 0.25),
        ("abcde", {"a": 0.5, "b": 0.25}, 0.125),
        ("a", {"b": 0.75}, 0.5),
        ("", {"b": 0.75}, 0.5),
        ("a", {}, 0.5),
    ],
)
def test_the_threshold_of_one_text(gold, answers, threshold):
    assert best_threshold([set(gold)], [list(answers.items())]) == threshold


def test_threshold_is_tuned_on_all_texts_together():
    gold, answers = [{"a"}, set(), {"a"}], [[("a", 0.75)], [("a", 0.5)], [("b", 0.625), ("a", 0.25)]]
    assert best_threshold(gold[:1], answers[:1]) == 0.375
    assert best_threshold(gold, answers) == (0.75 + 0.625) / 2
    assert best_threshold([], []) == 0.5


@given(answered)
def test_no_other_threshold_is_better(texts):
    found = best_threshold(*([text[part] for text in texts] for part in (0, 1)))
    others = {score for _, answers in texts for _, score in answers} | {2}  # 2 keeps no answer
    assert f1_at(found, texts) == max(f1_at(other, texts) for other in others)


@given(answered)
def test_a_threshold_is_half_way_between_two_scores_or_a_half_without_right_answers(texts):
    found = best_threshold(*([text[part] for text in texts] for part in (0, 1)))
    assert type(found) is float and 0 < found < 1
    if not any(each in gold for gold, answers in texts for each, _ in answers):
        assert found == 0.5
        return
    all_scores = {score for _, answers in texts for _, score in answers}
    below, above = max({s for s in all_scores if s <= found}, default=0), min(s for s in all_scores if s >= found)
    assert below < found < above and found - below == above - found


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_threshold_separates_neighbouring_numbers(kind):
    above = np.nextafter(kind(1), kind(0))
    below = np.nextafter(above, kind(0))
    found = best_threshold([{"a"}], [[("a", above), ("b", below)]])
    assert float(below) < found <= float(above)


def parsed(text):
    """The triples in a string like "a p b, c q d"."""
    return tuple(Triple(*each.split()) for each in text.split(",") if each)


@pytest.mark.parametrize(
    "text, kind",
    [
        ("", "no triples"),
        ("a p b", "normal"),
        ("a p b, c p d", "normal"),
        ("a p a", "normal"),
        ("a p b, a p c", "shared entity"),
        ("a p c, b q c", "shared entity"),
        ("a p b, b p c", "shared entity"),
        ("a p a, a p b", "shared entity"),
        ("a p b, a q b", "shared pair"),
        ("a p b, b p a", "shared pair"),
        ("a p b, a q b, c p d", "shared pair"),
        ("a p b, a q b, a p c", "shared pair"),
    ],
)
def test_kinds_of_texts(text, kind):
    assert overlap({triple.strings for triple in parsed(text)}) == kind
    assert list(triples([parsed(text)], [()])["per_overlap"]) == [kind]


def test_scores_of_triples():
    gold = "a p b, c q d", "a p b, a p c", "a p b, a q b", "", ""
    predicted = "a p b, c p d", "a p b, a p c, a p d", "a q b", "", "a r b"
    found = triples(*(list(map(parsed, part)) for part in (gold, predicted)))
    assert found == {
        "precision": 4 / 7,
        "recall": 4 / 6,
        "f1": 8 / 13,
        "per_class": {
            "p": {"precision": 3 / 5, "recall": 3 / 4, "f1": 6 / 9, "support": 4, "predicted": 5},
            "q": {"precision": 1, "recall": 1 / 2, "f1": 2 / 3, "support": 2, "predicted": 1},
            "r": {"precision": 0, "recall": None, "f1": 0, "support": 0, "predicted": 1},
        },
        "per_overlap": {
            "normal": {"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "support": 2, "predicted": 2, "texts": 1},
            "shared entity": {"precision": 2 / 3, "recall": 1, "f1": 4 / 5, "support": 2, "predicted": 3, "texts": 1},
            "shared pair": {"precision": 1, "recall": 1 / 2, "f1": 2 / 3, "support": 2, "predicted": 1, "texts": 1},
            "no triples": {"precision": 0, "recall": None, "f1": 0, "support": 0, "predicted": 1, "texts": 2},
        },
    }
    assert list(found["per_overlap"]) == list(OVERLAPS)


def test_texts_without_gold_and_predicted_triples():
    none = {"precision": None, "recall": None, "f1": None, "support": 0, "predicted": 0}
    expected = {"precision": None, "recall": None, "f1": 0.0, "per_class": {}}
    assert triples([()], [()]) == expected | {"per_overlap": {"no triples": none | {"texts": 1}}}
    assert triples([], []) == expected | {"per_overlap": {}}


def test_same_strings_at_two_positions_are_one_triple():
    gold = Triple("a", "p", "b", Span(0, 1), Span(2, 3)), Triple("a", "p", "b", Span(4, 5), Span(2, 3))
    found = triples([gold], [parsed("a p b")])
    assert found["f1"] == 1 and found["per_overlap"]["normal"]["support"] == found["per_class"]["p"]["support"] == 1


HERE = Triple("a", "p", "b", Span(0, 1), Span(2, 3))
THERE = Triple("a", "p", "b", Span(0, 1), Span(4, 5))
NOWHERE = Triple("a", "p", "b")
HALF = Triple("a", "p", "b", Span(0, 1))


@pytest.mark.parametrize(
    "gold, predicted, right",
    [
        ([[HERE]], [[HERE]], 1),
        ([[HERE], []], [[Triple("a", "p", "b", Span(0, 1), Span(2, 3), probability=0.5)], []], 1),
        ([[HERE]], [[THERE]], 0),
        ([[HERE]], [[NOWHERE]], 0),
        ([[HERE]], [[HALF]], 0),
        ([[HERE], [THERE]], [[HERE], [HERE]], 1 / 2),
        ([[HERE, THERE]], [[HERE]], 1),  # either position is right
        ([[HERE]], [[]], 0),
        ([[NOWHERE]], [[HERE]], None),
        ([[HALF]], [[HALF]], None),
        ([[HERE], [NOWHERE]], [[HERE], [HERE]], 1),  # only the first text has positions
        ([[]], [[HERE]], None),
        ([], [], None),
    ],
)
def test_positions_are_scored_in_texts_where_all_gold_triples_have_them(gold, predicted, right):
    found = triples(gold, predicted)
    assert found.get("places", {"f1": None})["f1"] == right
    assert ("places" in found) == (right is not None)
    assert all(
        set(each) == {"precision", "recall", "f1", "support", "predicted", "texts"}
        for each in [found.get("places")]
        if each
    )


entities = st.sampled_from("abc")
found_triples = st.lists(st.builds(Triple, entities, st.sampled_from("pq"), entities), unique=True, max_size=4)


@given(st.lists(st.tuples(found_triples, found_triples), max_size=5))
def test_scores_by_predicate_and_kind_count_every_triple_once(texts):
    gold, predicted = ([text[part] for text in texts] for part in (0, 1))
    found = triples(gold, predicted)
    for part in ("per_class", "per_overlap"):
        assert sum(each["support"] for each in found[part].values()) == sum(map(len, gold))
        assert sum(each["predicted"] for each in found[part].values()) == sum(map(len, predicted))
    assert sum(each["texts"] for each in found["per_overlap"].values()) == len(texts)
    assert found["f1"] == (counted(list(map(set, gold)), list(map(set, predicted)))["f1"] or 0)
