"""The threshold of tasks that point at parts of a text: what is tuned can also be given, and the other way round."""

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
anything = st.floats(0, 1, exclude_min=True)  # of a type that always had a subject


def possible(probability):
    """For each text its gold names, and what is possible for it: name to probability."""
    return st.lists(st.tuples(st.sets(st.sampled_from(NAMES)), st.dictionaries(st.sampled_from(NAMES), probability)))


def subjects(found):
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return [Subject(name, Span(NAMES.index(name), NAMES.index(name) + 1), p) for name, p in ordered]


def triples(found):
    return [Triple(name, "是", name, probability=p) for name, p in sorted(found.items(), key=lambda item: -item[1])]


def tuned(task, made, texts):
    """(the task with its tuned threshold, the examples, what is possible for each)."""
    rows = [{"text": f"{NAMES}{i}", "event_type": "任一", "subject": [*gold]} for i, (gold, _) in enumerate(texts)]
    if isinstance(task, kb.RelationExtractor):
        rows = [{"text": NAMES, "spo_list": [[name, "是", name] for name in gold]} for gold, _ in texts]
    examples = task.examples(rows).rows if rows else []
    found = [made(each) for _, each in texts]
    task.tune(examples, found)
    return task, examples, found


def check(task, examples, found):
    threshold = task.threshold_
    assert FLOOR <= threshold <= 1
    given_again = type(task)(threshold=threshold)
    given_again.always_, given_again.threshold_ = getattr(task, "always_", []), 0.5
    for one, each in zip(examples, found, strict=True):
        assert task.decide(one, each) == given_again.decide(one, each)
    parser = use._parser("kbert-evaluate", "")
    assert parser.parse_args(["run", "--threshold", str(threshold)]).threshold == threshold


@given(possible(kept))
@example([({"甲"}, {"甲": 0.06})])  # half of this probability is below what can be given
@example([({"甲"}, {"甲": 1.0, "乙": 1 - 2**-53})])
def test_a_tuned_threshold_of_triples_can_be_given(texts):
    check(*tuned(kb.RelationExtractor(), triples, texts))


@given(st.tuples(possible(kept), st.just([])) | st.tuples(possible(anything), st.just(["任一"])))
@example(([({"甲"}, {"甲": 0.06})], []))
@example(([({"甲", "乙"}, {"甲": 0.04, "乙": 0.03})], ["任一"]))
def test_a_tuned_threshold_of_subjects_can_be_given(drawn):
    texts, always = drawn
    task = kb.SubjectExtractor()
    task.always_ = always
    check(*tuned(task, subjects, texts))


@pytest.mark.parametrize("kind", [kb.RelationExtractor, kb.SubjectExtractor])
def test_the_threshold_can_be_anything_that_tuning_can_find(kind):
    for threshold in (FLOOR, 0.5, 1.0):
        assert kind(threshold=threshold).least == threshold
    for threshold, limit in ((FLOOR - 1e-9, "at least 0.05"), (0.0, "at least 0.05"), (1.01, "at most 1")):
        with pytest.raises(kb.InputError, match=f"threshold should be {limit}, not"):
            kind(threshold=threshold)
