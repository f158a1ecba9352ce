"""Runs the server until SIGINT or SIGTERM, and reloads the models at SIGHUP."""

import asyncio
import contextlib
import logging
import math
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI

from ..errors import InputError
from .application import application
from .limits import Limits
from .metrics import Metrics
from .models import Models

log = logging.getLogger("kbert_tasks")

LOOPBACK = ("127.", "::1")


def opened(host: str, port: int) -> socket.socket:
    """Returns a socket that is bound to the address and does not yet accept connections.

    Raises:
        InputError: the address cannot be used.
    """
    if not 0 <= port <= 65535:  # getaddrinfo would take the remainder of a larger number
        raise InputError(f"port should be from 0 to 65535, not {port}")
    made = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family)
        if hasattr(signal, "SIGHUP"):  # on Windows, this option would let two servers use the same port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        if made:
            made.close()
        reason = error.strerror or error
        raise InputError(
            f"port {port} of {host} cannot be opened ({reason}): choose another --port or --host"
        ) from None
    return made


@contextlib.contextmanager
def noted_hangups() -> Iterator[threading.Event]:
    """Inside the block, SIGHUP sets the event that is yielded. By default, it would end a server that is still loading."""
    noted = threading.Event()
    if not hasattr(signal, "SIGHUP"):
        yield noted
        return
    before = signal.signal(signal.SIGHUP, lambda *_: noted.set())
    try:
        yield noted
    finally:
        signal.signal(signal.SIGHUP, before)


def serve(
    models: Models,
    limits: Limits,
    listening: socket.socket,
    key: str | None,
    log_what: str,
    noted: threading.Event | None = None,
) -> None:
    """Answers requests until SIGINT or SIGTERM. Then it finishes the requests that it has accepted.

    Args:
        models: the Models.
        limits: the Limits.
        listening: a bound socket.
        key: the API key, or None.
        log_what: see `application`.
        noted: is set if SIGHUP arrived while the models were loaded; they are then loaded again if they have changed.
    """
    host, port = listening.getsockname()[:2]

    @contextlib.asynccontextmanager
    async def started(app: FastAPI) -> AsyncIterator[None]:
        with _reloading(models, app.state.answerer.metrics, noted):
            listening.listen(2048)  # now, and not by uvicorn after this function: who reads the log may connect at once
            shown = f"[{host}]" if ":" in host else host
            log.info("serving %s at http://%s:%d", ", ".join(each.name for each in models), shown, port)
            if key is None and not host.startswith(LOOPBACK):
                log.warning(
                    "other machines can use this server without a key: set KBERT_API_KEY, or use a reverse proxy"
                )
            yield

    app = application(models, limits, key, log_what, started)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, lifespan="on", ws="none",
        timeout_graceful_shutdown=math.ceil(limits.timeout) + 5,
    )  # fmt: skip
    # uvicorn raises the signal again after it has stopped; the process should then end with status 0.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    answerer = app.state.answerer
    log.info("stopped; %d requests were accepted, %d of them were not answered", answerer.admitted, answerer.waiting)


@contextlib.contextmanager
def _reloading(models: Models, metrics: Metrics, noted: threading.Event | None) -> Iterator[None]:
    """Reloads the models in a thread at SIGHUP, and at once if it was noted; a signal during a reload starts another one."""
    loop, lock, running = asyncio.get_running_loop(), asyncio.Lock(), set[asyncio.Task[Any]]()

    async def reload() -> None:
        async with lock:
            results = await loop.run_in_executor(None, models.reload)
        for name, result in results.items():
            metrics.reloads.labels(name, result).inc()
            log.info("%s: %s", name, result)

    def start() -> None:
        task = loop.create_task(reload())
        running.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(running.discard)

    possible = hasattr(signal, "SIGHUP")
    if possible:
        loop.add_signal_handler(signal.SIGHUP, start)
    if noted and noted.is_set():
        start()
    try:
        yield
    finally:
        if possible:
            loop.remove_signal_handler(signal.SIGHUP)
