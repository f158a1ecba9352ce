"""Runs the server until SIGINT or SIGTERM, and reloads the models at SIGHUP."""

import contextlib
import logging
import math
import signal
import socket
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI

from ..errors import InputError
from . import hangups
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
        # asyncio sends small packets at once only if the protocol is named; otherwise each answer is delayed by 40 ms.
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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


def serve(
    models: Models,
    limits: Limits,
    listening: socket.socket,
    key: str | None,
    log_what: str,
) -> None:
    """Answers requests until SIGINT or SIGTERM. Then it finishes the requests that it has accepted.

    Args:
        models: the Models.
        limits: the Limits.
        listening: a bound socket.
        key: the API key, or None.
        log_what: see `application`.
    """
    host, port = listening.getsockname()[:2]

    @contextlib.asynccontextmanager
    async def started(app: FastAPI) -> AsyncIterator[None]:
        with hangups.calling(lambda: _reload(models, app.state.answerer.metrics)):
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


def _reload(models: Models, metrics: Metrics) -> None:
    for name, result in models.reload().items():
        metrics.reloads.labels(name, result).inc()
        log.info("%s: %s", name, result)
