"""Batcher: answers the requests of all clients in batches, in one thread.

A batch starts with the text that has waited longest, and is filled with the waiting texts whose lengths are closest to it, up
to a number of tokens. So little is computed for padding, no text waits forever, and a request with many texts does not have
to be complete before the next one begins.
"""

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data.examples import Examples
from ..errors import InputError
from ..inference.predict import decoded
from ..tasks.base import Task
from ..text.tokenizer import Encoded

log = logging.getLogger("kbert_tasks")


@dataclass
class Answered:
    """The result of a request.

    Attributes:
        predictions: one Prediction for each row, or None if it has no answer.
        skipped: number of rows without an answer, by reason.
        examples: the examples of the rows that have an answer.
    """

    predictions: list[Any]
    skipped: dict[str, int]
    examples: list[Any]


@dataclass(eq=False)
class Question:
    """The rows of one request.

    Attributes:
        task: the task with the options of this request. Only texts of the same task are in one batch.
        rows: a list of texts, pairs or dicts, as `task.examples` accepts it.
        future: receives an Answered, or an InputError if the rows cannot be read.
    """

    task: Task[Any]
    rows: Sequence[Any]
    future: "Future[Answered]" = field(default_factory=Future)
    answered: Answered = field(init=False)
    left: int = 0  # number of texts without a prediction

    def fail(self, error: BaseException) -> None:
        with suppress(InvalidStateError):  # the client did not wait
            self.future.set_exception(error)

    def finish(self) -> None:
        with suppress(InvalidStateError):
            self.future.set_result(self.answered)


@dataclass(eq=False)
class Item:
    """One text that waits for its prediction, with the positions of its rows in the request."""

    question: Question
    example: Any
    windows: list[Encoded]
    places: tuple[int, ...]
    longest: int = field(init=False)  # number of tokens of its longest window

    def __post_init__(self) -> None:
        self.longest = max(len(window.ids) for window in self.windows)


def chosen(longest: Sequence[int], windows: Sequence[int], most: int) -> list[int]:
    """Returns the indices of the texts of the next batch; the first one is always chosen.

    Args:
        longest: number of tokens of the longest window of each waiting text, in the order of arrival.
        windows: number of windows of each text.
        most: maximum number of tokens of a batch, padding included.
    """
    order = np.argsort(abs(np.asarray(longest) - longest[0]), kind="stable")
    picked, width, height = [0], longest[0], windows[0]
    for i in map(int, order):
        if i == 0:
            continue
        wide, high = max(width, longest[i]), height + windows[i]
        if wide * high > most:
            break
        picked.append(i)
        width, height = wide, high
    return picked


class Batcher:
    """Predicts the texts of questions in its own thread.

    Args:
        most: maximum number of tokens of a batch, padding included.
        wait: seconds to wait for more questions when one arrives while no text is waiting. It does not wait if the last
            question arrived alone, so that a single client is answered at once.
        seen: is called after each batch with (number of texts, number of tokens, seconds).
    """

    def __init__(self, most: int, wait: float, seen: Callable[[int, int, float], None] = lambda *_: None) -> None:
        self.most, self.wait, self.seen = most, wait, seen
        self._arrived: deque[Question] = deque()
        self._waiting: list[Item] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._alone = True
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def ask(self, question: Question) -> "Future[Answered]":
        """Adds a question and returns its future."""
        with self._changed:
            self._arrived.append(question)
            self._changed.notify()
        return question.future

    def stop(self) -> None:
        """Answers the questions that were asked, and ends the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while self._take():
            self._waiting = [each for each in self._waiting if not each.question.future.done()]
            if self._waiting:
                self._next()

    def _take(self) -> bool:
        """Prepares the questions that arrived; returns False at the end."""
        with self._changed:
            if not self._waiting:
                self._changed.wait_for(lambda: self._arrived or self._stopping)
                if not self._alone and self.wait:
                    # Questions that arrive while this thread waits are added to the same batch.
                    self._changed.wait_for(lambda: self._stopping, self.wait)
            some = [*self._arrived]
            self._arrived.clear()
            if not some and not self._waiting:
                return not self._stopping
        self._alone = len(some) + len({id(each.question) for each in self._waiting}) < 2
        self._prepare([each for each in some if not each.future.done()])
        return True

    def _prepare(self, questions: Sequence[Question]) -> None:
        groups: dict[Any, list[Question]] = {}
        for each in questions:
            # Texts and pairs can be read together. Rows can have different columns, and errors.
            alone = id(each) if isinstance(each.rows[0], dict) else type(each.rows[0])
            groups.setdefault((id(each.task), alone), []).append(each)
        for group in groups.values():
            self._read(group)

    def _read(self, group: Sequence[Question]) -> None:
        try:
            self._waiting += _items(group)
        except Exception as error:
            if len(group) > 1:  # only the question that causes the error fails
                for each in group:
                    self._read([each])
                return
            if not isinstance(error, InputError):
                _report(error)
            group[0].fail(error)

    def _next(self) -> None:
        """Computes the next batch."""
        task = self._waiting[0].question.task
        same = [item for item in self._waiting if item.question.task is task]
        picked = chosen([item.longest for item in same], [len(item.windows) for item in same], self.most)
        batch = [same[i] for i in picked]
        gone = set(map(id, batch))
        self._waiting = [item for item in self._waiting if id(item) not in gone]
        began = time.perf_counter()
        self._compute(batch)
        tokens = sum(len(window.ids) for item in batch for window in item.windows)
        self.seen(len(batch), tokens, time.perf_counter() - began)

    def _compute(self, batch: Sequence[Item]) -> None:
        task = batch[0].question.task
        try:
            examples = [item.example for item in batch]
            candidates = decoded(task, examples, [item.windows for item in batch])
            predictions = [task.decide(*each) for each in zip(examples, candidates, strict=True)]
        except Exception as error:
            if len(batch) > 1:  # only the text that causes the error has no answer
                for item in batch:
                    self._compute([item])
            else:
                _report(error)
                batch[0].question.fail(error)
            return
        for item, prediction in zip(batch, predictions, strict=True):
            question = item.question
            for place in item.places:
                question.answered.predictions[place] = prediction
            question.left -= 1
            if not question.left:
                question.finish()


def _items(questions: Sequence[Question]) -> list[Item]:
    """Reads the rows of questions of the same form with the same task, and tokenizes them."""
    task = questions[0].task
    examples = task.examples([row for each in questions for row in each.rows], gold=False)
    owners = [each for each in questions for _ in each.rows]
    first = {id(each): 0 for each in questions}
    position = 0
    for each in questions:
        first[id(each)] = position
        position += len(each.rows)
        each.answered, each.left = Answered([None] * len(each.rows), {}, []), 0  # it may have been read before
    items = []
    for example, source in zip(examples.rows, examples.sources, strict=True):
        question = owners[source[0]]
        start = first[id(question)]
        items.append(Item(question, example, task.encode(example), tuple(place - start for place in source)))
        question.answered.examples.append(example)
        question.left += 1
    for each in questions:
        if len(each.answered.examples) < len(each.rows):
            each.answered.skipped = _skipped(task, each, examples if len(questions) == 1 else None)
        if not each.left:
            each.finish()
    return items


def _skipped(task: Task[Any], question: Question, examples: Examples | None) -> dict[str, int]:
    """Returns the reasons why rows of a question have no answer. They are known only if it was read alone."""
    return dict((examples or task.examples(question.rows, gold=False)).skipped)


def _report(error: BaseException) -> None:
    """Logs where an unexpected error was raised, without its message, which may contain a text."""
    log.error("%s while predicting:\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
