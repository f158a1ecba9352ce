"""The threshold of span tasks: a tuned threshold can also be set, and a set one can also be the result of tuning."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import kbert_tasks as kb
from kbert_tasks.cli import use
from kbert_tasks.tasks.relation.triples import Triple
from kbert_tasks.tasks.subject.subjects import Subject
from kbert_tasks.text.spans import FLOOR, Span

NAMES = "甲乙丙丁"
kept = st.floats(FLOOR, 1, exclude_min=True)  # the probabilities that `decode` keeps
anything = st.floats(0, 1, exclude_min=True)  # for a type that always had a subject


def texts_with_candidates(probability):
    """For each text, the gold names and the candidates (name to probability)."""
    return st.lists(st.tuples(st.sets(st.sampled_from(NAMES)), st.dictionaries(st.sampled_from(NAMES), probability)))


def subjects(found):
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return [Subject(name, Span(NAMES.index(name), NAMES.index(name) + 1), p) for name, p in ordered]


def triples(found):
    return [Triple(name, "是", name, probability=p) for name, p in sorted(found.items(), key=lambda item: -item[1])]


def tuned(task, made, texts):
    """(task with a tuned threshold, examples, candidates of each example)."""
    rows = [{"text": f"{NAMES}{i}", "event_type": "任一", "subject": [*gold]} for i, (gold, _) in enumerate(texts)]
    if isinstance(task, kb.RelationExtractor):
        rows = [{"text": NAMES, "spo_list": [[name, "是", name] for name in gold]} for gold, _ in texts]
    examples = task.examples(rows).rows if rows else []
    found = [made(candidates) for _, candidates in texts]
    task.tune(examples, found)
    return task, examples, found


def check(task, examples, found):
    threshold = task.threshold_
    assert FLOOR <= threshold <= 1
    set_again = type(task)(threshold=threshold)
    set_again.always_, set_again.threshold_ = getattr(task, "always_", []), 0.5
    for one, candidates in zip(examples, found, strict=True):
        assert task.decide(one, candidates) == set_again.decide(one, candidates)
    parser = use._parser("kbert-evaluate", "")
    assert parser.parse_args(["run", "--threshold", str(threshold)]).threshold == threshold


@given(texts_with_candidates(kept))
@example([({"甲"}, {"甲": 0.06})])  # half of this probability is below the minimum of the setting
@example([({"甲"}, {"甲": 1.0, "乙": 1 - 2**-53})])
def test_tuned_threshold_of_triples_can_be_set(texts):
    check(*tuned(kb.RelationExtractor(), triples, texts))


@given(
    st.tuples(texts_with_candidates(kept), st.just([])) | st.tuples(texts_with_candidates(anything), st.just(["任一"]))
)
@example(([({"甲"}, {"甲": 0.06})], []))
@example(([({"甲", "乙"}, {"甲": 0.04, "乙": 0.03})], ["任一"]))
def test_tuned_threshold_of_subjects_can_be_set(drawn):
    texts, always = drawn
    task = kb.SubjectExtractor()
    task.always_ = always
    check(*tuned(task, subjects, texts))


@pytest.mark.parametrize("kind", [kb.RelationExtractor, kb.SubjectExtractor])
def test_threshold_accepts_the_range_of_tuning(kind):
    for threshold in (FLOOR, 0.5, 1.0):
        assert kind(threshold=threshold).least == threshold
    for threshold, limit in ((FLOOR - 1e-9, "at least 0.05"), (0.0, "at least 0.05"), (1.01, "at most 1")):
        with pytest.raises(kb.InputError, match=f"threshold should be {limit}, not"):
            kind(threshold=threshold)
