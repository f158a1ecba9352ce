"""Counts each request, and answers unexpected errors with one sentence."""

import json
import logging
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import JSONResponse

from .metrics import Metrics

log = logging.getLogger("kbert_tasks")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

QUIET = ("/health", "/ready", "/metrics")  # polled every few seconds


class Counting:
    """ASGI middleware that adds each request to the metrics and, if wanted, to the log.

    Args:
        app: the ASGI application.
        metrics: the Metrics.
        write: whether to write a line of JSON to standard error for each request. It contains texts only if the endpoint
            added them to `request.state.logged`.
    """

    def __init__(self, app: App, metrics: Metrics, write: bool) -> None:
        self.app, self.metrics, self.write = app, metrics, write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, sent)
        except Exception as error:
            if status:
                raise
            # Without its message, which may contain a text.
            log.error("%s in %s:\n%s", type(error).__name__, scope["path"], _places(error))
            response = JSONResponse({"error": "the server has an error, which is in its log"}, 500)
            await response(scope, receive, sent)
        self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route, state = scope.get("route"), scope.get("state", {})
        endpoint = getattr(route, "path", "other")  # not the path, which can be anything
        model = state.get("model", "")
        self.metrics.request(model, endpoint, status, seconds)
        if self.write and endpoint not in QUIET:
            line = {
                "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "endpoint": endpoint,
                "model": model,
                "status": status,
            }
            line |= {"seconds": round(seconds, 4)} | state.get("logged", {})
            print(json.dumps(line, ensure_ascii=False), file=sys.stderr, flush=True)


def _places(error: BaseException) -> str:
    return "".join(traceback.format_tb(error.__traceback__))
