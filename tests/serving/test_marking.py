"""Marked parts of a text, for the forms in which tasks return positions."""

import time

from kbert_tasks.serving.marking import marks, pieces
from kbert_tasks.tasks.presentation import Presentation

RELATION = Presentation(group="predicate", keys=("subject", "predicate", "object"), entities=("subject", "object"))
SUBJECT = Presentation(group="event type", keys=("subject",), entities=("subject",))
ENTITY = Presentation(group="type", keys=("entity", "type", "start"), entities=("entity",))
TEXT = "方小雪写了《雪》"


def test_roles_with_spans():
    record = {"subject": "雪", "subject_span": [6, 7], "predicate": "作者", "object": "方小雪", "object_span": [0, 3]}
    assert marks(TEXT, [record, record], RELATION) == [(6, 7, "subject"), (0, 3, "object")]


def test_one_entity_with_a_span():
    assert marks(TEXT, [{"subject": "方小雪", "span": [0, 3], "probability": 0.9}], SUBJECT) == [(0, 3, "subject")]


def test_entity_with_a_type_and_its_position():
    assert marks(TEXT, [{"entity": "方小雪", "type": "人物", "start": 0, "end": 3}], ENTITY) == [(0, 3, "人物")]


def test_without_a_position_all_occurrences_are_marked():
    assert marks(TEXT, [{"subject": "雪"}], SUBJECT) == [(2, 3, "subject"), (6, 7, "subject")]
    assert marks(TEXT, [{"subject": ""}], SUBJECT) == []


def test_positions_outside_of_the_text_are_ignored():
    assert marks(TEXT, [{"subject": "x", "span": [7, 99]}], SUBJECT) == []


def test_pieces_of_nested_marks():
    found = pieces("abcdef", [(0, 4, "x"), (1, 2, "y"), (4, 5, "x")])
    assert found == [
        ("a", ["x"], ["x"]),
        ("b", ["x", "y"], ["y"]),
        ("cd", ["x"], []),
        ("e", ["x"], ["x"]),
        ("f", [], []),
    ]
    assert pieces("", []) == []


def test_longer_marks_come_first():
    """The last name gives the colour, so the shortest of nested marks should be the last."""
    (_, inside, begins), *_ = pieces("abc", [(0, 1, "short"), (0, 3, "long")])
    assert inside == begins == ["long", "short"]


def test_many_marks_take_little_time():
    found = [(place, place + 3, f"type {place % 9}") for place in range(20_000)]
    began = time.perf_counter()
    assert len(pieces("a" * 20_003, found)) == 20_003
    assert time.perf_counter() - began < 10  # comparing each part with each mark takes minutes
