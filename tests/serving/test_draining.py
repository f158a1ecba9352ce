"""The rest of a body is received before the response begins, so that the client sees the response."""

import anyio
import pytest

from kbert_tasks.serving.draining import Draining


async def refuse(scope, receive, send):
    """An application that answers before it has received the body."""
    await receive()
    await send({"type": "http.response.start", "status": 413, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("headers, parts", [([], 5), ([(b"expect", b"100-continue")], 1)])
def test_the_body_is_received_before_the_response(headers, parts):
    seen = []

    async def receive():
        seen.append("part")
        return {"type": "http.request", "body": b"x", "more_body": seen.count("part") < 5}

    async def send(message):
        seen.append(message["type"])

    anyio.run(Draining(refuse), {"type": "http", "headers": headers}, receive, send)
    assert seen == ["part"] * parts + ["http.response.start", "http.response.body"]


def test_slow_client_gets_the_response_without_sending_all():
    seen = []

    async def receive():
        await anyio.sleep(60 * bool(seen))
        seen.append("part")
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message):
        seen.append(message["type"])

    anyio.run(Draining(refuse, 0.05), {"type": "http", "headers": []}, receive, send)
    assert seen == ["part", "http.response.start", "http.response.body"]
