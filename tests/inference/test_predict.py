"""Several batches of a prediction at the same time."""

import threading
import time
from contextvars import ContextVar

import pytest

from kbert_tasks.inference.predict import AT_ONCE, _ahead

PLACE: ContextVar[str] = ContextVar("place")


def test_results_keep_the_order_of_the_batches():
    def slow_for_even_numbers(number):
        time.sleep(0.02 * (number % 2 == 0))
        return 10 * number

    assert list(_ahead(slow_for_even_numbers, range(6), AT_ONCE)) == [0, 10, 20, 30, 40, 50]


def test_batches_are_computed_at_the_same_time():
    both = threading.Barrier(2)  # passes only if two threads wait at it
    assert list(_ahead(lambda number: both.wait(timeout=30) >= 0, range(4), 2)) == [True] * 4


def test_few_results_wait_to_be_read():
    begun = []
    results = _ahead(begun.append, range(100), 2)
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 4
    results.close()
    assert len(begun) <= 4


def test_an_error_in_a_batch_is_raised():
    def wrong(number):
        if number == 2:
            raise ValueError("batch 2")
        return number

    results = _ahead(wrong, range(5), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="batch 2"):
        next(results)


def test_threads_inherit_the_context():
    token = PLACE.set("here")
    try:
        assert list(_ahead(lambda _: PLACE.get(), range(3), 2)) == ["here"] * 3
    finally:
        PLACE.reset(token)


@pytest.mark.parametrize(("batches", "threads"), [(1, 2), (3, 1)])
def test_one_batch_or_one_thread_needs_no_other_thread(batches, threads):
    found = list(_ahead(lambda _: threading.current_thread(), range(batches), threads))
    assert set(found) == {threading.current_thread()}
