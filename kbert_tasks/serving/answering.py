"""Answerer: admits requests, and waits for their predictions and explanations."""

import asyncio
import functools
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anyio

from ..errors import InputError
from ..explanation.explain import explain
from ..explanation.explanation import Explanation
from ..tasks.base import Task
from .batching import Answered, Batcher, Question
from .limits import Limits
from .metrics import Metrics
from .problems import Problem
from .schema import ExplainRequest


class Answerer:
    """Answers the requests of one server.

    Args:
        limits: the Limits.

    Attributes:
        waiting: number of admitted requests without an answer.
        admitted: number of requests that were admitted since the start.
        metrics: the Metrics.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.waiting = self.admitted = 0
        self.metrics = Metrics(lambda: self.waiting)
        self._batcher = Batcher(limits.batch_tokens, limits.batch_wait / 1000, self.metrics.batched)
        # Explanations have their own thread, because each one takes as long as a hundred predictions.
        self._explainer = ThreadPoolExecutor(1, "explainer")

    @property
    def alive(self) -> bool:
        """Whether the thread that predicts is running."""
        return self._batcher.alive

    @property
    def ready(self) -> bool:
        """Whether another request would be admitted."""
        return self.alive and self.waiting < self.limits.max_waiting

    @contextmanager
    def admission(self) -> Iterator[float]:
        """Counts a request while it is answered; yields its deadline, a time of `anyio.current_time`.

        Raises:
            Problem: too many requests are waiting.
        """
        if self.waiting >= self.limits.max_waiting:
            raise Problem(429, f"{self.waiting} requests are waiting for an answer: try again later", retry_after=1)
        self.waiting += 1
        self.admitted += 1
        try:
            yield anyio.current_time() + self.limits.timeout
        finally:
            self.waiting -= 1

    async def predict(self, task: Task[Any], rows: list[Any], deadline: float) -> Answered:
        """Returns the predictions for rows, in the same order.

        Raises:
            Problem: the rows cannot be read, or the time limit is over.
        """
        return await self._result(asyncio.wrap_future(self._batcher.ask(Question(task, rows))), deadline)

    async def explain(self, task: Task[Any], asked: ExplainRequest, deadline: float) -> Explanation:
        """Returns the explanation of an answer, without attention maps.

        Raises:
            Problem: the task cannot give this answer for this text, or the time limit is over.
        """
        work = functools.partial(explain, task, asked.text, asked.text_b, asked.answer, asked.steps, attention=False)
        return await self._result(asyncio.get_running_loop().run_in_executor(self._explainer, work), deadline)

    async def _result(self, future: "asyncio.Future[Any]", deadline: float) -> Any:
        try:
            with anyio.fail_after(deadline - anyio.current_time()):
                return await future
        except TimeoutError:
            sentence = f"the request was not answered within {self.limits.timeout:g} seconds: send fewer texts, or try again later"
            raise Problem(503, sentence, retry_after=math.ceil(self.limits.timeout)) from None
        except InputError as error:
            raise Problem(422, str(error)) from None

    def stop(self) -> None:
        """Ends the threads after the work that they have."""
        self._batcher.stop()
        self._explainer.shutdown(cancel_futures=True)
